// All block types by name and by number. Adding one is an entry in a family's file and its name here.
import type { BlockType } from "./block.ts";
import { codebook } from "./codebook.ts";
import { kquants } from "./kquants.ts";
import { nonlinear } from "./nonlinear.ts";
import { simple } from "./simple.ts";
import { ternary } from "./ternary.ts";

/** The names of the quantised types, as llama.cpp spells them. */
export type QuantType =
  | "Q1_0"
  | "Q2_0"
  | "Q4_0"
  | "Q4_1"
  | "Q5_0"
  | "Q5_1"
  | "Q8_0"
  | "Q8_1"
  | "Q2_K"
  | "Q3_K"
  | "Q4_K"
  | "Q5_K"
  | "Q6_K"
  | "Q8_K"
  | "IQ1_S"
  | "IQ1_M"
  | "IQ2_XXS"
  | "IQ2_XS"
  | "IQ2_S"
  | "IQ3_XXS"
  | "IQ3_S"
  | "IQ4_NL"
  | "IQ4_XS"
  | "TQ1_0"
  | "TQ2_0"
  | "MXFP4"
  | "NVFP4";

const ALL: readonly BlockType[] = [...simple, ...kquants, ...nonlinear, ...ternary, ...codebook];
const byName = new Map(ALL.map((t) => [t.name, t]));
const byId = new Map(ALL.map((t) => [t.id, t]));

/** The names of all quantised types. */
export const QUANT_TYPES: readonly QuantType[] = ALL.map((t) => t.name as QuantType);
/** A quantised type by name. */
export const blockType = (name: string): BlockType | undefined => byName.get(name);
/** A quantised type by its number in files. */
export const blockTypeOf = (id: number): BlockType | undefined => byId.get(id);

/** The types that backends with the kernels `quantizedLinear` and `dequantize` know; others are decoded here. */
export const KERNEL_TYPES: ReadonlySet<QuantType> = new Set<QuantType>([
  "Q4_0",
  "Q4_1",
  "Q5_0",
  "Q5_1",
  "Q8_0",
  "Q2_K",
  "Q3_K",
  "Q4_K",
  "Q5_K",
  "Q6_K",
  "IQ4_NL",
  "IQ4_XS",
  "MXFP4",
]);

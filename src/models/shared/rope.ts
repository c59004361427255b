// Rotary position embeddings: pairs of features turn by an angle that grows with the position. Su et al. 2021, RoFormer.
import { given } from "../../core/arguments.ts";
import { ValueError } from "../../core/errors.ts";
import { noGrad } from "../../core/mode.ts";
import type { Tensor } from "../../core/tensor.ts";
import type { DType } from "../../core/dtype.ts";
import { tensor } from "../../ops/create.ts";
import { cat } from "../../ops/join.ts";
import { to } from "../../ops/copy.ts";

/** How the angles grow, in the spelling of Hugging Face's files. */
export interface RopeParameters {
  readonly rope_type?: string;
  readonly type?: string;
  readonly rope_theta?: number;
  readonly partial_rotary_factor?: number;
  readonly factor?: number;
  readonly low_freq_factor?: number;
  readonly high_freq_factor?: number;
  readonly original_max_position_embeddings?: number;
  readonly attention_factor?: number | null;
  readonly beta_fast?: number | null;
  readonly beta_slow?: number | null;
  readonly mscale?: number | null;
  readonly mscale_all_dim?: number | null;
  readonly truncate?: boolean;
  readonly short_factor?: readonly number[];
  readonly long_factor?: readonly number[];
  /** One for each pair, as GGUF files have them. */
  readonly factors?: readonly number[];
}
/** What `Rope` needs to know of a model. */
export interface RopeSizes {
  readonly headDim: number;
  readonly maxPositionEmbeddings: number;
}

/** Frequencies [D / 2] of the pairs, and the factor of cosine and sine. */
interface Frequencies {
  readonly inverse: readonly number[];
  readonly scaling: number;
}
const f32 = Math.fround;
const pairs = (dim: number, base: number): number[] => Array.from({ length: dim / 2 }, (_, i) => f32(1 / f32(base ** ((2 * i) / dim))));

type Rule = (p: RopeParameters, base: number, dim: number, sizes: RopeSizes, length: number) => Frequencies;
const need = (p: RopeParameters, key: keyof RopeParameters): number => {
  const v = p[key];
  if (typeof v !== "number" || !Number.isFinite(v))
    throw new ValueError({
      op: "rope",
      message: `${key} is ${given(v)}, needed a number for ${kindOf(p)}`,
      hint: "Check rope_scaling in config.json",
    });
  return v;
};
const kindOf = (p: RopeParameters): string => p.rope_type ?? p.type ?? "default";

const RULES: Readonly<Record<string, Rule>> = {
  default: (_, base, dim) => ({ inverse: pairs(dim, base), scaling: 1 }),
  // Positions are pressed together by the factor.
  linear: (p, base, dim) => ({ inverse: pairs(dim, base).map((f) => f32(f / need(p, "factor"))), scaling: 1 }),
  // The base grows with the length beyond what the model was trained on.
  dynamic: (p, base, dim, sizes, length) => {
    const factor = need(p, "factor");
    const most = p.original_max_position_embeddings ?? sizes.maxPositionEmbeddings;
    const seen = Math.max(length, most);
    return { inverse: pairs(dim, base * ((factor * seen) / most - (factor - 1)) ** (dim / (dim - 2))), scaling: 1 };
  },
  // LLaMA 3.1: long waves are stretched, short ones kept, those between blended.
  llama3: (p, base, dim) => {
    const [factor, low, high, old] = (["factor", "low_freq_factor", "high_freq_factor", "original_max_position_embeddings"] as const).map(
      (k) => need(p, k),
    ) as [number, number, number, number];
    const inverse = pairs(dim, base).map((f) => {
      const wave = (2 * Math.PI) / f;
      if (wave < old / high) return f;
      if (wave > old / low) return f32(f / factor);
      const smooth = (old / wave - low) / (high - low);
      return f32(((1 - smooth) * f) / factor + smooth * f);
    });
    return { inverse, scaling: 1 };
  },
  // Peng et al. 2023: interpolation for long waves, extrapolation for short ones, a ramp between, and a temperature.
  yarn: (p, base, dim, sizes) => {
    const old = p.original_max_position_embeddings ?? sizes.maxPositionEmbeddings;
    const factor = p.factor ?? sizes.maxPositionEmbeddings / old;
    const temper = (scale: number, m = 1): number => (scale <= 1 ? 1 : 0.1 * m * Math.log(scale) + 1);
    const scaling =
      p.attention_factor ?? (p.mscale && p.mscale_all_dim ? temper(factor, p.mscale) / temper(factor, p.mscale_all_dim) : temper(factor));
    const at = (turns: number): number => (dim * Math.log(old / (turns * 2 * Math.PI))) / (2 * Math.log(base));
    const whole = p.truncate ?? true;
    const [lowest, highest] = [at(p.beta_fast ?? 32), at(p.beta_slow ?? 1)];
    const low = Math.max(whole ? Math.floor(lowest) : lowest, 0);
    let high = Math.min(whole ? Math.ceil(highest) : highest, dim - 1);
    if (high === low) high += 0.001;
    const inverse = pairs(dim, base).map((f, i) => {
      const ramp = Math.min(1, Math.max(0, (i - low) / (high - low)));
      return f32((f / factor) * ramp + f * (1 - ramp));
    });
    return { inverse, scaling };
  },
  // What llama3 comes to, worked out by whoever wrote the file.
  factors: (p, base, dim) => ({ inverse: pairs(dim, base).map((f, i) => f32(f / (p.factors?.[i] ?? 1))), scaling: 1 }),
  // Ding et al. 2024: a factor of its own for each pair, one set for short and one for long texts.
  longrope: (p, base, dim, sizes, length) => {
    const old = p.original_max_position_embeddings ?? sizes.maxPositionEmbeddings;
    const factors = length > old ? p.long_factor : p.short_factor;
    if (!Array.isArray(factors) || factors.length !== dim / 2)
      throw new ValueError({
        op: "rope",
        message: `long_factor and short_factor need ${dim / 2} numbers each, given ${given(factors)}`,
        hint: "Check rope_scaling in config.json",
      });
    const factor = p.factor ?? sizes.maxPositionEmbeddings / old;
    const scaling = p.attention_factor ?? (factor <= 1 ? 1 : Math.sqrt(1 + Math.log(factor) / Math.log(old)));
    return { inverse: Array.from({ length: dim / 2 }, (_, i) => f32(1 / f32((factors[i] as number) * base ** ((2 * i) / dim)))), scaling };
  },
};

/** Are the frequencies other ones for longer texts? */
const growing = (kind: string): boolean => kind === "dynamic" || kind === "longrope";

/** Cosines and sines for positions: [T, D] or [B, T, D] each, both halves of D alike. */
export interface Angles {
  readonly cos: Tensor;
  readonly sin: Tensor;
}

/** Tables of cosines and sines that grow as they are needed. Not part of a model's state. */
export class Rope {
  readonly #parameters: RopeParameters;
  readonly #base: number;
  readonly #dim: number;
  readonly #sizes: RopeSizes;
  readonly #rule: Rule;
  /** The frequencies where they are the same for texts of every length. */
  readonly #fixed: Frequencies | null;
  #table: { cos: Tensor; sin: Tensor; rows: number; key: string } | null = null;

  /** @throws ValueError for a kind of scaling that is not known, or one that lacks a number */
  constructor(sizes: RopeSizes, parameters: RopeParameters) {
    const kind = kindOf(parameters);
    if (!Object.hasOwn(RULES, kind))
      throw new ValueError({ op: "rope", message: `no rope_type ${given(kind)}`, hint: `Known types: ${Object.keys(RULES).join(", ")}` });
    this.#parameters = parameters;
    this.#base = parameters.rope_theta ?? 10000;
    this.#dim = Math.trunc(sizes.headDim * (parameters.partial_rotary_factor ?? 1));
    this.#sizes = sizes;
    this.#rule = RULES[kind]!;
    const first = this.#rule(parameters, this.#base, this.#dim, sizes, 1); // finds what is missing, too
    this.#fixed = growing(kind) ? null : first;
  }
  #of(length: number): Frequencies {
    return this.#fixed ?? this.#rule(this.#parameters, this.#base, this.#dim, this.#sizes, length);
  }

  /** What each pair turns by from one position to the next, in a text of `length` positions: [D / 2]. */
  frequencies(length: number): readonly number[] {
    return this.#of(length).inverse;
  }
  /** Are the angles of early positions others in a text of `after` positions than in one of `before`? */
  changes(before: number, after: number): boolean {
    const at = (length: number): string => this.frequencies(length).join();
    return this.#fixed === null && at(before) !== at(after);
  }

  /** Rows `positions` of the tables: a first position and a count, or positions [B, T] of int64 up to `last`. */
  angles(positions: { from: number; count: number } | { at: Tensor; last: number }, dtype: DType, device: string): Angles {
    const length = "at" in positions ? positions.last + 1 : positions.from + positions.count;
    const { cos, sin } = this.#tableFor(length, dtype, device);
    return "at" in positions
      ? { cos: cos.index(positions.at), sin: sin.index(positions.at) }
      : { cos: cos.narrow(0, positions.from, positions.count), sin: sin.narrow(0, positions.from, positions.count) };
  }

  #tableFor(length: number, dtype: DType, device: string): { cos: Tensor; sin: Tensor } {
    const { inverse, scaling } = this.#of(length);
    const key = `${dtype} ${device}${this.#fixed ? "" : ` ${inverse.join()}`}`;
    if (this.#table && this.#table.key === key && this.#table.rows >= length) return this.#table;
    const rows = Math.max(length, 64, 2 * (this.#table?.rows ?? 0));
    const half = inverse.length;
    const [cos, sin] = [new Float32Array(rows * 2 * half), new Float32Array(rows * 2 * half)];
    for (let t = 0; t < rows; t++)
      for (let i = 0; i < half; i++) {
        const angle = f32(t * inverse[i]!); // float32 as in PyTorch, whose tables this must equal
        const at = t * 2 * half + i;
        cos[at] = cos[at + half] = f32(Math.cos(angle)) * scaling;
        sin[at] = sin[at + half] = f32(Math.sin(angle)) * scaling;
      }
    const put = (x: Float32Array): Tensor => noGrad(() => to(tensor(x, { device }).reshape([rows, 2 * half]), dtype));
    this.#table = { cos: put(cos), sin: put(sin), rows, key };
    return this.#table;
  }
}

/** Turns x [B, H, T, D]: the first D' = size of the angles features, feature i with feature i + D'/2; the others stay. */
export function rotate(x: Tensor, { cos, sin }: Angles): Tensor {
  const dim = cos.shape.at(-1)!;
  const [turned, kept] = dim === x.shape.at(-1) ? [x, null] : [x.narrow(-1, 0, dim), x.narrow(-1, dim, x.shape.at(-1)! - dim)];
  // [B, T, D] angles stand for all heads.
  const [c, s] = cos.ndim === 3 ? [cos.unsqueeze(1), sin.unsqueeze(1)] : [cos, sin];
  const [a, b] = [turned.narrow(-1, 0, dim / 2), turned.narrow(-1, dim / 2, dim / 2)];
  const y = turned.mul(c).add(cat([b.neg(), a], -1).mul(s));
  return kept ? cat([y, kept], -1) : y;
}

/** Rope parameters of a configuration, old spelling (`rope_theta`, `rope_scaling`) or new (`rope_parameters`, one or one a layer type). */
export function ropeParameters(
  config: {
    readonly ropeTheta: number;
    readonly ropeScaling: Readonly<Record<string, unknown>> | null;
    readonly ropeParameters: Readonly<Record<string, unknown>> | null;
    readonly partialRotaryFactor?: number;
    readonly originalMaxPositionEmbeddings?: number | null;
  },
  layerType?: string,
): RopeParameters {
  const fresh = config.ropeParameters;
  const chosen =
    fresh && layerType !== undefined && typeof fresh[layerType] === "object" ? (fresh[layerType] as Record<string, unknown>) : fresh;
  const old = config.ropeScaling ?? {};
  return {
    rope_theta: config.ropeTheta,
    ...(config.partialRotaryFactor !== undefined && { partial_rotary_factor: config.partialRotaryFactor }),
    ...(config.originalMaxPositionEmbeddings ? { original_max_position_embeddings: config.originalMaxPositionEmbeddings } : {}),
    ...(old as RopeParameters),
    ...((chosen ?? {}) as RopeParameters),
  };
}

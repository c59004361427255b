// Configurations: `config.json` of a model folder as a typed object, Python's `hidden_size` as `hiddenSize`.
import { given, suggest } from "../core/arguments.ts";
import { ArgumentError, FormatError } from "../core/errors.ts";

/** What a field of a configuration may hold, and what it is when it is not given. */
export interface Field<T> {
  readonly needed: string;
  readonly is: (x: unknown) => boolean;
  readonly fallback: T;
  /** A float in Python, which tells 30 from 30.0: written so. */
  readonly isReal?: boolean;
}
const field =
  <T>(needed: string, is: (x: unknown) => boolean) =>
  (fallback: T): Field<T> => ({ needed, is, fallback });
/** A size: an integer >= 1. */
export const size: (fallback: number) => Field<number> = /*@__PURE__*/ field(
  "an integer >= 1",
  (x) => Number.isSafeInteger(x) && (x as number) >= 1,
);
/** A number. */
export const real = (fallback: number): Field<number> => ({ needed: "a number", is: Number.isFinite, fallback, isReal: true });
/** true or false. */
export const flag: (fallback: boolean) => Field<boolean> = /*@__PURE__*/ field("true or false", (x) => typeof x === "boolean");
/** One of several words, or any where none is listed. */
export const word = <T extends string>(fallback: T, ...words: readonly T[]): Field<T> => ({
  needed: words.length ? words.map((w) => `"${w}"`).join(", ") : "a string",
  is: (x) => typeof x === "string" && (words.length === 0 || words.includes(x as T)),
  fallback,
});
/** A token, several, or none. */
export type Token = number | readonly number[] | null;
/** A field for one. */
export const token: (fallback: Token) => Field<Token> = /*@__PURE__*/ field("a token's number, or an array of them", (x) =>
  [x].flat().every((n) => Number.isSafeInteger(n)),
);
/** Numbers, words or objects in an array. */
export const list = <T>(each: (x: unknown) => boolean): Field<readonly T[] | null> => ({
  needed: "an array",
  is: (x) => x === null || (Array.isArray(x) && x.every(each)),
  fallback: null,
});
/** An object as the file has it. */
export const object: Field<Readonly<Record<string, unknown>> | null> = {
  needed: "an object",
  is: (x) => x === null || (typeof x === "object" && !Array.isArray(x)),
  fallback: null,
};
/** A field that may be null. */
export const maybe = <T>(f: Field<T>): Field<T | null> => ({
  needed: `${f.needed}, or null`,
  is: (x) => x === null || f.is(x),
  fallback: null,
  isReal: f.isReal === true,
});
/** Fields that every configuration has. */
export interface CommonConfig {
  /** The architecture's name, as Hugging Face spells it: `gpt2`, `llama`. */
  readonly modelType: string;
  /** What the file holds beyond what the model reads, under its names there: kept for `savePretrained`. */
  readonly rest: Readonly<Record<string, unknown>>;
}
/** A field for each of a configuration's own members. */
export type FieldsOf<C extends CommonConfig> = { readonly [K in Exclude<keyof C, keyof CommonConfig>]: Field<C[K]> };
/** A reader of configurations: from options in code or from the object in a `config.json`. */
export type ConfigReader<C> = (given?: Partial<C> | Readonly<Record<string, unknown>>, file?: string) => C;

/** `hidden_size` → `hiddenSize`. */
export const camel = (name: string): string => name.replace(/_+(\w)/g, (_, c: string) => c.toUpperCase());
/** `hiddenSize` → `hidden_size`. */
export const snake = (name: string): string => name.replace(/[A-Z]/g, (c) => `_${c.toLowerCase()}`);

/** The fields of each architecture. */
const FIELDS = new Map<string, Readonly<Record<string, Field<unknown>>>>();

/**
 * Declares a configuration. Fields are given in camelCase or in Python's spelling; `aliases` are other names for them in files. What is null in the file
 * and may not be is what its default says.
 * @throws ArgumentError (in code) or FormatError (from a file) for a value of another kind
 */
export function defineConfig<C extends CommonConfig>(
  modelType: string,
  fields: FieldsOf<C>,
  aliases: Readonly<Record<string, keyof C & string>> = {},
): ConfigReader<C> {
  const known = fields as unknown as Readonly<Record<string, Field<unknown>>>;
  FIELDS.set(modelType, known);
  return (given_ = {}, file) => {
    const out: Record<string, unknown> = { modelType };
    const rest: Record<string, unknown> = { ...((given_ as Partial<CommonConfig>).rest ?? {}) };
    for (const [key, f] of Object.entries(known)) out[key] = f.fallback;
    for (const [name, value] of Object.entries(given_)) {
      if (name === "rest" || value === undefined) continue;
      if (name === "modelType" || name === "model_type") {
        out["modelType"] = value;
        continue;
      }
      const key = aliases[name] ?? camel(name);
      const f = Object.hasOwn(known, key) ? known[key]! : null;
      if (f === null) {
        if (file === undefined && !name.includes("_"))
          throw new ArgumentError({
            op: `${modelType} config`,
            message: `unknown field ${name}`,
            hint: suggest(name, Object.keys(known), "the fields of the docstring"),
          });
        rest[name] = value;
      } else if (f.is(value)) out[key] = value;
      else if (value !== null) throw wrong(modelType, file, name, value, f.needed);
    }
    return { ...out, rest } as unknown as C;
  };
}
function wrong(modelType: string, file: string | undefined, name: string, value: unknown, needed: string): Error {
  const facts = {
    message: `${file === undefined ? "" : `${file}: `}${name} is ${given(value)}, needed ${needed}`,
    hint: `Check ${name}`,
    data: { field: name },
  };
  return file === undefined
    ? new ArgumentError({ op: `${modelType} config`, ...facts })
    : new FormatError({ op: "fromPretrained", ...facts });
}

/** A configuration as the text of a `config.json`, in Python's spelling and with its floats. */
export function configText(config: CommonConfig, more: Readonly<Record<string, unknown>> = {}): string {
  const out: Record<string, unknown> = { ...config.rest };
  const fields = FIELDS.get(config.modelType) ?? {};
  const reals = new Set<string>();
  for (const [key, value] of Object.entries(config)) {
    // What is null by default goes without saying: for some readers a null is not the same as nothing.
    if (key === "rest" || (value === null && fields[key]?.fallback === null)) continue;
    out[snake(key)] = value;
    if (fields[key]?.isReal) reals.add(snake(key));
  }
  const lines = Object.entries({ ...out, ...more }).map(([key, value]) => {
    const rope = key === "rope_parameters" || key === "rope_scaling";
    const text = JSON.stringify(value, rope ? ropeFloat : reals.has(key) ? asFloat : undefined, 2);
    return `  ${JSON.stringify(key)}: ${text.replace(MARKED, "$1.0").replace(/\n/g, "\n  ")}`;
  });
  return `{\n${lines.join(",\n")}\n}\n`;
}
// A whole number that is a float becomes a marked string, and the mark `.0`.
const MARKED = /"float:(-?\d+)"/g;
const asFloat = (_key: string, x: unknown): unknown => (Number.isSafeInteger(x) ? `float:${x as number}` : x);
const ropeFloat = (key: string, x: unknown): unknown => (key.startsWith("original_") ? x : asFloat(key, x));

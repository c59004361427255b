// Reads the fields of a request's JSON body: kinds and ranges are checked, and nothing that is not understood is passed over in silence.
import { given } from "../core/arguments.ts";
import { type HttpError, invalid } from "./httpError.ts";

/** Fields that say nothing about the answer: taken and left alone. */
const IGNORED: ReadonlySet<string> = new Set([
  "user",
  "metadata",
  "store",
  "service_tier",
  "safety_identifier",
  "prompt_cache_key",
  "prompt_cache_retention",
  "parallel_tool_calls",
]);

/** Bounds of a number. */
export interface Bounds {
  readonly min?: number;
  readonly max?: number;
  readonly whole?: boolean;
}

/** An object of a request's body. `null` counts as not given. */
export class Fields {
  readonly #values: Readonly<Record<string, unknown>>;
  readonly #path: string;

  /**
   * `known`: the names of all fields that are understood. `path`: where the object stands, for messages.
   * @throws HttpError 400 for what is no object, and for fields that are not known
   */
  constructor(value: unknown, known: readonly string[], path = "") {
    if (typeof value !== "object" || value === null || Array.isArray(value))
      throw invalid(path, `${path || "The body"} is ${given(value)}, expected an object.`, "invalid_type");
    this.#values = value as Readonly<Record<string, unknown>>;
    this.#path = path;
    for (const name of Object.keys(value))
      if (!known.includes(name) && !(path === "" && IGNORED.has(name)) && this.#values[name] !== null)
        throw invalid(this.at(name), `Unrecognized request argument: ${this.at(name)}.`, "unsupported_parameter");
  }

  /** Where a field stands: `messages[0].content`. */
  at(name: string): string {
    return this.#path === "" ? name : `${this.#path}.${name}`;
  }
  /** The value itself; undefined where it is not given. */
  raw(name: string): unknown {
    return Object.hasOwn(this.#values, name) ? (this.#values[name] ?? undefined) : undefined;
  }
  #wrong(name: string, expected: string): HttpError {
    return invalid(this.at(name), `${this.at(name)} is ${given(this.raw(name))}, expected ${expected}.`, "invalid_type");
  }

  /** A number within bounds. @throws HttpError 400; so do all below */
  number(name: string, { min = -Infinity, max = Infinity, whole = false }: Bounds = {}): number | undefined {
    const x = this.raw(name);
    if (x === undefined) return undefined;
    const what = `${whole ? "an integer" : "a number"}${Number.isFinite(min) ? ` from ${min}` : ""}${Number.isFinite(max) ? ` to ${max}` : ""}`;
    if (typeof x !== "number") throw this.#wrong(name, what);
    if (!Number.isFinite(x) || x < min || x > max || (whole && !Number.isSafeInteger(x)))
      throw invalid(this.at(name), `${this.at(name)} is ${x}, expected ${what}.`);
    return x;
  }
  flag(name: string): boolean | undefined {
    const x = this.raw(name);
    if (x !== undefined && typeof x !== "boolean") throw this.#wrong(name, "true or false");
    return x;
  }
  text(name: string): string | undefined {
    const x = this.raw(name);
    if (x !== undefined && typeof x !== "string") throw this.#wrong(name, "a string");
    return x;
  }
  /** One of some words. */
  word<W extends string>(name: string, words: readonly W[]): W | undefined {
    const x = this.text(name);
    if (x !== undefined && !words.includes(x as W))
      throw invalid(this.at(name), `${this.at(name)} is ${given(x)}, expected ${words.join(" or ")}.`);
    return x as W | undefined;
  }
  /** A text, or up to `most` of them. */
  texts(name: string, most: number): readonly string[] | undefined {
    const x = this.raw(name);
    if (x === undefined) return undefined;
    const list = typeof x === "string" ? [x] : x;
    if (!Array.isArray(list) || !list.every((s): s is string => typeof s === "string"))
      throw this.#wrong(name, "a string or an array of strings");
    if (list.length > most) throw invalid(this.at(name), `${this.at(name)} has ${list.length} entries, ${most} are allowed.`);
    return list;
  }
  list(name: string): readonly unknown[] | undefined {
    const x = this.raw(name);
    if (x !== undefined && !Array.isArray(x)) throw this.#wrong(name, "an array");
    return x;
  }
  object(name: string, known: readonly string[]): Fields | undefined {
    const x = this.raw(name);
    return x === undefined ? undefined : new Fields(x, known, this.at(name));
  }
  /** Numbers by name. */
  record(name: string): Readonly<Record<string, unknown>> | undefined {
    const x = this.raw(name);
    if (x !== undefined && (typeof x !== "object" || Array.isArray(x))) throw this.#wrong(name, "an object");
    return x as Readonly<Record<string, unknown>> | undefined;
  }
  /** Refuses fields that may only have one value. */
  only(name: string, value: unknown, why: string): void {
    const x = this.raw(name);
    if (x !== undefined && x !== value && !(Array.isArray(x) && x.length === 0))
      throw invalid(this.at(name), `${this.at(name)} is not supported: ${why}.`, "unsupported_parameter");
  }
}

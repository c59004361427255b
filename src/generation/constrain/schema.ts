// JSON Schema as generation reads it: what its keywords may be, where references lead, and what two schemas together mean.
import { given } from "../../core/arguments.ts";
import { ArgumentError, UnsupportedError, ValueError } from "../../core/errors.ts";

/** Any JSON. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };
/** The types of values that schemas name. */
export type JsonType = "null" | "boolean" | "integer" | "number" | "string" | "array" | "object";

/**
 * A JSON Schema (2020-12, and draft 7 where it differs): `true`, `false` or an object of keywords. A `type` so that libraries which
 * describe schemas in their own types can be given without a cast.
 */
export type JsonSchema = boolean | { readonly [keyword: string]: unknown };
/** The keywords that are read. */
export interface Keywords {
  readonly $ref?: string;
  readonly type?: JsonType | readonly JsonType[];
  readonly const?: Json;
  readonly enum?: readonly Json[];
  readonly anyOf?: readonly JsonSchema[];
  readonly oneOf?: readonly JsonSchema[];
  readonly allOf?: readonly JsonSchema[];
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: JsonSchema;
  readonly minProperties?: number;
  readonly maxProperties?: number;
  readonly items?: JsonSchema | readonly JsonSchema[];
  readonly prefixItems?: readonly JsonSchema[];
  readonly additionalItems?: JsonSchema;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly uniqueItems?: boolean;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly pattern?: string;
  readonly format?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly exclusiveMinimum?: number;
  readonly exclusiveMaximum?: number;
  readonly multipleOf?: number;
}

type Check = (x: unknown) => boolean;
const count: Check = (x) => Number.isSafeInteger(x) && (x as number) >= 0;
const finite: Check = (x) => Number.isFinite(x);
const text: Check = (x) => typeof x === "string";
const schema: Check = (x) => typeof x === "boolean" || (typeof x === "object" && x !== null && !Array.isArray(x));
const list =
  (of: Check): Check =>
  (x) =>
    Array.isArray(x) && x.every(of);
const TYPES: readonly JsonType[] = ["null", "boolean", "integer", "number", "string", "array", "object"];
const type: Check = (x) => (TYPES as readonly unknown[]).includes(x);

/** Keywords that only values of a type look at. */
const OF_TYPE: Readonly<Partial<Record<JsonType, Readonly<Record<string, Check>>>>> = {
  object: {
    properties: (x) => schema(x) && typeof x === "object" && Object.values(x as object).every(schema),
    required: list(text),
    additionalProperties: schema,
    minProperties: count,
    maxProperties: count,
  },
  array: {
    items: (x) => schema(x) || list(schema)(x),
    prefixItems: list(schema),
    additionalItems: schema,
    minItems: count,
    maxItems: count,
    uniqueItems: (x) => typeof x === "boolean",
  },
  string: { minLength: count, maxLength: count, pattern: text, format: text },
  number: { minimum: finite, maximum: finite, exclusiveMinimum: finite, exclusiveMaximum: finite, multipleOf: finite },
};
const GENERAL: Readonly<Record<string, Check>> = {
  $ref: text,
  type: (x) => type(x) || (list(type)(x) && (x as unknown[]).length > 0),
  const: (x) => x !== undefined,
  enum: Array.isArray,
  anyOf: list(schema),
  oneOf: list(schema),
  allOf: list(schema),
};
const KNOWN: Readonly<Record<string, Check>> = Object.assign({}, GENERAL, ...Object.values(OF_TYPE));
const ANNOTATIONS = new Set(
  `$schema $id $comment $defs definitions $anchor title description default examples deprecated readOnly writeOnly
   contentEncoding contentMediaType`.split(/\s+/),
);

/** What a schema says, checked. @throws ArgumentError, ValueError for wrong keywords, UnsupportedError for those that generation cannot keep */
export function keywordsOf(op: string, s: JsonSchema): Keywords {
  if (s === true || s === false) return {};
  if (!schema(s)) throw new ArgumentError({ op, message: `a schema is ${given(s)}`, hint: "A schema is an object, true or false" });
  const out: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(s)) {
    if (ANNOTATIONS.has(key) || /^x-/.test(key) || value === undefined) continue;
    const ok = Object.hasOwn(KNOWN, key) ? KNOWN[key] : undefined;
    if (!ok)
      throw new UnsupportedError({
        op,
        message: `the schema says ${key}`,
        hint: "No automaton is made for this keyword: leave it out and check it afterwards",
      });
    if (!ok(value))
      throw new ValueError({ op, message: `${key} is ${given(value)}`, hint: "See json-schema.org for what the keyword takes" });
    out[key] = value;
  }
  return out as Keywords;
}

/** The types that the keywords speak of; all where they speak of none. */
export function typesOf(k: Keywords): readonly JsonType[] {
  if (k.type !== undefined) return typeof k.type === "string" ? [k.type] : k.type;
  return TYPES.filter((t) => t !== "integer");
}
/** The types of which the keywords say more than the name, where there is no `type`: what generation then makes. */
export const impliedTypes = (k: Keywords): readonly JsonType[] =>
  TYPES.filter((t) => Object.keys(OF_TYPE[t] ?? {}).some((key) => key in k));

/** The type of a value. */
export function typeOf(x: Json): JsonType {
  if (x === null) return "null";
  if (Array.isArray(x)) return "array";
  if (typeof x === "number") return Number.isInteger(x) ? "integer" : "number";
  return typeof x as "boolean" | "string" | "object";
}
/** Is a value of the first type one of the second? */
export const within = (a: JsonType, b: JsonType): boolean => a === b || (a === "integer" && b === "number");

/** Follows a reference inside `root`. @throws ValueError where it leads nowhere, UnsupportedError for other documents */
export function resolve(op: string, root: JsonSchema, ref: string): JsonSchema {
  if (!ref.startsWith("#"))
    throw new UnsupportedError({
      op,
      message: `$ref ${JSON.stringify(ref)} to another document`,
      hint: "Put the schema under $defs and write #/$defs/name",
    });
  let at: unknown = root;
  for (const part of ref.slice(1).split("/").slice(1)) {
    const key = decodeURIComponent(part).replaceAll("~1", "/").replaceAll("~0", "~");
    at = typeof at === "object" && at !== null && Object.hasOwn(at, key) ? (at as Record<string, unknown>)[key] : undefined;
  }
  if ((ref !== "#" && !ref.startsWith("#/")) || !schema(at))
    throw new ValueError({
      op,
      message: `$ref ${JSON.stringify(ref)} leads to ${given(at)}`,
      hint: "Write #/$defs/name, with the schema there",
    });
  return at as JsonSchema;
}

/** Are two JSON values the same? */
export function sameJson(a: unknown, b: unknown): boolean {
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return a === b;
  const [k, l] = [Object.keys(a), Object.keys(b)];
  return (
    Array.isArray(a) === Array.isArray(b) &&
    k.length === l.length &&
    k.every((key) => Object.hasOwn(b, key) && sameJson((a as Record<string, unknown>)[key], (b as Record<string, unknown>)[key]))
  );
}

const TIGHTER: Readonly<Record<string, (a: number, b: number) => number>> = {
  minimum: Math.max,
  exclusiveMinimum: Math.max,
  minLength: Math.max,
  minItems: Math.max,
  minProperties: Math.max,
  maximum: Math.min,
  exclusiveMaximum: Math.min,
  maxLength: Math.min,
  maxItems: Math.min,
  maxProperties: Math.min,
};
/** What satisfies both. @throws UnsupportedError where that cannot be said in one schema */
export function both(op: string, root: JsonSchema, one: JsonSchema, other: JsonSchema): JsonSchema {
  if (one === false || other === false) return false;
  let [a, b] = [keywordsOf(op, one), keywordsOf(op, other)];
  if (Object.keys(a).length === 0) return other;
  if (Object.keys(b).length === 0) return one;
  // Keywords beside a $ref: what it leads to has them too.
  for (let i = 0; a.$ref !== undefined || b.$ref !== undefined; i++) {
    if (i === 64) throw new ValueError({ op, message: "a $ref that leads back to itself", hint: "Look for a $ref to its own schema" });
    const follow = (k: Keywords): Keywords => {
      if (k.$ref === undefined) return k;
      const { $ref, ...rest } = k;
      return keywordsOf(op, both(op, root, resolve(op, root, $ref), rest as JsonSchema));
    };
    [a, b] = [follow(a), follow(b)];
  }
  const out: Record<string, unknown> = { ...a };
  const conflict = (key: string): never => {
    throw new UnsupportedError({
      op,
      message: `two schemas that must both hold say different things of ${key}`,
      hint: "Join them into one schema",
    });
  };
  for (const [x, y] of [
    [a, b],
    [b, a],
  ] as const) {
    // additionalProperties looks at the properties beside it, items at prefixItems.
    const own = new Set(Object.keys(x.properties ?? {}));
    if ((x.additionalProperties ?? true) !== true && Object.keys(y.properties ?? {}).some((p) => !own.has(p)))
      conflict("additionalProperties");
    if (x.prefixItems && y.items !== undefined && x.items === undefined) conflict("items");
  }
  for (const [key, value] of Object.entries(b)) {
    const old = out[key];
    if (old === undefined || sameJson(old, value)) out[key] = value;
    else if (key === "type") {
      const [s, t] = [typesOf(a), typesOf(b)];
      const common = [...s.filter((p) => t.some((q) => within(p, q))), ...t.filter((q) => s.some((p) => within(q, p)))];
      if (common.length === 0) return false;
      out[key] = [...new Set(common)];
    } else if (key === "required") out[key] = [...new Set([...(a.required ?? []), ...(b.required ?? [])])];
    else if (key === "properties") {
      const properties: Record<string, JsonSchema> = { ...a.properties };
      for (const [name, s] of Object.entries(b.properties!))
        properties[name] = Object.hasOwn(properties, name) ? { allOf: [properties[name]!, s] } : s;
      out[key] = properties;
    } else if (key === "enum") out[key] = a.enum!.filter((v) => b.enum!.some((w) => sameJson(v, w)));
    else if (key === "allOf") out[key] = [...a.allOf!, ...b.allOf!];
    else if (TIGHTER[key]) out[key] = TIGHTER[key](old as number, value as number);
    else conflict(key);
  }
  return out;
}

/** Is it certain that no value satisfies both? What is found: different types, different constants, a required property that tells them apart. */
export function disjoint(op: string, root: JsonSchema, one: JsonSchema, other: JsonSchema, depth = 0): boolean {
  if (one === false || other === false) return true;
  if (depth > 8) return false;
  const [a, b] = [keywordsOf(op, one), keywordsOf(op, other)];
  if (a.$ref !== undefined) return disjoint(op, root, resolve(op, root, a.$ref), other, depth + 1);
  if (b.$ref !== undefined) return disjoint(op, root, one, resolve(op, root, b.$ref), depth + 1);
  for (const [k, against] of [
    [a, other],
    [b, one],
  ] as const) {
    const branches = k.anyOf ?? k.oneOf;
    if (branches?.every((x) => disjoint(op, root, x, against, depth + 1))) return true;
  }
  const values = (k: Keywords): readonly Json[] | null => (k.const !== undefined ? [k.const] : (k.enum ?? null));
  const [v, w] = [values(a), values(b)];
  if (v && w) return v.every((x) => w.every((y) => !sameJson(x, y)));
  const types = (k: Keywords, x: readonly Json[] | null): readonly JsonType[] => x?.map(typeOf) ?? typesOf(k);
  const [s, t] = [types(a, v), types(b, w)];
  if (s.every((p) => t.every((q) => !within(p, q) && !within(q, p)))) return true;
  if (v || w || [...s, ...t].some((x) => x !== "object")) return false;
  const [p, q] = [a.properties ?? {}, b.properties ?? {}];
  return [...new Set([...(a.required ?? []), ...(b.required ?? [])])].some((name) => {
    const of = (k: Keywords, props: Readonly<Record<string, JsonSchema>>): JsonSchema =>
      Object.hasOwn(props, name) ? props[name]! : (k.additionalProperties ?? true);
    return disjoint(op, root, of(a, p), of(b, q), depth + 1);
  });
}

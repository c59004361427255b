// JSON Schema → network: every schema becomes a rule, nested ones are calls, so that recursion costs nothing.
// What is written is always valid; not all that is valid is written: properties come in the schema's order, and properties that it does not
// name only where `additionalProperties` asks for them, or where it names none at all.
import { UnsupportedError, ValueError } from "../../core/errors.ts";
import { pointsOf, without } from "./codePoints.ts";
import { type Bound, decimal, inBounds, MOST_DIGITS } from "./digits.ts";
import { FORMATS } from "./formats.ts";
import { addAnyCharacter, addJsonSet, addOtherKey } from "./jsonText.ts";
import { Network, type Rule } from "./network.ts";
import { lengths, parsePattern, type Pattern, unanchored } from "./pattern.ts";
import {
  both,
  disjoint,
  impliedTypes,
  type Json,
  type JsonSchema,
  type JsonType,
  type Keywords,
  keywordsOf,
  resolve,
  typeOf,
  within,
} from "./schema.ts";

const PLACES = 4; // decimals of numbers with bounds, where the bounds have fewer

/** A trimmed network of the JSON texts that satisfy a schema. `whitespace`: what may stand wherever JSON allows white space. */
export function schemaNetwork(op: string, schema: JsonSchema, whitespace: string): { network: Network; root: Rule } {
  try {
    const compiler = new Compiler(op, schema, parsePattern(op, whitespace));
    const root = compiler.rule(schema);
    compiler.network.trim(root);
    return { network: compiler.network, root };
  } catch (e) {
    if (!(e instanceof RangeError)) throw e;
    throw new ValueError({
      op,
      message: "the schema is nested too deeply, or joining its parts gives ever new ones",
      hint: "Look for a $ref to its own schema",
      cause: e,
    });
  }
}

class Compiler {
  readonly network: Network;
  readonly #op: string;
  readonly #root: JsonSchema;
  readonly #space: Rule;
  readonly #rules = new Map<JsonSchema, Rule>();
  #character: Rule | null = null;

  constructor(op: string, root: JsonSchema, whitespace: Pattern) {
    this.#op = op;
    this.#root = root;
    this.network = new Network(op);
    this.#space = this.network.rule();
    this.network.pattern(this.#space.start, this.#space.end, unanchored(op, whitespace, true), (n, from, to, set) => {
      if (without(set, pointsOf(" \t\n\r")).length > 0)
        throw new ValueError({ op, message: "whitespace matches more than white space", hint: String.raw`Use [ \n\r\t] only` });
      n.set(from, to, set);
    });
  }

  /** The rule of a schema, made once. */
  rule(schema: JsonSchema): Rule {
    const old = this.#rules.get(schema);
    if (old) return old;
    const rule = this.network.rule();
    this.#rules.set(schema, rule);
    if (schema !== false) this.#any(rule, keywordsOf(this.#op, schema));
    return rule;
  }

  #unsupported(message: string, hint: string): never {
    throw new UnsupportedError({ op: this.#op, message, hint });
  }
  #call(from: number, to: number, schema: JsonSchema): void {
    this.network.call(from, to, this.rule(schema));
  }
  #pass(from: number, to: number, text: string): void {
    const n = this.network;
    const [before, after] = ["]", "}"].includes(text) ? [n.node(), to] : [from, n.node()];
    if (before !== from) n.call(from, before, this.#space);
    n.text(before, after, text);
    if (after !== to) n.call(after, to, this.#space);
  }

  #any({ start, end }: Rule, k: Keywords): void {
    const { $ref, anyOf, oneOf, allOf, ...rest } = k;
    const more = Object.keys(rest).length > 0;
    const together = (a: JsonSchema, b: JsonSchema): JsonSchema => both(this.#op, this.#root, a, b);
    if (allOf) {
      const others = { ...k, allOf: undefined };
      return this.#call(start, end, allOf.reduce(together, others));
    }
    if ($ref !== undefined) {
      const target = resolve(this.#op, this.#root, $ref);
      const { $ref: _, ...others } = k;
      return this.#call(start, end, Object.keys(others).length > 0 ? together(target, others) : target);
    }
    if (anyOf && oneOf) this.#unsupported("anyOf beside oneOf", "Multiply them out");
    const branches = anyOf ?? oneOf;
    if (branches) {
      oneOf?.forEach((a, i) => {
        oneOf.slice(i + 1).forEach((b, j) => {
          if (!disjoint(this.#op, this.#root, a, b))
            this.#unsupported(
              `oneOf ${i} and ${i + 1 + j} may both hold`,
              "Use anyOf, or give them a required property with different const values",
            );
        });
      });
      for (const b of branches) this.#call(start, end, more ? together(rest, b) : b);
      return;
    }
    if (k.const !== undefined || k.enum) return this.#values(start, end, k);
    const types = k.type === undefined ? impliedTypes(k) : typeof k.type === "string" ? [k.type] : k.type;
    const all: readonly JsonType[] = ["null", "boolean", "number", "string", "array", "object"];
    for (const t of types.length > 0 ? types : all) this.#typed(start, end, t, k);
  }

  #values(start: number, end: number, k: Keywords): void {
    const { const: one, enum: some, type, ...rest } = k;
    if (Object.keys(rest).length > 0)
      this.#unsupported(`${Object.keys(rest)[0]} beside enum or const`, "Leave it out: list the values that are allowed");
    const types = type === undefined ? null : typeof type === "string" ? [type] : type;
    const values: readonly Json[] = one !== undefined ? [one] : some!;
    for (const v of values) {
      if (one !== undefined && some && !some.includes(one)) continue;
      if (types === null || types.some((t) => within(typeOf(v), t))) this.network.text(start, end, JSON.stringify(v));
    }
  }

  #typed(start: number, end: number, type: JsonType, k: Keywords): void {
    switch (type) {
      case "null":
        return this.network.text(start, end, "null");
      case "boolean":
        this.network.text(start, end, "true");
        return this.network.text(start, end, "false");
      case "integer":
      case "number":
        return this.#number(start, end, type, k);
      case "string":
        return this.#string(start, end, k);
      case "array":
        return this.#array(start, end, k);
      default:
        return this.#object(start, end, k);
    }
  }

  #number(start: number, end: number, type: "integer" | "number", k: Keywords): void {
    const add = (p: Pattern): void => this.network.pattern(start, end, p, (n, from, to, set) => n.set(from, to, set));
    if (k.multipleOf !== undefined && !(k.multipleOf === 1 && type === "integer"))
      this.#unsupported(`multipleOf ${k.multipleOf}`, "Use integers, and multiply afterwards");
    const bound = (inclusive?: number, exclusive?: number): readonly Bound[] => [
      ...(inclusive === undefined ? [] : [{ ...decimal(inclusive), exclusive: false }]),
      ...(exclusive === undefined ? [] : [{ ...decimal(exclusive), exclusive: true }]),
    ];
    const bounds = { low: bound(k.minimum, k.exclusiveMinimum), high: bound(k.maximum, k.exclusiveMaximum) };
    if (bounds.low.length + bounds.high.length === 0) {
      const whole = `-?(?:0|[1-9]\\d{0,${MOST_DIGITS - 1}})`;
      return add(parsePattern(this.#op, type === "integer" ? whole : `${whole}(?:\\.\\d{1,${MOST_DIGITS}})?(?:[eE][+-]?\\d{1,2})?`));
    }
    const places = type === "integer" ? 0 : Math.max(PLACES, ...[...bounds.low, ...bounds.high].map((d) => d.places));
    if (places > MOST_DIGITS - 1) this.#unsupported(`a bound with ${places} decimals`, `Numbers are written with ${MOST_DIGITS} digits`);
    for (let p = 0; p <= places; p++) {
      const pattern = inBounds(bounds, p);
      if (pattern) add(pattern);
    }
  }

  #string(start: number, end: number, k: Keywords): void {
    const n = this.network;
    const [open, close] = [n.node(), n.node()];
    n.text(start, open, '"');
    n.text(close, end, '"');
    const { minLength = 0, maxLength = null } = k;
    if (k.format !== undefined && !Object.hasOwn(FORMATS, k.format))
      this.#unsupported(
        `format ${JSON.stringify(k.format)}`,
        `Known are ${Object.keys(FORMATS).join(", ")}; others can be told by pattern`,
      );
    if (k.format !== undefined && k.pattern !== undefined) this.#unsupported("format beside pattern", "Use one of them");
    const source = k.format !== undefined ? FORMATS[k.format] : k.pattern;
    if (source !== undefined) {
      const p = unanchored(this.#op, parsePattern(this.#op, source), false);
      const [least, most] = lengths(p);
      if (least < minLength || (maxLength !== null && (most === null || most > maxLength)))
        this.#unsupported(
          "minLength or maxLength beside a pattern that allows other lengths",
          "Write the lengths into the pattern: ^[a-z]{2,8}$",
        );
      return n.pattern(open, close, p, addJsonSet);
    }
    if (this.#character === null) {
      this.#character = n.rule();
      addAnyCharacter(n, this.#character.start, this.#character.end);
    }
    const character = this.#character;
    n.repeat(open, close, minLength, maxLength, (from, to) => n.call(from, to, character));
  }

  #array(start: number, end: number, k: Keywords): void {
    const n = this.network;
    const tuple = Array.isArray(k.items);
    const first = (tuple ? (k.items as readonly JsonSchema[]) : k.prefixItems) ?? [];
    const rest = (tuple ? k.additionalItems : (k.items as JsonSchema | undefined)) ?? true;
    const { minItems: min = 0 } = k;
    const max = rest === false ? Math.min(first.length, k.maxItems ?? first.length) : (k.maxItems ?? null);
    if (k.uniqueItems && (max === null || max > 1)) this.#unsupported("uniqueItems", "Leave it out and remove doubles afterwards");
    let at = n.node();
    this.#pass(start, at, "[");
    const close = n.node();
    this.#pass(close, end, "]");
    const item = (i: number, from: number, to: number): void => {
      const value = i === 0 ? from : n.node();
      if (i > 0) this.#pass(from, value, ",");
      this.#call(value, to, first[i] ?? rest);
    };
    // Each of the first ones has its own place; after them comes a loop, or a count.
    const known = Math.max(first.length, 1);
    for (let i = 0; i < known && (max === null || i < max); i++) {
      if (i >= min) n.empty(at, close);
      const next = n.node();
      item(i, at, next);
      at = next;
    }
    if (max !== null && max <= known) {
      if (max >= min) n.empty(at, close);
      return;
    }
    n.repeat(at, close, Math.max(0, min - known), max === null ? null : max - known, (from, to) => item(known, from, to));
  }

  #object(start: number, end: number, k: Keywords): void {
    const n = this.network;
    const properties = k.properties ?? {};
    const required = new Set(k.required ?? []);
    const others = k.additionalProperties ?? k.properties === undefined;
    const unnamed = [...required].filter((name) => !Object.hasOwn(properties, name));
    const named: [string, JsonSchema][] = [
      ...Object.entries(properties),
      ...unnamed.map((name): [string, JsonSchema] => [name, k.additionalProperties ?? true]),
    ];
    const names = named.map(([name]) => name);
    const { min, max } = this.#sizes(k, named.length, required.size, others !== false);
    if (max !== null && max < 0) return; // more are required than may come

    const member = (key: (from: number, to: number) => void, value: JsonSchema): Rule => {
      const rule = n.rule();
      const [colon, at] = [n.node(), n.node()];
      key(rule.start, colon);
      this.#pass(colon, at, ":");
      this.#call(at, rule.end, value);
      return rule;
    };
    // Two lines of places: `none` while nothing has been written, `some` after a property, which is then followed by a comma.
    let [none, some] = [n.node(), n.node()];
    const close = n.node();
    this.#pass(start, none, "{");
    this.#pass(close, end, "}");
    const comma = (from: number, to: number, rule: Rule): void => {
      const next = n.node();
      this.#pass(from, next, ",");
      n.call(next, to, rule);
    };
    for (const [name, value] of named) {
      const rule = member((from, to) => n.text(from, to, JSON.stringify(name)), value);
      const [nextNone, nextSome] = [n.node(), n.node()];
      n.call(none, nextSome, rule);
      comma(some, nextSome, rule);
      if (!required.has(name)) {
        n.empty(none, nextNone);
        n.empty(some, nextSome);
      }
      [none, some] = [nextNone, nextSome];
    }
    if (min === 0) n.empty(none, close);
    if (others === false || max === 0) {
      if (min === 0) n.empty(some, close);
      return;
    }
    const rule = member((from, to) => addOtherKey(n, from, to, names), others);
    const first = n.node();
    n.call(none, first, rule);
    n.repeat(first, close, 0, max === null ? null : max - 1, (from, to) => comma(from, to, rule));
    n.repeat(some, close, min, max, (from, to) => comma(from, to, rule));
  }

  // How many properties that are not named may come. Their keys are free, so that two may be the same: only zero or one can be promised.
  #sizes(k: Keywords, named: number, required: number, open: boolean): { min: number; max: number | null } {
    const { minProperties = 0, maxProperties } = k;
    const least = Math.max(0, minProperties - required);
    if (least > 1 || (least === 1 && named > required))
      this.#unsupported(`minProperties ${minProperties}`, "Name the properties and require them");
    if (maxProperties === undefined || (maxProperties >= named && !open)) return { min: least, max: null };
    if (named > 0 && named !== required) this.#unsupported(`maxProperties ${maxProperties}`, "Name the properties and require them");
    return { min: least, max: maxProperties - named };
  }
}

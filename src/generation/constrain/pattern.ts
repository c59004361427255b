// Regular expressions as JavaScript writes them, read into a tree. Only what is regular: no look-around, no back-references.
import { given } from "../../core/arguments.ts";
import { ArgumentError, FormatError, UnsupportedError } from "../../core/errors.ts";
import { ALL, type CodePoints, complement, pointsOf, union } from "./codePoints.ts";

/** What a regular expression says. */
export type Pattern =
  | { readonly kind: "set"; readonly set: CodePoints }
  | { readonly kind: "sequence"; readonly parts: readonly Pattern[] }
  | { readonly kind: "either"; readonly options: readonly Pattern[] }
  | { readonly kind: "repeat"; readonly of: Pattern; readonly min: number; readonly max: number | null }
  | { readonly kind: "start" }
  | { readonly kind: "end" };

const DIGIT = pointsOf("0123456789");
const WORD: CodePoints = union(DIGIT, [[0x41, 0x5a]], [[0x61, 0x7a]], pointsOf("_"));
const SPACE: CodePoints = union(pointsOf("\t\n\v\f\r \u00a0\u1680\u2028\u2029\u202f\u205f\u3000\ufeff"), [[0x2000, 0x200a]]);
const CLASSES: Readonly<Record<string, CodePoints>> = {
  d: DIGIT,
  w: WORD,
  s: SPACE,
  D: complement(DIGIT),
  W: complement(WORD),
  S: complement(SPACE),
};
const CONTROLS: Readonly<Record<string, number>> = { n: 10, r: 13, t: 9, f: 12, v: 11, "0": 0 };
const NOT_LINE = complement(pointsOf("\n\r\u2028\u2029"));

// Unicode properties, as the engine knows them: asked once per property.
const properties = new Map<string, CodePoints>();
function property(name: string, fail: (what: string) => never): CodePoints {
  const old = properties.get(name);
  if (old) return old;
  let is: RegExp;
  try {
    is = new RegExp(`^\\p{${name}}$`, "u");
  } catch {
    return fail(`no Unicode property ${name}`);
  }
  const out: [number, number][] = [];
  for (const [low, high] of ALL)
    for (let c = low; c <= high; c++)
      if (is.test(String.fromCodePoint(c))) {
        const last = out.at(-1);
        if (last?.[1] === c - 1) last[1] = c;
        else out.push([c, c]);
      }
  properties.set(name, out);
  return out;
}

/**
 * Reads a regular expression.
 * @throws ArgumentError unless it is a text, FormatError for wrong syntax, UnsupportedError for what no automaton can do
 */
export function parsePattern(op: string, source: string | RegExp): Pattern {
  if (source instanceof RegExp) {
    if (/[imsy]/.test(source.flags))
      throw new UnsupportedError({ op, message: `flags ${source.flags} of ${source}`, hint: "Write them out: [aA], [^]" });
    source = source.source;
  }
  if (typeof source !== "string")
    throw new ArgumentError({ op, message: `the pattern is ${given(source)}`, hint: "Give a text or a RegExp" });
  return new Parser(op, source).all();
}
const DEEPEST = 200; // groups in groups: what reads patterns recurs

class Parser {
  readonly #op: string;
  readonly #text: readonly string[];
  readonly #source: string;
  #at = 0;
  #depth = 0;
  constructor(op: string, source: string) {
    this.#op = op;
    this.#source = source;
    this.#text = Array.from(source);
  }
  all(): Pattern {
    const out = this.#either();
    if (this.#at < this.#text.length) this.#fail(`unexpected ${this.#text[this.#at]}`);
    return out;
  }

  #fail(what: string): never {
    throw new FormatError({
      op: this.#op,
      message: `${what} at ${this.#at} of /${this.#source}/`,
      hint: "Patterns are written as in JavaScript",
    });
  }
  #cannot(what: string): never {
    throw new UnsupportedError({
      op: this.#op,
      message: `${what} at ${this.#at} of /${this.#source}/`,
      hint: "Only regular patterns become automata",
    });
  }
  #take(text: string): boolean {
    if (
      !this.#text
        .slice(this.#at, this.#at + text.length)
        .join("")
        .startsWith(text)
    )
      return false;
    this.#at += text.length;
    return true;
  }

  #either(): Pattern {
    const options = [this.#sequence()];
    while (this.#take("|")) options.push(this.#sequence());
    return options.length === 1 ? options[0]! : { kind: "either", options };
  }
  #sequence(): Pattern {
    const parts: Pattern[] = [];
    while (this.#at < this.#text.length && !"|)".includes(this.#text[this.#at]!)) parts.push(this.#repeated(this.#atom()));
    return parts.length === 1 ? parts[0]! : { kind: "sequence", parts };
  }

  #repeated(of: Pattern): Pattern {
    let bounds: [number, number | null] | null = null;
    if (this.#take("*")) bounds = [0, null];
    else if (this.#take("+")) bounds = [1, null];
    else if (this.#take("?")) bounds = [0, 1];
    else {
      const m = /^\{(\d+)(?:(,)(\d*))?\}/.exec(this.#text.slice(this.#at, this.#at + 32).join(""));
      if (m) {
        this.#at += m[0].length;
        bounds = [Number(m[1]), m[2] === undefined ? Number(m[1]) : m[3] === "" ? null : Number(m[3])];
        if (bounds[1] !== null && bounds[1] < bounds[0]) this.#fail(`{${bounds[0]},${bounds[1]}} is empty`);
      }
    }
    if (bounds === null) return of;
    if (of.kind === "start" || of.kind === "end") this.#fail("nothing to repeat");
    this.#take("?"); // greedy or not, the same texts match
    if (/^(?:[*+?]|\{\d+(?:,\d*)?\})/.test(this.#text.slice(this.#at, this.#at + 32).join(""))) this.#fail("nothing to repeat");
    return { kind: "repeat", of, min: bounds[0], max: bounds[1] };
  }

  #atom(): Pattern {
    const c = this.#text[this.#at++]!;
    if (c === "(") {
      if (this.#take("?")) {
        if (!this.#take(":")) {
          const name = /^<([A-Za-z_$][\w$]*)>/.exec(this.#text.slice(this.#at, this.#at + 64).join(""));
          if (!name) this.#cannot("look-around");
          this.#at += name[0].length;
        }
      }
      if (++this.#depth > DEEPEST) this.#cannot(`more than ${DEEPEST} groups in each other`);
      const out = this.#either();
      if (!this.#take(")")) this.#fail("a ( without its )");
      this.#depth--;
      return out;
    }
    if (c === "[") return { kind: "set", set: this.#class() };
    if (c === ".") return { kind: "set", set: NOT_LINE };
    if (c === "^") return { kind: "start" };
    if (c === "$") return { kind: "end" };
    if (c === "\\") return { kind: "set", set: this.#escape(false) };
    if (c === "*" || c === "+" || c === "?") this.#fail("nothing to repeat");
    return { kind: "set", set: pointsOf(c) };
  }

  // After a backslash.
  #escape(inClass: boolean): CodePoints {
    const c = this.#text[this.#at++];
    if (c === undefined) this.#fail("a \\ at the end");
    const known = CLASSES[c];
    if (known) return known;
    if (c === "p" || c === "P") {
      const name = /^\{([\w=]+)\}/.exec(this.#text.slice(this.#at, this.#at + 64).join(""));
      if (!name) this.#fail(`\\${c} without {…}`);
      this.#at += name[0].length;
      const set = property(name[1]!, (what) => this.#fail(what));
      return c === "p" ? set : complement(set);
    }
    if (inClass && c === "b") return [[8, 8]];
    if (!inClass && (c === "b" || c === "B")) this.#cannot("a word boundary");
    if (/[1-9k]/.test(c) && !inClass) this.#cannot("a back-reference");
    const hex = c === "x" ? /^([\da-fA-F]{2})/ : c === "u" ? /^(?:([\da-fA-F]{4})|\{([\da-fA-F]{1,6})\})/ : null;
    if (hex) {
      const m = hex.exec(this.#text.slice(this.#at, this.#at + 8).join(""));
      if (!m) this.#fail(`\\${c} without its digits`);
      this.#at += m[0].length;
      const point = Number.parseInt(m[1] ?? m[2]!, 16);
      if (point > 0x10ffff) this.#fail(`no code point ${m[0]}`);
      return [[point, point]];
    }
    const control = CONTROLS[c];
    if (control !== undefined) return [[control, control]];
    if (/[A-Za-z0-9]/.test(c)) this.#fail(`unknown escape \\${c}`);
    return pointsOf(c);
  }

  #class(): CodePoints {
    const negated = this.#take("^");
    let set: CodePoints = [];
    for (;;) {
      const c = this.#text[this.#at++];
      if (c === undefined) this.#fail("a [ without its ]");
      if (c === "]") break;
      const low = c === "\\" ? this.#escape(true) : pointsOf(c);
      if (this.#text[this.#at] !== "-" || this.#text[this.#at + 1] === "]" || this.#text[this.#at + 1] === undefined) {
        set = union(set, low);
        continue;
      }
      this.#at++;
      const d = this.#text[this.#at++]!;
      const high = d === "\\" ? this.#escape(true) : pointsOf(d);
      const [from, to] = [low[0]![0], high.at(-1)![1]];
      if (low.length !== 1 || low[0]![1] !== from || high.length !== 1 || high[0]![0] !== to || from > to)
        this.#fail("a range that is none");
      set = union(set, [[from, to]]);
    }
    return negated ? complement(set) : set;
  }
}

/** How many characters a match has, at least and at most (null: no end). */
export function lengths(p: Pattern): [min: number, max: number | null] {
  switch (p.kind) {
    case "set":
      return [1, 1];
    case "sequence":
      return p.parts.map(lengths).reduce(([a, b], [c, d]) => [a + c, b === null || d === null ? null : b + d], [0, 0]);
    case "either": {
      const all = p.options.map(lengths);
      return [Math.min(...all.map(([min]) => min)), all.some(([, max]) => max === null) ? null : Math.max(...all.map(([, max]) => max!))];
    }
    case "repeat": {
      const [min, max] = lengths(p.of);
      return [min * p.min, max === 0 ? 0 : max === null || p.max === null ? null : max * p.max];
    }
    default:
      return [0, 0];
  }
}
const ANYTHING: Pattern = { kind: "repeat", of: { kind: "set", set: ALL }, min: 0, max: null };

/**
 * The pattern without its anchors. `whole`: it must match from start to end, so that they say nothing new; else (as in JSON Schema) it
 * may match anywhere, which becomes anything before and after it.
 * @throws UnsupportedError for anchors elsewhere than at the ends
 */
export function unanchored(op: string, p: Pattern, whole: boolean): Pattern {
  if (p.kind === "either") return { kind: "either", options: p.options.map((o) => unanchored(op, o, whole)) };
  const parts = p.kind === "sequence" ? p.parts : [p];
  // A group that is all there is has its own anchors: (?:^a|b$).
  const [only] = parts;
  if (parts.length === 1 && only!.kind === "either") return unanchored(op, only!, whole);
  const start = parts[0]?.kind === "start";
  const end = parts.length > (start ? 1 : 0) && parts.at(-1)!.kind === "end";
  const inner = parts.slice(start ? 1 : 0, parts.length - (end ? 1 : 0));
  if (inner.some(anchored)) throw new UnsupportedError({ op, message: "an anchor inside a pattern", hint: "Write ^ first and $ last" });
  return { kind: "sequence", parts: [...(whole || start ? [] : [ANYTHING]), ...inner, ...(whole || end ? [] : [ANYTHING])] };
}
const anchored = (p: Pattern): boolean =>
  p.kind === "start" ||
  p.kind === "end" ||
  (p.kind === "repeat" && anchored(p.of)) ||
  (p.kind === "sequence" && p.parts.some(anchored)) ||
  (p.kind === "either" && p.options.some(anchored));

// A recursive transition network (Woods 1970): the grammar of an output as graphs over bytes, whose edges may call other graphs.
// Without calls it is Thompson's automaton of a regular expression; with them it can describe nested JSON.
import { ValueError } from "../../core/errors.ts";
import { type CodePoints, utf8 } from "./codePoints.ts";
import type { Pattern } from "./pattern.ts";

/** A graph that edges may call: a text of it leads from `start` to `end`. */
export interface Rule {
  readonly start: number;
  readonly end: number;
}
interface Node {
  /** Edges that take a byte in [low, high]. */
  bytes: [low: number, high: number, to: number][];
  /** Edges that take nothing. */
  empty: number[];
  /** Edges that take a text of a rule. */
  calls: [rule: Rule, to: number][];
}
/** Adds edges for one character out of a set. */
export type AddSet = (network: Network, from: number, to: number, set: CodePoints) => void;

const MOST_NODES = 200_000;
const utf8Bytes = new TextEncoder();

/** A network under construction; `trim` ends it. */
export class Network {
  readonly nodes: Node[] = [];
  readonly rules: Rule[] = [];
  readonly #op: string;
  constructor(op: string) {
    this.#op = op;
  }

  /** A new node. @throws ValueError when the grammar grows beyond all measure */
  node(): number {
    if (this.nodes.length >= MOST_NODES)
      throw new ValueError({
        op: this.#op,
        message: `the constraint needs more than ${MOST_NODES} nodes`,
        hint: "Lower its repetition counts",
      });
    return this.nodes.push({ bytes: [], empty: [], calls: [] }) - 1;
  }
  /** A new rule without edges. */
  rule(): Rule {
    const rule = { start: this.node(), end: this.node() };
    this.rules.push(rule);
    return rule;
  }
  empty(from: number, to: number): void {
    this.nodes[from]!.empty.push(to);
  }
  call(from: number, to: number, rule: Rule): void {
    this.nodes[from]!.calls.push([rule, to]);
  }
  bytes(from: number, to: number, low: number, high: number): void {
    this.nodes[from]!.bytes.push([low, high, to]);
  }
  /** A fixed text. */
  text(from: number, to: number, text: string): void {
    const bytes = utf8Bytes.encode(text);
    let at = from;
    bytes.forEach((b, i) => {
      const next = i === bytes.length - 1 ? to : this.node();
      this.bytes(at, next, b, b);
      at = next;
    });
    if (bytes.length === 0) this.empty(from, to);
  }
  /** One character out of a set, as UTF-8. */
  set(from: number, to: number, set: CodePoints): void {
    // Sequences that end alike share their last nodes.
    const tails = new Map<string, number>();
    for (const sequence of utf8(set)) {
      let next = to;
      for (let i = sequence.length - 1; i > 0; i--) {
        const [low, high] = sequence[i]!;
        const key = `${next} ${low} ${high}`;
        let node = tails.get(key);
        if (node === undefined) {
          node = this.node();
          this.bytes(node, next, low, high);
          tails.set(key, node);
        }
        next = node;
      }
      this.bytes(from, next, ...sequence[0]!);
    }
  }
  /** A pattern without anchors; `addSet` says how a character is written. */
  pattern(from: number, to: number, p: Pattern, addSet: AddSet): void {
    switch (p.kind) {
      case "set":
        addSet(this, from, to, p.set);
        return;
      case "sequence": {
        let at = from;
        for (const part of p.parts) {
          const next = this.node();
          this.pattern(at, next, part, addSet);
          at = next;
        }
        this.empty(at, to);
        return;
      }
      case "either":
        for (const option of p.options) this.pattern(from, to, option, addSet);
        return;
      case "repeat": {
        // Many copies of more than a character call one rule.
        const rule = p.of.kind !== "set" && p.min + (p.max ?? 0) > 4 ? this.rule() : null;
        if (rule) this.pattern(rule.start, rule.end, p.of, addSet);
        this.repeat(from, to, p.min, p.max, (a, b) => (rule ? this.call(a, b, rule) : this.pattern(a, b, p.of, addSet)));
        return;
      }
      default:
        this.empty(from, to);
    }
  }
  /** `min` to `max` (null: any number) times what `add` adds. */
  repeat(from: number, to: number, min: number, max: number | null, add: (from: number, to: number) => void): void {
    if (max !== null && min > max) return; // leads nowhere
    let at = this.node();
    this.empty(from, at);
    for (let i = 0; i < (max ?? min); i++) {
      if (i >= min) this.empty(at, to);
      const next = this.node();
      add(at, next);
      at = next;
    }
    if (max === null) {
      const back = this.node();
      add(at, back);
      this.empty(back, at);
    }
    this.empty(at, to);
  }

  /**
   * Cuts off what leads nowhere, so that whatever has begun can be ended.
   * @throws ValueError when no text fits `root`, or when a rule calls itself before it has taken a byte
   */
  trim(root: Rule): void {
    const alive = this.#alive();
    if (!alive.has(root.start))
      throw new ValueError({
        op: this.#op,
        message: "no output can satisfy the constraint",
        hint: "Look for contradictions, and recursion without an end",
      });
    for (const n of this.nodes) {
      n.bytes = n.bytes.filter(([, , to]) => alive.has(to));
      n.empty = n.empty.filter((to) => alive.has(to));
      n.calls = n.calls.filter(([rule, to]) => alive.has(to) && alive.has(rule.start));
    }
    this.#refuseLeftRecursion();
  }

  // Nodes from which the end of their rule can be reached. Worked backwards; a call waits for both its rule and its return.
  #alive(): Set<number> {
    const alive = new Set<number>();
    const before: number[][] = this.nodes.map(() => []);
    const waiting = new Map<number, [from: number, other: number][]>();
    const wait = (on: number, from: number, other: number): void =>
      void (waiting.get(on)?.push([from, other]) ?? waiting.set(on, [[from, other]]));
    this.nodes.forEach((n, from) => {
      for (const [, , to] of n.bytes) before[to]!.push(from);
      for (const to of n.empty) before[to]!.push(from);
      for (const [rule, to] of n.calls) {
        wait(to, from, rule.start);
        wait(rule.start, from, to);
      }
    });
    const todo = this.rules.map((r) => r.end);
    for (let node = todo.pop(); node !== undefined; node = todo.pop()) {
      if (alive.has(node)) continue;
      alive.add(node);
      todo.push(...before[node]!);
      for (const [from, other] of waiting.get(node) ?? []) if (alive.has(other)) todo.push(from);
    }
    return alive;
  }

  #refuseLeftRecursion(): void {
    const ends = new Map(this.rules.map((r) => [r.start, r]));
    // Rules that can be empty, until no more are found; then which rules a rule calls before its first byte.
    const nullable = new Set<Rule>();
    const reach = (rule: Rule): { called: Set<Rule>; empty: boolean } => {
      const called = new Set<Rule>();
      const seen = new Set<number>();
      const todo = [rule.start];
      for (let node = todo.pop(); node !== undefined; node = todo.pop()) {
        if (seen.has(node)) continue;
        seen.add(node);
        todo.push(...this.nodes[node]!.empty);
        for (const [r, to] of this.nodes[node]!.calls) {
          called.add(ends.get(r.start)!);
          if (nullable.has(r)) todo.push(to);
        }
      }
      return { called, empty: seen.has(rule.end) };
    };
    for (let size = -1; size !== nullable.size; ) {
      size = nullable.size;
      for (const r of this.rules) if (reach(r).empty) nullable.add(r);
    }
    const state = new Map<Rule, "open" | "done">();
    const visit = (r: Rule): void => {
      if (state.get(r) === "open")
        throw new ValueError({
          op: this.#op,
          message: "the constraint refers to itself with nothing in between",
          hint: "Look for a $ref to its own schema",
        });
      if (state.get(r) === "done") return;
      state.set(r, "open");
      for (const c of reach(r).called) visit(c);
      state.set(r, "done");
    };
    for (const r of this.rules) visit(r);
  }
}

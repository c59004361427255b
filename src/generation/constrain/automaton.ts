// The deterministic pushdown automaton of a network, built as it is walked. A state is a set of places, each a node and a stack of
// nodes to return to (the subset construction of Rabin and Scott 1959, on places instead of nodes). Equal stacks are one object, so that
// a state is a set of integers.
import { ValueError } from "../../core/errors.ts";
import type { Network, Rule } from "./network.ts";

const UNKNOWN = -2;
/** No text begins so. */
export const DEAD = -1;
// Bounds of memory and time, for patterns that come from strangers.
const MOST_STATES = 100_000;
const MOST_PLACES = 3_000_000; // of all states together

interface State {
  /** Places with edges that take bytes. */
  readonly places: readonly number[];
  readonly accepting: boolean;
  /** Next state by class of byte. */
  readonly next: Int32Array;
}

/** Walks a trimmed network byte by byte. States are integers; 0 is the first. */
export class Automaton {
  readonly #op: string;
  readonly #network: Network;
  readonly #end: number;
  readonly #ends: ReadonlySet<number>;
  // Bytes that no edge tells apart are one class.
  readonly #classOf = new Uint8Array(256);
  readonly #byteOf: number[] = [];
  readonly #states: State[] = [];
  #size = 0;
  readonly #known = new Map<string, number>();
  // Stacks: 0 is empty, stack s returns to #returns[s] and leaves #parents[s].
  readonly #returns: number[] = [-1];
  readonly #parents: number[] = [-1];
  readonly #stacks = new Map<number, Map<number, number>>();
  // Places: pairs of node and stack.
  readonly #nodeOf: number[] = [];
  readonly #stackOf: number[] = [];
  readonly #places = new Map<number, Map<number, number>>();

  constructor(op: string, network: Network, root: Rule) {
    this.#op = op;
    this.#network = network;
    this.#end = root.end;
    this.#ends = new Set(network.rules.map((r) => r.end));
    const cuts = new Set([0]);
    for (const n of network.nodes) for (const [low, high] of n.bytes) cuts.add(low).add(high + 1);
    let c = -1;
    for (let b = 0; b < 256; b++) {
      if (cuts.has(b)) c = this.#byteOf.push(b) - 1;
      this.#classOf[b] = c;
    }
    this.#intern([this.#place(root.start, 0)]);
  }

  /** Has it met so many states that a text to come should begin with a new one? */
  get crowded(): boolean {
    return this.#states.length > MOST_STATES / 2 || this.#size > MOST_PLACES / 2;
  }
  /** May the text end here? */
  accepting(state: number): boolean {
    return this.#states[state]!.accepting;
  }
  /** The state after a byte; DEAD where none may follow. @throws ValueError when there are too many states */
  next(state: number, byte: number): number {
    const row = this.#states[state]!.next;
    const c = this.#classOf[byte]!;
    const known = row[c]!;
    return known === UNKNOWN ? (row[c] = this.#step(state, this.#byteOf[c]!)) : known;
  }
  /** The state after some bytes. */
  after(state: number, bytes: Uint8Array): number {
    for (let i = 0; i < bytes.length && state !== DEAD; i++) state = this.next(state, bytes[i]!);
    return state;
  }

  #step(state: number, byte: number): number {
    const to: number[] = [];
    for (const p of this.#states[state]!.places)
      for (const [low, high, node] of this.#network.nodes[this.#nodeOf[p]!]!.bytes)
        if (low <= byte && byte <= high) to.push(this.#place(node, this.#stackOf[p]!));
    return to.length === 0 ? DEAD : this.#intern(to);
  }

  // The state of all places that can be reached from some without a byte.
  #intern(from: number[]): number {
    const seen = new Set<number>();
    let accepting = false;
    const todo = from;
    for (let p = todo.pop(); p !== undefined; p = todo.pop()) {
      if (seen.has(p)) continue;
      seen.add(p);
      const [node, stack] = [this.#nodeOf[p]!, this.#stackOf[p]!];
      const { empty, calls } = this.#network.nodes[node]!;
      for (const to of empty) todo.push(this.#place(to, stack));
      for (const [rule, to] of calls) todo.push(this.#place(rule.start, this.#push(to, stack)));
      if (this.#ends.has(node)) {
        if (stack !== 0) todo.push(this.#place(this.#returns[stack]!, this.#parents[stack]!));
        else if (node === this.#end) accepting = true;
      }
    }
    const places = [...seen].filter((p) => this.#network.nodes[this.#nodeOf[p]!]!.bytes.length > 0).sort((a, b) => a - b);
    const key = `${accepting ? "+" : ""}${places.join()}`;
    const old = this.#known.get(key);
    if (old !== undefined) return old;
    this.#size += places.length;
    if (this.#states.length >= MOST_STATES || this.#size > MOST_PLACES)
      throw new ValueError({
        op: this.#op,
        message: `the constraint has grown to ${this.#states.length} states of ${this.#size} places`,
        hint: "Make it less ambiguous: counted repetitions of things that overlap multiply",
      });
    const next = new Int32Array(this.#byteOf.length).fill(UNKNOWN);
    const state = this.#states.push({ places, accepting, next }) - 1;
    this.#known.set(key, state);
    return state;
  }
  #push(to: number, stack: number): number {
    return pair(this.#stacks, to, stack, () => {
      this.#parents.push(stack);
      return this.#returns.push(to) - 1;
    });
  }
  #place(node: number, stack: number): number {
    return pair(this.#places, node, stack, () => {
      this.#stackOf.push(stack);
      return this.#nodeOf.push(node) - 1;
    });
  }
}

// One integer for each pair.
function pair(known: Map<number, Map<number, number>>, a: number, b: number, make: () => number): number {
  let of = known.get(a);
  if (!of) known.set(a, (of = new Map()));
  let out = of.get(b);
  if (out === undefined) of.set(b, (out = make()));
  return out;
}

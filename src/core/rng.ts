// Random numbers that equal PyTorch's on the CPU: mt19937, and PyTorch's transformations and order of draws.
import { ValueError } from "./errors.ts";

const N = 624;
const M = 397;
const TWO_PI = 2 * Math.PI;

/** The state of a generator, as plain data. */
export interface GeneratorState {
  readonly state: readonly number[];
  readonly next: number;
  readonly seed: string;
  readonly cached: number | null;
}
/**
 * A source of random numbers: Matsumoto and Nishimura's mt19937, seeded as PyTorch's CPU generator.
 * @example new Generator().manualSeed(0).random32() // => 2357136044
 */
export class Generator {
  /** @internal The state: kernels that draw take it along and bring it back. */
  readonly words: Uint32Array = new Uint32Array(N);
  /** @internal The next of the words. */
  next: number = N;
  /** @internal The second value of a Box-Muller pair, kept for the next single draw. */
  cached: number | null = null;
  #seed = 0n;

  constructor() {
    this.manualSeed(5489);
    this.#seed = 67280421310721n; // PyTorch's default seed
  }

  /** Restarts the sequence. @param seed an integer, taken modulo 2^64. @throws ValueError when it is no integer. */
  manualSeed(seed: number | bigint): this {
    if (typeof seed !== "bigint" && !Number.isInteger(seed))
      throw new ValueError({
        op: "manualSeed",
        message: `seed is ${typeof seed === "number" ? seed : seed === undefined ? "missing" : `a ${typeof seed}`}`,
        hint: "Use an integer or a bigint",
      });
    this.#seed = BigInt.asUintN(64, BigInt(seed));
    const s = this.words;
    s[0] = Number(this.#seed & 0xffffffffn);
    for (let i = 1; i < N; i++) {
      const x = s[i - 1]! ^ (s[i - 1]! >>> 30);
      s[i] = Math.imul(1812433253, x) + i;
    }
    this.next = N;
    this.cached = null;
    return this;
  }
  /** The seed that this sequence was started with. */
  initialSeed(): bigint {
    return this.#seed;
  }
  /** Seeds from the clock and the system's randomness; returns the seed. */
  seed(): bigint {
    const words = crypto.getRandomValues(new Uint32Array(2));
    const seed = (BigInt(words[0]!) << 32n) | BigInt(words[1]!);
    this.manualSeed(seed);
    return seed;
  }

  /** Everything that determines the draws to come, as plain data. */
  getState(): GeneratorState {
    return { state: [...this.words], next: this.next, seed: this.#seed.toString(), cached: this.cached };
  }
  /** Continues from a state. @throws ValueError when it is not one. */
  setState(s: GeneratorState, op = "setState"): this {
    const words = Array.isArray(s?.state) && s.state.length === N && s.state.every(Number.isInteger);
    if (
      !words ||
      !(Number.isInteger(s.next) && s.next >= 0 && s.next <= N) ||
      !/^\d+$/.test(s.seed) ||
      !(s.cached === null || typeof s.cached === "number")
    ) {
      throw new ValueError({ op, message: "this is no generator state", hint: "Pass what getState() returned" });
    }
    this.words.set(s.state);
    this.next = s.next;
    this.#seed = BigInt(s.seed);
    this.cached = s.cached;
    return this;
  }

  #refill(): void {
    const s = this.words;
    const twist = (u: number, v: number): number => (((u & 0x80000000) | (v & 0x7fffffff)) >>> 1) ^ (v & 1 ? 0x9908b0df : 0);
    let i = 0;
    for (; i < N - M; i++) s[i] = s[i + M]! ^ twist(s[i]!, s[i + 1]!);
    for (; i < N - 1; i++) s[i] = s[i + M - N]! ^ twist(s[i]!, s[i + 1]!);
    s[N - 1] = s[M - 1]! ^ twist(s[N - 1]!, s[0]!);
    this.next = 0;
  }

  /** 32 random bits as a number in [0, 2^32). */
  random32(): number {
    if (this.next === N) this.#refill();
    let y = this.words[this.next++]!;
    y ^= y >>> 11;
    y ^= (y << 7) & 0x9d2c5680;
    y ^= (y << 15) & 0xefc60000;
    return (y ^ (y >>> 18)) >>> 0;
  }
  /** 64 random bits: the first draw is the high half. */
  random64(): bigint {
    const high = this.random32();
    return (BigInt(high) << 32n) | BigInt(this.random32());
  }
  /** Uniform in [0, 1) with 24 bits. */
  float(): number {
    return (this.random32() & 0xffffff) / 16777216;
  }
  /** Uniform in [0, 1) with 53 bits (two draws). */
  double(): number {
    const high = this.random32() & 0x1fffff;
    return (high * 4294967296 + this.random32()) / 9007199254740992;
  }
  /** One standard normal value; every other call uses no draws. */
  normal(): number {
    if (this.cached !== null) {
      const out = this.cached;
      this.cached = null;
      return out;
    }
    const u1 = this.double();
    const u2 = this.double();
    const r = Math.sqrt(-2 * Math.log1p(-u2));
    this.cached = r * Math.sin(TWO_PI * u1);
    return r * Math.cos(TWO_PI * u1);
  }
}

/** The generator that is used when none is given. */
export const defaultGenerator: Generator = /*@__PURE__*/ new Generator();

/** Seeds the default generator; the same seed gives PyTorch's numbers. @example manualSeed(0).initialSeed() // => 0n */
export const manualSeed = (seed: number | bigint): Generator => defaultGenerator.manualSeed(seed);
/** The state of the default generator, for `setRngState`. @example (manualSeed(7), getRngState().seed) // => "7" */
export const getRngState = (): GeneratorState => defaultGenerator.getState();
/**
 * Puts the default generator back into a state that `getRngState` gave.
 * @throws ValueError for anything else
 * @example
 * const state = getRngState();
 * const first = rand(3);
 * setRngState(state);
 * equal(rand(3), first) // => true
 */
export const setRngState = (state: GeneratorState): void => {
  defaultGenerator.setState(state, "setRngState");
};
/** The seed of the default generator. @example (manualSeed(7), initialSeed()) // => 7n */
export const initialSeed = (): bigint => defaultGenerator.initialSeed();
/** Seeds the default generator from the system's randomness. @example seed() === initialSeed() // => true */
export const seed = (): bigint => defaultGenerator.seed();

type Floats = Float32Array | Float64Array;
const fround = Math.fround;

/**
 * `out[i]` uniform in [from, to). What rounds to `to` becomes `from`: `round` is the rounding of the type that the values are for.
 */
export function fillUniform(g: Generator, out: Floats, from: number, to: number, round: (x: number) => number = (x) => x): void {
  const single = out instanceof Float32Array;
  const a = single ? fround(from) : from;
  const span = single ? fround(fround(to) - a) : to - from;
  const end = round(single ? fround(to) : to);
  for (let i = 0; i < out.length; i++) {
    out[i] = (single ? g.float() : g.double()) * span + a; // rounded once, as a fused multiply-add
    if (round(out[i]!) === end) out[i] = a;
  }
}

/**
 * `out[i]` normal. Sixteen values or more are made in blocks of 16 from 16 uniforms (Box-Muller on pairs i, i + 8); the
 * last block is drawn anew when the length is no multiple of 16. `half`: for a 16-bit type, which draws no values that it
 * then discards. Fewer are drawn one by one in double.
 */
export function fillNormal(g: Generator, out: Floats, mean: number, std: number, half = false): void {
  const n = out.length;
  if (n < 16) {
    for (let i = 0; i < n; i++) out[i] = g.normal() * std + mean;
    return;
  }
  const single = out instanceof Float32Array;
  const block = (at: number): void => {
    for (let j = at; j < at + 8; j++) {
      const u1 = 1 - out[j]!;
      const u2 = out[j + 8]!;
      if (single) {
        const r = fround(Math.sqrt(fround(-2 * fround(Math.log(u1)))));
        const theta = fround(fround(TWO_PI) * u2);
        out[j] = fround(fround(Math.cos(theta)) * r) * fround(std) + fround(mean);
        out[j + 8] = fround(fround(Math.sin(theta)) * r) * fround(std) + fround(mean);
      } else {
        const r = Math.sqrt(-2 * Math.log(u1));
        out[j] = Math.cos(TWO_PI * u2) * r * std + mean;
        out[j + 8] = Math.sin(TWO_PI * u2) * r * std + mean;
      }
    }
  };
  const draw = (from: number, to: number): void => {
    for (let i = from; i < to; i++) out[i] = single ? g.float() : g.double();
  };
  draw(0, half ? n - (n % 16) : n);
  for (let i = 0; i + 16 <= n; i += 16) block(i);
  if (n % 16 !== 0) {
    draw(n - 16, n);
    block(n - 16);
  }
}

/** `out[i]` is 1 with probability `p`: one uniform of 53 bits each, whatever the dtype. */
export function fillBernoulli(g: Generator, out: Uint8Array | Floats, p: number): void {
  for (let i = 0; i < out.length; i++) out[i] = g.double() < p ? 1 : 0;
}

/** `out[i] = uniform < p[i]`. */
export function fillBernoulliEach(g: Generator, out: Floats, p: ArrayLike<number>): void {
  const single = out instanceof Float32Array;
  for (let i = 0; i < out.length; i++) out[i] = (single ? g.float() : g.double()) < p[i]! ? 1 : 0;
}

/** `out[i]` an integer in [low, high); ranges from 2^28 on take 64 bits a draw. */
export function fillRandint(g: Generator, out: BigInt64Array | Float64Array, low: bigint, high: bigint): void {
  const range = high - low;
  if (range >= 1n << 28n) {
    for (let i = 0; i < out.length; i++) {
      const v = (g.random64() % range) + low;
      out[i] = out instanceof BigInt64Array ? v : (Number(v) as never);
    }
    return;
  }
  const r = Number(range);
  const a = Number(low);
  for (let i = 0; i < out.length; i++) {
    const v = (g.random32() % r) + a;
    out[i] = out instanceof BigInt64Array ? BigInt(v) : (v as never);
  }
}

/** A random order of 0 … n-1: Fisher-Yates from the front. */
export function permutation(g: Generator, n: number): Float64Array {
  const out = Float64Array.from({ length: n }, (_, i) => i);
  for (let i = 0; i < n - 1; i++) {
    const j = i + (g.random32() % (n - i));
    const t = out[i]!;
    out[i] = out[j]!;
    out[j] = t;
  }
  return out;
}

/** `out[i]` exponential with rate `lambda`. */
export function fillExponential(g: Generator, out: Floats, lambda: number): void {
  for (let i = 0; i < out.length; i++) out[i] = (-1 / lambda) * Math.log1p(-g.double());
}

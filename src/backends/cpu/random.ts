// Random numbers: the generator's state goes along in the ring and comes back.
import { UnsupportedError } from "../../core/errors.ts";
import { dtypeId } from "../../core/dtype.ts";
import type { Operand, RandomSpec } from "../../kernel/spec.ts";
import type { Host } from "./host.ts";

const KIND: Readonly<Record<RandomSpec["op"], number>> = {
  uniform: 0,
  normal: 1,
  exponential: 2,
  bernoulli: 3,
  integers: 4,
  permutation: 5,
};
// Where native/random.cc finds the state.
const NEXT = 7;
const SPARE = 8;
const WORDS = 9;

/** Fills `out` with the next draws. */
export function random(host: Host, spec: RandomSpec, out: Operand, params: readonly number[]): void {
  if (!out.layout.contiguous)
    throw new UnsupportedError({ op: spec.op, message: "random numbers need a contiguous tensor", hint: "Call contiguous() first" });
  const g = spec.generator;
  host.begin().push(KIND[spec.op]).push(dtypeId(out.dtype)).push(out.layout.numel).pushAddress(out, true);
  host.push(params[0] ?? 0).push(params[1] ?? 0);
  const { ring } = host;
  const words = new Uint32Array(ring.buffer, ring.byteOffset + WORDS * ring.BYTES_PER_ELEMENT, g.words.length);
  ring[NEXT] = g.next;
  ring[SPARE] = g.cached ?? Number.NaN;
  words.set(g.words);
  host.call("random");
  g.words.set(words);
  g.next = ring[NEXT]!;
  g.cached = Number.isNaN(ring[SPARE]) ? null : ring[SPARE]!;
}

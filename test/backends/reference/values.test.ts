// The oracle's own oracle: its special and complex functions against PyTorch's values, recorded by tools/record/reference.py.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { COMPLEX } from "../../../src/backends/reference/complex.ts";
import * as special from "../../../src/backends/reference/special.ts";
import type { BinaryOp, UnaryOp } from "../../../src/kernel/algebra.ts";

type Recorded = number | string;
type Pair = [Recorded, Recorded];
const recorded = JSON.parse(readFileSync(join(import.meta.dirname, "../../../../test/backends/reference/values.json"), "utf8")) as {
  special: Record<keyof typeof special, Pair[]>;
  complex: { z: Pair[]; w: Pair[]; unary: Record<string, Pair[]>; binary: Record<string, Pair[]> };
};
const number = (v: Recorded): number => (v === "inf" ? Infinity : v === "-inf" ? -Infinity : Number(v));

// Relative errors that are allowed; of values below 1 near a zero of the function the absolute error counts. Beside the poles of
// digamma it is PyTorch that loses digits: at -1.9999 its last four.
const RELATIVE: Record<string, number> = { erf: 2e-15, erfc: 2e-14, erfinv: 1e-14, lgamma: 2e-14, digamma: 1e-12 };
const NEAR_ZERO = new Set(["lgamma", "digamma"]);
for (const [name, points] of Object.entries(recorded.special))
  test(`${name} in double`, () => {
    const wrong: string[] = [];
    for (const [x, y] of points) {
      const [got, want] = [special[name as keyof typeof special](number(x)), number(y)];
      const scale = NEAR_ZERO.has(name) ? Math.max(1, Math.abs(want)) : Math.abs(want);
      const equal = Object.is(got, want) || Math.abs(got - want) <= RELATIVE[name]! * scale;
      if (!equal) wrong.push(`${name}(${x}) = ${got}, PyTorch ${want}`);
    }
    assert.deepEqual(wrong, []);
  });

const check = (name: string, want: readonly Pair[], args: (i: number) => [Pair, Pair]): void => {
  const wrong: string[] = [];
  const op = name === "sgn" ? "sign" : (name as UnaryOp | BinaryOp);
  want.forEach((w, i) => {
    const [a, b] = args(i).map((p) => p.map(number) as [number, number]) as [[number, number], [number, number]];
    const got = COMPLEX[op]!(a, b);
    const [re, im] = w.map(number) as [number, number];
    const close = (x: number, y: number): boolean => Object.is(x, y) || x === y || Math.abs(x - y) <= 1e-13 * Math.hypot(re, im);
    if (!close(got[0], re) || !close(got[1], im))
      wrong.push(`${name}(${a}${name in recorded.complex.binary ? `; ${b}` : ""}) = ${got}, PyTorch ${w}`);
  });
  assert.deepEqual(wrong, []);
};
const { z, w, unary, binary } = recorded.complex;
for (const [name, want] of Object.entries(unary)) test(`complex ${name}`, () => check(name, want, (i) => [z[i]!, z[i]!]));
for (const [name, want] of Object.entries(binary)) test(`complex ${name}`, () => check(name, want, (i) => [z[i]!, w[i]!]));

// What stands for a number where tensors compute.
/** A complex number where a scalar is expected. */
export class ComplexScalar {
  readonly re: number;
  readonly im: number;
  constructor(re: number, im: number) {
    this.re = re;
    this.im = im;
  }
}

/** What may stand for a tensor in arithmetic. */
export type Scalar = number | boolean | bigint | ComplexScalar;
/** Is it a number, boolean, bigint or complex scalar? */
export const isScalar = (x: unknown): x is Scalar =>
  typeof x === "number" || typeof x === "boolean" || typeof x === "bigint" || x instanceof ComplexScalar;

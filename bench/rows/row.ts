import * as torch from "firebrand";
import type { Tensor } from "firebrand";

/** Prepares a measurement: makes the operands, returns what is timed. */
export type Row = () => () => unknown;
/** Rows by name; PyTorch's side has the same names. */
export type Rows = Record<string, Row>;

/** Standard normal numbers. */
export const r = (...shape: number[]): Tensor => torch.randn(shape);
/** Whole numbers below `high`. */
export const below = (high: number, ...shape: number[]): Tensor => torch.randint(0, high, shape);

/** One row: operands, then what is timed, with nothing recorded. */
export const row = (name: string, make: () => Tensor[], f: (...xs: Tensor[]) => unknown): Rows => ({
  [name]: () => {
    const xs = make();
    return () => f(...xs);
  },
});

/** Two rows: `f` alone, and the gradients of its first `leaves` operands alone, over a graph that is kept. */
export const both = (name: string, make: () => Tensor[], f: (...xs: Tensor[]) => Tensor, leaves = 1): Rows => ({
  ...row(name, make, f),
  [`${name}, backward`]: () => {
    const xs = make();
    const wanted = xs.slice(0, leaves).map((x) => x.requiresGrad_());
    const y = f(...xs);
    const g = torch.randn(y.shape);
    return () => torch.autograd.grad([y], wanted, { gradOutputs: [g], retainGraph: true });
  },
});

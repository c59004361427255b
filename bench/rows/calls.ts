// What a call costs. calls.py has the same in PyTorch.
import * as torch from "firebrand";
import { nn, type Tensor } from "firebrand";
import { row, type Rows } from "./row.ts";

const a = torch.ones(16);
const p = torch.ones(16).requiresGrad_();
const hundred = (x: Tensor): Tensor => {
  let y = x;
  for (let i = 0; i < 50; i++) y = y.mul(a).add(a);
  return y;
};
const linear = new nn.Linear(16, 16);
/** Small calls: their cost is the way to the kernel. */
export const calls: Rows = {
  ...row(
    "add 16",
    () => [],
    () => a.add(a),
  ),
  ...row(
    "add 16, recorded",
    () => [],
    () => p.add(a),
  ),
  ...row(
    "(p * b).sum().backward(), 16",
    () => [],
    () => p.mul(a).sum().backward(),
  ),
  ...row(
    "view 16",
    () => [],
    () => a.view([4, 4]),
  ),
  ...row(
    "transpose 4x4",
    () => [a.view([4, 4])],
    (x) => x!.t(),
  ),
  ...row(
    "slice 16",
    () => [],
    () => a.narrow(0, 4, 8),
  ),
  ...row(
    "sum 16",
    () => [],
    () => a.sum(),
  ),
  ...row(
    "matmul 4x4",
    () => [a.view([4, 4])],
    (x) => x!.matmul(x!),
  ),
  ...row(
    "100 ops of 16, recorded",
    () => [],
    () => hundred(p),
  ),
  ...row(
    "100 ops of 16, forward and backward",
    () => [],
    () => hundred(p).sum().backward(),
  ),
  ...row(
    "Linear(16, 16) module call",
    () => [torch.ones(1, 16)],
    (x) => linear.forward(x!),
  ),
};

// What bench/wasm.ts measures here; bench/peers/*.mjs have the same names.
import * as torch from "firebrand";
import { nn, optim } from "firebrand";
import { GPT } from "../../examples/gpt/model.ts";
import { r, row, type Row, type Rows } from "./row.ts";

const F = nn.functional;
const product = (name: string, m: number, k: number, n: number): Rows =>
  row(
    name,
    () => [r(m, k), r(k, n)],
    (a, b) => a!.matmul(b!),
  );
const conv = (groups: number): Rows =>
  row(
    `${groups > 1 ? "depthwise conv" : "conv"} 3x3, 64 channels 56x56`,
    () => [r(1, 64, 56, 56), r(64, 64 / groups, 3, 3)],
    (x, w) => F.conv2d(x!, w!, null, { padding: 1, groups }),
  );
// The sizes of bench/peers/shared.mjs.
const gpt =
  (train: boolean): Row =>
  () => {
    const model = new GPT({ vocabSize: 65, blockSize: 128, nLayer: 4, nHead: 4, nEmbd: 128, dropout: 0 });
    const tokens = torch.randint(0, 65, [4, 128]);
    if (!train) return () => torch.noGrad(() => model.forward(tokens));
    const optimizer = new optim.Adam(model.parameters(), { lr: 1e-3 });
    return () => {
      const loss = model.loss(tokens, tokens);
      optimizer.zeroGrad();
      loss.backward();
      optimizer.step();
    };
  };

/** Rows that the WebAssembly peers can be asked for too. */
export const wasm: Rows = {
  ...Object.assign({}, ...[128, 256, 512, 1024].map((n) => product(`matmul ${n}`, n, n, n))),
  ...row(
    "linear 512x768 to 768",
    () => [r(512, 768), r(768, 768)],
    (x, w) => F.linear(x!, w!),
  ),
  ...product("vector times 768x3072", 1, 768, 3072),
  ...conv(1),
  ...conv(64),
  ...row(
    "softmax 512x1024",
    () => [r(512, 1024)],
    (x) => x!.softmax(-1),
  ),
  ...row(
    "layer norm 512x768",
    () => [r(512, 768), r(768), r(768)],
    (x, w, b) => F.layerNorm(x!, [768], w!, b!),
  ),
  ...row(
    "gelu 256K",
    () => [r(1 << 18)],
    (x) => F.gelu(x!),
  ),
  ...row(
    "exp 1M",
    () => [r(1 << 20)],
    (x) => x!.exp(),
  ),
  ...row(
    "add 1M",
    () => [r(1 << 20), r(1 << 20)],
    (x, y) => x!.add(y!),
  ),
  ...row(
    "sum 1024x1024 over 1",
    () => [r(1024, 1024)],
    (x) => x!.sum(1),
  ),
  ...row(
    "transpose copy 1024",
    () => [r(1024, 1024)],
    (x) => x!.t().contiguous(),
  ),
  "GPT forward": gpt(false),
  "GPT training step": gpt(true),
};

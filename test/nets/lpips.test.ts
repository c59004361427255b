// LPIPS's linear heads: their shapes, and the distances they make of seeded features.
import assert from "node:assert/strict";
import { test } from "node:test";
import * as torch from "firebrand";
import { io, type Tensor } from "firebrand";
import { CHANNELS, lpips } from "./lpips.ts";
import { assertClose, needs, recorded, weightFile } from "./support.ts";

for (const name of ["alex", "squeeze", "vgg"] as const) {
  const file = weightFile(`lpips/${name}.pth`);
  test(`LPIPS on ${name}: shapes and distances`, needs(file), async () => {
    const state = await io.load<Record<string, Tensor>>(file);
    const shapes = Object.entries(state).map(([key, w]) => [key, ...w.shape]);
    assert.deepEqual(
      shapes,
      CHANNELS[name].map((c, i) => [`lin${i}.model.1.weight`, 1, c, 1, 1]),
    );

    const heads = lpips(name);
    heads.loadStateDict(state);
    torch.manualSeed(0);
    const [a, b]: [Tensor[], Tensor[]] = [[], []];
    for (const [i, c] of CHANNELS[name].entries()) for (const side of [a, b]) side.push(torch.randn(2, c, 5 + i, 4).relu());
    const distances = torch.noGrad(() => heads.forward(a, b)).toArraySync() as number[];
    assertClose(distances, recorded<Record<string, number[]>>("lpips")[name]!, 1e-6, "distance");
    assert.deepEqual(torch.noGrad(() => heads.forward(a, a)).toArraySync(), [0, 0]);
  });
}

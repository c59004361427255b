// A diffusion model of points in the plane: the noise it sees, and a thousand points drawn with it.
import assert from "node:assert/strict";
import { test } from "node:test";
import * as torch from "firebrand";
import { io } from "firebrand";
import { assertRecorded, needs, type Recorded, recorded, weightFile } from "./support.ts";
import { sample, tinyDiffusion } from "./tiny-diffusion.ts";

const file = weightFile("tiny-diffusion-2d/model.pth");

test("tiny diffusion: noise and samples are PyTorch's", needs(file), async (t) => {
  const golden = recorded<{ noise: Recorded; points: Recorded }>("tiny-diffusion");
  const model = tinyDiffusion();
  await io.load(file, { into: model });
  torch.manualSeed(0);
  const noise = torch.noGrad(() => model.forward(torch.randn(50, 2), torch.randint(0, 200, [50])));
  t.diagnostic(`noise: largest difference ${assertRecorded(noise, golden.noise, 1e-5, "noise")}`);

  torch.manualSeed(1);
  const points = torch.noGrad(() => sample(model, 1000));
  t.diagnostic(`points: largest difference ${assertRecorded(points, golden.points, 1e-3, "points")}`);
  // The model learned clouds about (±10, 10) and (0, -10): the standard normals that sampling starts from must have spread, and stayed in reach.
  const [spread, reach] = [points.std().itemSync<number>(), points.abs().max().itemSync<number>()];
  assert.ok(spread > 3 && spread < 12, `spread ${spread}`);
  assert.ok(reach > 5 && reach < 40, `reach ${reach}`);
});

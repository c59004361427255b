// UltraFace: scores and offsets of all 4420 boxes for seeded noise, then the faces of a photo.
import assert from "node:assert/strict";
import { test } from "node:test";
import * as torch from "firebrand";
import { io } from "firebrand";
import { assertClose, assertRecorded, dataFile, needs, photo, type Recorded, recorded, weightFile } from "./support.ts";
import { detect, ultraFace } from "./ultraface.ts";

const file = weightFile("ultraface/version-RFB-320.pth");
const multiface = dataFile("images/photos/multiface.jpg");
const golden = recorded<{ scores: Recorded; offsets: Recorded; faces: number[][] }>("ultraface");

async function load(): Promise<ReturnType<typeof ultraFace>> {
  const model = ultraFace();
  await io.load(file, { into: model });
  return model;
}

test("UltraFace: scores and offsets are PyTorch's", needs(file), async (t) => {
  const model = await load();
  torch.manualSeed(0);
  const [scores, offsets] = torch.noGrad(() => model.forward(torch.randn(2, 3, 240, 320)));
  const worst = [assertRecorded(scores, golden.scores, 2e-5, "scores"), assertRecorded(offsets, golden.offsets, 2e-5, "offsets")];
  t.diagnostic(`largest difference ${Math.max(...worst)}`);
});

test("UltraFace: six faces in a photo, where PyTorch finds them", needs(file, multiface), async (t) => {
  const model = await load();
  const faces = torch.noGrad(() => detect(model, photo(multiface)));
  assert.deepEqual([...faces.shape], [6, 5]);
  const worst = assertClose((faces.toArraySync() as number[][]).flat(), golden.faces.flat(), 1e-4, "faces");
  t.diagnostic(`largest difference ${worst}`);
});

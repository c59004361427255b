// MTCNN on facenet-pytorch's weights: each network's outputs for seeded noise, then the faces of a photo.
import assert from "node:assert/strict";
import { test } from "node:test";
import * as torch from "firebrand";
import { io, type Tensor } from "firebrand";
import { detect, mtcnn } from "./mtcnn.ts";
import { assertClose, assertRecorded, dataFile, needs, photo, type Recorded, recorded, weightFile } from "./support.ts";

const names = ["pnet", "rnet", "onet"] as const;
const files = names.map((name) => weightFile(`facenet-mtcnn/${name}.pt`));
const multiface = dataFile("images/photos/multiface.jpg");
const golden = recorded<{ noise: Record<(typeof names)[number], Recorded[]>; faces: number[][] }>("mtcnn");

async function load(): Promise<ReturnType<typeof mtcnn>> {
  const nets = mtcnn();
  for (const [i, name] of names.entries()) nets[name].loadStateDict((await io.load(files[i]!)) as Record<string, Tensor>);
  return nets;
}

test("MTCNN: the three networks give PyTorch's numbers", needs(...files), async (t) => {
  const nets = await load();
  torch.manualSeed(0);
  const noise = { pnet: torch.randn(2, 3, 37, 50), rnet: torch.randn(5, 3, 24, 24), onet: torch.randn(3, 3, 48, 48) };
  for (const name of names) {
    const outputs: Tensor[] = torch.noGrad(() => nets[name].forward(noise[name]));
    assert.equal(outputs.length, golden.noise[name].length);
    const worst = outputs.map((y, i) => assertRecorded(y, golden.noise[name][i]!, 1e-5, `output ${i} of ${name}`));
    t.diagnostic(`${name}: largest difference ${Math.max(...worst)}`);
  }
});

test("MTCNN: six faces in a photo, where PyTorch finds them", needs(multiface, ...files), async (t) => {
  const nets = await load();
  const faces = torch.noGrad(() => detect(nets, photo(multiface)));
  assert.deepEqual([...faces.shape], [6, 5]);
  const worst = assertClose((faces.toArraySync() as number[][]).flat(), golden.faces.flat(), 1e-4, "faces");
  t.diagnostic(`largest difference ${worst}`);
});

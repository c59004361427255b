// Burn's MNIST network, from PyTorch's file and from safetensors: log-probabilities and accuracy on the ten thousand test images.
import assert from "node:assert/strict";
import { test } from "node:test";
import * as torch from "firebrand";
import { io, type Tensor } from "firebrand";
import { readImages } from "../../examples/vision/idx.ts";
import { mnist, normalise } from "./mnist.ts";
import { assertRecorded, dataFile, needs, type Recorded, recorded, weightFile } from "./support.ts";

const [pt, safetensors] = [weightFile("burn-mnist/mnist.pt"), weightFile("burn-mnist/mnist.safetensors")];
const images = dataFile("images/mnist");

// The files hold two trainings of the network.
for (const [kind, file] of [["pt", pt] as const, ["safetensors", safetensors] as const])
  test(`Burn's MNIST network: accuracy with the weights of the .${kind} file`, needs(file, images), async (t) => {
    const model = mnist();
    const report = await io.load(file, { into: model });
    assert.deepEqual([report.missingKeys, report.unexpectedKeys], [[], []]);
    const { pixels, labels } = readImages(images, "t10k")!;
    const count = labels.length;
    const x = normalise(torch.tensor(pixels).view([count, 1, 28, 28]));
    const y = torch.noGrad(() => torch.cat((x.split(500) as Tensor[]).map((part) => model.forward(part)))); // [10000, 10]
    const golden = recorded<Record<typeof kind, { logProbabilities: Recorded; right: number }>>("mnist")[kind];
    const worst = assertRecorded(y, golden.logProbabilities, 1e-5, "log-probabilities");
    const right = y.argmax(1).eq(torch.tensor(labels)).sum().itemSync<number>();
    assert.ok(right > 0.98 * count);
    assert.equal(right, golden.right);
    t.diagnostic(`${right} of ${count} right, largest difference ${worst}`);
  });

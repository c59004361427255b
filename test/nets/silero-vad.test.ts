// Silero VAD on Kennedy's speech: the probabilities that PyTorch gives, from each of the two files of weights.
import { readFileSync } from "node:fs";
import { test } from "node:test";
import * as torch from "firebrand";
import { io } from "firebrand";
import { fromShortNames, sileroVad, speechProbabilities } from "./silero-vad.ts";
import { assertClose, dataFile, needs, recorded, wav, weightFile } from "./support.ts";

const audio = dataFile("audio/jfk_16k.wav");
const [archive, archiveGolden] = [weightFile("silero-vad/silero_vad.jit"), weightFile("silero-vad/jfk_16k.expected.json")];
const safetensors = weightFile("silero-vad/silero_vad_16k.safetensors");

/** Compares all 343 probabilities; returns the largest difference. */
function check(model: ReturnType<typeof sileroVad>, expected: readonly number[]): number {
  // The recordings stop before the last chunk, which has only 384 samples.
  const p = torch.noGrad(() => speechProbabilities(model, wav(audio))).narrow(0, 0, 343);
  return assertClose(p.toArraySync() as number[], expected, 1e-5, "probability");
}

test("Silero VAD: probabilities from safetensors", needs(audio, safetensors), async (t) => {
  const model = sileroVad();
  model.loadStateDict(fromShortNames(await io.load(safetensors)));
  t.diagnostic(`largest difference ${check(model, recorded<{ probabilities: number[] }>("silero-vad").probabilities)}`);
});

// The archive holds another release of the model, for two sampling rates, and the probabilities beside it are its own.
test("Silero VAD: probabilities from the TorchScript archive", needs(audio, archive, archiveGolden), async (t) => {
  const model = sileroVad();
  await io.load(archive, { into: model, key: "_model" });
  const golden = JSON.parse(readFileSync(archiveGolden, "utf8")) as { speech_prob: number[] };
  t.diagnostic(`largest difference ${check(model, golden.speech_prob)}`);
});

// The old ggml files: whisper.cpp's voice detector against the original weights, a small Whisper of the same layout, damage.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import * as torch from "../../src/index.ts";
import { load, readAll } from "./fixtures.ts";
import { fuzz } from "./fuzz.ts";

const { io } = torch;
const data = join(import.meta.dirname, "../../../../shared/data/weights");

/** A Whisper of two tokens with one float16 and one Q5_0 tensor, by whisper.cpp's convert-pt-to-ggml.py's layout. */
async function whisper(): Promise<{ bytes: Uint8Array; half: torch.Tensor; q: torch.io.QuantizedTensor }> {
  const parts: Uint8Array[] = [];
  const ints = (...x: number[]): number => parts.push(new Uint8Array(Int32Array.from(x).buffer));
  const text = (s: string): number => parts.push(new TextEncoder().encode(s));
  ints(0x67676d6c, 51864, 1500, 384, 6, 4, 448, 384, 6, 4, 80, 1);
  ints(2, 3);
  parts.push(new Uint8Array(Float32Array.of(0, 1, 2, 3, 4, 5).buffer));
  ints(2, 1);
  text("a");
  ints(2);
  parts.push(Uint8Array.of(0xff, 0xfe));
  const half = torch.arange(6).reshape(2, 3).to("float16");
  ints(2, 1, 1, 3, 2);
  text("h");
  parts.push(io.npyBytes(half).slice(128));
  const q = io.QuantizedTensor.quantize(torch.linspace(-1, 1, 64).reshape(2, 32), "Q5_0");
  ints(2, 1, 6, 32, 2);
  text("q");
  parts.push((await q.bytes.data()) as Uint8Array);
  return { bytes: new Uint8Array(Buffer.concat(parts)), half, q };
}

test("the voice detector has the original's weights", async (t) => {
  const path = join(data, "ggml/for-tests-silero-v6.2.0-ggml.bin");
  const original = join(data, "silero-vad/silero_vad_16k.safetensors");
  if (!existsSync(path) || !existsSync(original)) return t.skip("no shared/data folder beside the project");
  const source = await io.fileSource(path);
  assert.equal(io.ggml.detect((await source.read(0, 512)).slice(), source), true);
  const file = await io.ggml.open(source, {});
  assert.deepEqual([file.metadata["model"], file.metadata["version"], file.metadata["window"]], ["silero-16k", "6.2.0", 512]);
  const got = await readAll(file);
  const want = await io.loadSafetensors(original);
  assert.equal(Object.keys(got).length, 15);
  // Another release of the weights: shapes agree, and the basis of the transform, which is not learnt.
  assert.ok(torch.allclose(got["_model.stft.forward_basis_buffer"]!.to("float32"), want["stft_conv.weight"]!, { atol: 1e-3 }));
  assert.deepEqual([...got["_model.encoder.0.reparam_conv.weight"]!.shape], [...want["conv1.weight"]!.shape]);
  assert.deepEqual([...got["_model.decoder.rnn.weight_ih"]!.shape], [...want["lstm_cell.weight_ih"]!.shape]);
  await file.close();
});
test("a Whisper file", async () => {
  const { bytes, half, q } = await whisper();
  const file = await io.ggml.open(io.bytesSource(bytes), {});
  assert.deepEqual([file.metadata["model"], file.metadata["n_audio_ctx"], file.metadata["ftype"]], ["whisper", 1500, 1]);
  assert.deepEqual(file.metadata["mel"], { shape: [2, 3], filters: Float32Array.of(0, 1, 2, 3, 4, 5) });
  assert.deepEqual(file.metadata["tokens"], [Uint8Array.of(97), Uint8Array.of(255, 254)]);
  const got = (await load(io.ggml, bytes)) as Record<string, unknown>;
  assert.ok(torch.equal(got["h"] as torch.Tensor, half));
  assert.ok(torch.equal((got["q"] as torch.io.QuantizedTensor).dequantize(), q.dequantize()));
});
test("damage", async () => {
  const { bytes } = await whisper();
  const refuses = (b: Uint8Array, message: RegExp): Promise<void> =>
    assert.rejects(
      load(io.ggml, b, "w.bin"),
      (e: Error) => e.name === "FormatError" && /w\.bin: at byte \d+: /.test(e.message) && message.test(e.message),
    );
  await refuses(bytes.slice(0, -3), /tensor "q" ends at byte.*truncated/);
  await refuses(bytes.slice(0, 60), /the file has 60/);
  await refuses(
    Uint8Array.from(bytes, (b, i) => (i === 0 ? 0 : b)),
    /no ggml magic/,
  );
  const at = Buffer.from(bytes).lastIndexOf(Buffer.from(Int32Array.of(2, 1, 6, 32, 2).buffer));
  await refuses(
    Uint8Array.from(bytes, (b, i) => (i === at + 8 ? 99 : b)),
    /type 99, which is unknown/,
  );
  await refuses(
    Uint8Array.from(bytes, (b, i) => (i === at + 12 ? 33 : b)),
    /rows of 33, expected a multiple of 32/,
  );
  await fuzz({ open: (b) => io.ggml.open(io.bytesSource(b, "damaged"), {}), files: [bytes] });
});

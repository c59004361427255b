// Silero VAD v6 for 16 kHz: a spectrogram by convolution, four convolutions, an LSTM cell, and the probability of speech.
import * as torch from "firebrand";
import { nn, type Tensor } from "firebrand";

const F = nn.functional;
const [CHUNK, CONTEXT, BINS] = [512, 64, 129]; // samples of a chunk, of the one before it that are seen again, frequencies

type State = readonly [h: Tensor, c: Tensor]; // [B, 128] each

class Spectrogram extends nn.Module {
  declare forward_basis_buffer: Tensor; // cosines, then sines, of 129 frequencies under a window
  constructor() {
    super();
    this.registerBuffer("forward_basis_buffer", torch.zeros(2 * BINS, 1, 256));
  }
  forward(x: Tensor): Tensor {
    const padded = F.pad(x.unsqueeze(1), [0, 64], { mode: "reflect" }); // [B, 1, 640]
    const y = F.conv1d(padded, this.forward_basis_buffer, null, { stride: 128 }); // [B, 258, 4]
    return y
      .narrow(1, 0, BINS)
      .square()
      .add(y.narrow(1, BINS, BINS).square())
      .sqrt(); // [B, 129, 4]
  }
}

class Block extends nn.Module {
  reparam_conv: nn.Conv1d;
  constructor(from: number, to: number, stride: number) {
    super();
    this.reparam_conv = new nn.Conv1d(from, to, 3, { stride, padding: 1 });
  }
  forward(x: Tensor): Tensor {
    return this.reparam_conv.forward(x).relu();
  }
}

class Decoder extends nn.Module {
  rnn = new nn.LSTMCell(128, 128);
  decoder = new nn.Sequential(new nn.Dropout(0.1), new nn.ReLU(), new nn.Conv1d(128, 1, 1), new nn.Sigmoid());
  forward(x: Tensor, state: State | null): [Tensor, State] {
    const [h, c] = this.rnn.forward(x.squeeze(-1), state); // [B, 128]
    return [this.decoder.forward(h.unsqueeze(-1)), [h, c]]; // [B, 1, 1]
  }
}

class SileroVad extends nn.Module {
  stft = new Spectrogram();
  encoder = new nn.Sequential(
    new Block(BINS, 128, 1), // [B, 128, 4]
    new Block(128, 64, 2), // [B, 64, 2]
    new Block(64, 64, 2), // [B, 64, 1]
    new Block(64, 128, 1), // [B, 128, 1]
  );
  decoder = new Decoder();
  forward(x: Tensor, state: State | null): [Tensor, State] {
    const [p, next] = this.decoder.forward(this.encoder.forward(this.stft.forward(x)), state);
    return [p.squeeze(-1), next];
  }
}

/** The model, without weights: 64 + 512 samples [B, 576] and the state → probabilities [B, 1] and the next state. */
export const sileroVad = (): nn.Module & { forward(x: Tensor, state: State | null): [Tensor, State] } => new SileroVad().eval();

/** Speech probabilities of chunks of 512 samples, one after another: audio [samples] in ±1 → [chunks]. The last chunk is padded with zeros. */
export function speechProbabilities(model: ReturnType<typeof sileroVad>, audio: Tensor): Tensor {
  const chunks = Math.ceil(audio.numel() / CHUNK);
  const padded = F.pad(audio, [CONTEXT, chunks * CHUNK - audio.numel()]); // [64 + 512 chunks]
  const out: Tensor[] = [];
  let state: State | null = null;
  for (let i = 0; i < chunks; i++) {
    const step: [Tensor, State] = model.forward(padded.narrow(0, i * CHUNK, CONTEXT + CHUNK).unsqueeze(0), state);
    out.push(step[0].view([1]));
    state = step[1];
  }
  return torch.cat(out);
}

// What the safetensors file calls by short names, by the names of the TorchScript archive, which are the model's.
const SHORT: Record<string, string> = {
  "stft_conv.weight": "stft.forward_basis_buffer",
  conv1: "encoder.0.reparam_conv",
  conv2: "encoder.1.reparam_conv",
  conv3: "encoder.2.reparam_conv",
  conv4: "encoder.3.reparam_conv",
  lstm_cell: "decoder.rnn",
  final_conv: "decoder.decoder.2",
};
/** A state dict of the model out of one with short names. */
export const fromShortNames = (state: Readonly<Record<string, Tensor>>): Record<string, Tensor> =>
  Object.fromEntries(Object.entries(state).map(([key, t]) => [SHORT[key] ?? key.replace(/^\w+/, (module) => SHORT[module] ?? module), t]));

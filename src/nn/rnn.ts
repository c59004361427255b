// Recurrent modules: RNN, LSTM and GRU over sequences, and their single steps. Gate order and names are PyTorch's.
import type { DType } from "../core/dtype.ts";
import { ArgumentError, ShapeError, showShape, ValueError } from "../core/errors.ts";
import type { Tensor } from "../core/tensor.ts";
import { bindNamed, checkTensor, given } from "../core/arguments.ts";
import { zeros } from "../ops/create.ts";
import { cat, stack } from "../ops/join.ts";
import { lstmLayer, lstmStep } from "../ops/lstm.ts";
import * as F from "./functional.ts";
import { uniform_ } from "./init.ts";
import { type FactoryOptions, parameter } from "./linear.ts";
import { Module, type Parameter } from "./module.ts";

type State = Tensor[];
interface Weights {
  ih: Tensor;
  hh: Tensor;
  bih: Tensor | null;
  bhh: Tensor | null;
  hr: Tensor | null;
}
/** One step: (x already multiplied by w_ih, state) → state; state[0] is the output. */
type Step = (gx: Tensor, state: State, w: Weights) => State;

const step: Record<"RNN_TANH" | "RNN_RELU" | "LSTM" | "GRU", Step> = {
  RNN_TANH: (gx, [h], w) => [gx.add(F.linear(h!, w.hh, w.bhh)).tanh()],
  RNN_RELU: (gx, [h], w) => [gx.add(F.linear(h!, w.hh, w.bhh)).relu()],
  LSTM: (gx, [h, c], w) => {
    const [out, cell] = lstmStep(gx, h!, c!, w.hh, w.bhh);
    return [w.hr ? F.linear(out, w.hr) : out, cell];
  },
  GRU: (gx, [h], w) => {
    const [rx, zx, nx] = gx.chunk(3, -1) as [Tensor, Tensor, Tensor];
    const [rh, zh, nh] = F.linear(h!, w.hh, w.bhh).chunk(3, -1) as [Tensor, Tensor, Tensor];
    const z = zx.add(zh).sigmoid();
    const n = nx.add(rx.add(rh).sigmoid().mul(nh)).tanh();
    return [n.add(z.mul(h!.sub(n)))];
  },
};

/** Options of recurrent modules. */
export interface RnnOptions extends FactoryOptions {
  /** Layers on top of each other (default 1). */
  numLayers?: number;
  /** Of `RNN` (default `"tanh"`). */
  nonlinearity?: "tanh" | "relu";
  /** Learn biases? Default true. */
  bias?: boolean;
  /** Is the batch the first dimension, before time? Default false. */
  batchFirst?: boolean;
  /** Probability with which outputs of all layers but the last are zeroed in training (default 0). */
  dropout?: number;
  /** Run from both ends? Default false. */
  bidirectional?: boolean;
  /** Size that the hidden state of `LSTM` is projected to (default 0, none). */
  projSize?: number;
}

// Refuses what is no tensor before anything is asked of it.
function checkStates(op: string, input: Tensor, states: State | null): void {
  checkTensor(op, "input", input);
  states?.forEach((s, i) => checkTensor(op, `state ${i}`, s));
}

// Can the whole layer go as one op?
const isWhole = (tensors: readonly (Tensor | null)[], projection: Tensor | null): boolean => {
  const x = tensors[0]!;
  return (
    projection === null &&
    x.layout.numel > 0 &&
    (x.dtype === "float32" || x.dtype === "float64") &&
    tensors.every((t) => t === null || (t.dtype === x.dtype && t.device === x.device))
  );
};

// Functions and not private methods: a module's copy (`cloneModule`) is no instance of its class by construction.
const suffixesOf = (rnn: Recurrent, layer: number): string[] => (rnn.bidirectional ? [`l${layer}`, `l${layer}_reverse`] : [`l${layer}`]);
const weightsOf = (rnn: Recurrent, suffix: string): Weights => {
  const f = rnn as unknown as Record<string, Tensor | undefined>;
  return {
    ih: f[`weight_ih_${suffix}`]!,
    hh: f[`weight_hh_${suffix}`]!,
    bih: f[`bias_ih_${suffix}`] ?? null,
    bhh: f[`bias_hh_${suffix}`] ?? null,
    hr: f[`weight_hr_${suffix}`] ?? null,
  };
};

abstract class Recurrent extends Module {
  readonly inputSize: number;
  readonly hiddenSize: number;
  readonly numLayers: number;
  readonly batchFirst: boolean;
  readonly dropout: number;
  readonly bidirectional: boolean;
  readonly projSize: number;
  readonly bias: boolean;
  protected readonly mode: keyof typeof step;

  constructor(name: "RNN" | "LSTM" | "GRU", args: readonly unknown[]) {
    super();
    const o = bindNamed<RnnOptions & { inputSize: number; hiddenSize: number }>(
      name,
      [
        "inputSize",
        "hiddenSize",
        "numLayers?: positive",
        ...(name === "RNN" ? ["nonlinearity?: tanh|relu"] : []),
        "bias?: flag",
        "batchFirst?",
        "dropout?",
        "bidirectional?",
        "projSize?",
        "device?",
        "dtype?",
      ],
      args,
    );
    this.inputSize = o.inputSize;
    this.hiddenSize = o.hiddenSize;
    this.numLayers = o.numLayers ?? 1;
    this.bias = o.bias ?? true;
    this.batchFirst = o.batchFirst ?? false;
    this.dropout = o.dropout ?? 0;
    this.bidirectional = o.bidirectional ?? false;
    this.projSize = o.projSize ?? 0;
    if (!(this.dropout >= 0 && this.dropout <= 1))
      throw new ValueError({ op: name, message: `dropout is ${this.dropout}`, hint: "It lies in [0, 1]" });
    this.mode = name === "RNN" ? (o.nonlinearity === "relu" ? "RNN_RELU" : "RNN_TANH") : name;
    const gates = name === "LSTM" ? 4 : name === "GRU" ? 3 : 1;
    const h = this.hiddenSize;
    const outSize = this.projSize || h;
    const factory = { device: o.device ?? null, dtype: o.dtype ?? null };
    const fields = this as unknown as Record<string, Parameter>;
    for (let l = 0; l < this.numLayers; l++) {
      for (const suffix of suffixesOf(this, l)) {
        fields[`weight_ih_${suffix}`] = parameter([gates * h, l === 0 ? this.inputSize : outSize * (this.bidirectional ? 2 : 1)], factory);
        fields[`weight_hh_${suffix}`] = parameter([gates * h, outSize], factory);
        if (this.bias) {
          fields[`bias_ih_${suffix}`] = parameter([gates * h], factory);
          fields[`bias_hh_${suffix}`] = parameter([gates * h], factory);
        }
        if (this.projSize) fields[`weight_hr_${suffix}`] = parameter([this.projSize, h], factory);
      }
    }
    const bound = h > 0 ? 1 / Math.sqrt(h) : 0;
    for (const p of this.parameters()) uniform_(p, -bound, bound);
  }

  // x [T, N, I]; states [layers · directions, N, H] each. Returns the outputs and the last states.
  protected run(input: Tensor, given: State | null, count: number): { output: Tensor; states: State } {
    checkStates(this.constructor.name, input, given);
    const unbatched = input.ndim === 2;
    if (input.ndim !== 2 && input.ndim !== 3)
      throw new ShapeError({
        op: this.constructor.name,
        message: `input ${showShape(input.shape)}`,
        hint: "It is [T, N, features] (batchFirst: [N, T, features]) or [T, features]",
      });
    let x = unbatched ? input.unsqueeze(1) : this.batchFirst ? input.transpose(0, 1) : input;
    if (x.shape[2] !== this.inputSize)
      throw new ShapeError({
        op: this.constructor.name,
        message: `input ${showShape(input.shape)} has ${x.shape[2]} features`,
        hint: `inputSize is ${this.inputSize}`,
      });
    const n = x.shape[1]!;
    const directions = this.bidirectional ? 2 : 1;
    const sizes = [this.projSize || this.hiddenSize, this.hiddenSize];
    const start =
      given?.map((s) => (unbatched ? s.unsqueeze(1) : s)) ??
      Array.from({ length: count }, (_, i) => zeros([this.numLayers * directions, n, sizes[i]!], { dtype: x.dtype, device: x.device }));
    start.forEach((s, i) => {
      const want = [this.numLayers * directions, n, sizes[i]!];
      if (showShape(s.shape) !== showShape(want))
        throw new ShapeError({
          op: this.constructor.name,
          message: `state ${i} is ${showShape(s.shape)}`,
          hint: `It must be ${showShape(want)}`,
        });
    });
    const last: Tensor[][] = start.map(() => []);
    for (let l = 0; l < this.numLayers; l++) {
      const outs = suffixesOf(this, l).map((suffix, d) => {
        const w = weightsOf(this, suffix);
        const from = start.map((s) => s.select(0, l * directions + d));
        if (this.mode === "LSTM" && isWhole([x, ...from, w.ih, w.hh, w.bih, w.bhh], w.hr)) {
          const [ys, c] = lstmLayer(x, from[0]!, from[1]!, w, d === 1);
          last[0]!.push(ys.select(0, d === 1 ? 0 : -1));
          last[1]!.push(c);
          return ys;
        }
        const gx = F.linear(x, w.ih, w.bih).unbind(0);
        if (d === 1) gx.reverse();
        let state = from;
        const ys = gx.map((g) => {
          state = step[this.mode](g, state, w);
          return state[0]!;
        });
        state.forEach((s, i) => last[i]!.push(s));
        if (d === 1) ys.reverse();
        return stack(ys, 0);
      });
      x = outs.length === 1 ? outs[0]! : cat(outs, -1);
      if (this.dropout > 0 && this.training && l < this.numLayers - 1) x = F.dropout(x, this.dropout, true);
    }
    const states = last.map((s) => {
      const t = stack(s, 0);
      return unbatched ? t.squeeze(1) : t;
    });
    return { output: unbatched ? x.squeeze(1) : this.batchFirst ? x.transpose(0, 1) : x, states };
  }
  override extraRepr(): string {
    return `${this.inputSize}, ${this.hiddenSize}${this.numLayers > 1 ? `, num_layers=${this.numLayers}` : ""}`;
  }
}
/**
 * Elman's network over [T, N, inputSize] ([N, T, inputSize] with `batchFirst`): h = tanh(W x + b + U h + c). Elman 1990.
 * `forward(x, h?)` gives `[output, h]`: [T, N, hiddenSize] and [numLayers · directions, N, hiddenSize].
 * @throws ShapeError, ValueError
 * @example
 * manualSeed(0);
 * new nn.RNN(1, 2).forward(ones(1, 1, 1))[0] // => [[[-0.0819, 0.81]]]
 */
export class RNN extends Recurrent {
  constructor(inputSize: number, hiddenSize: number, options?: RnnOptions);
  constructor(...args: unknown[]) {
    super("RNN", args);
  }
  forward(x: Tensor, h?: Tensor | null): [Tensor, Tensor] {
    const { output, states } = this.run(x, h ? [h] : null, 1);
    return [output, states[0]!];
  }
}
/**
 * Gated recurrent unit over [T, N, inputSize]. Cho et al. 2014, the reset gate applied after the product as in PyTorch.
 * `forward(x, h?)` gives `[output, h]`, shaped as those of `RNN`.
 * @throws ShapeError, ValueError
 * @example
 * manualSeed(0);
 * new nn.GRU(1, 2).forward(ones(1, 1, 1))[0] // => [[[-0.2192, 0.3557]]]
 */
export class GRU extends Recurrent {
  constructor(inputSize: number, hiddenSize: number, options?: RnnOptions);
  constructor(...args: unknown[]) {
    super("GRU", args);
  }
  forward(x: Tensor, h?: Tensor | null): [Tensor, Tensor] {
    const { output, states } = this.run(x, h ? [h] : null, 1);
    return [output, states[0]!];
  }
}
/**
 * Long short-term memory over [T, N, inputSize]. Hochreiter & Schmidhuber 1997; `projSize` as in Sak et al. 2014.
 * `forward(x, [h, c]?)` gives `[output, [h, c]]`, shaped as those of `RNN`.
 * @throws ShapeError, ValueError
 * @example
 * manualSeed(0);
 * new nn.LSTM(1, 2).forward(ones(1, 1, 1))[0] // => [[[-0.1436, 0.2333]]]
 */
export class LSTM extends Recurrent {
  constructor(inputSize: number, hiddenSize: number, options?: RnnOptions);
  constructor(...args: unknown[]) {
    super("LSTM", args);
  }
  forward(x: Tensor, state?: readonly [Tensor, Tensor] | null): [Tensor, [Tensor, Tensor]] {
    const { output, states } = this.run(x, state ? pairOf(this.constructor.name, state) : null, 2);
    return [output, states as [Tensor, Tensor]];
  }
}

function pairOf(op: string, state: readonly [Tensor, Tensor]): Tensor[] {
  if (!Array.isArray(state) || state.length !== 2)
    throw new ArgumentError({ op, message: `the state is ${given(state)}`, hint: "Give [h, c]" });
  return [...state];
}

abstract class Cell extends Module {
  readonly inputSize: number;
  readonly hiddenSize: number;
  weight_ih: Parameter;
  weight_hh: Parameter;
  bias_ih: Parameter | null;
  bias_hh: Parameter | null;
  protected readonly mode: keyof typeof step;
  constructor(name: "RNNCell" | "LSTMCell" | "GRUCell", args: readonly unknown[]) {
    super();
    const names = [
      "inputSize",
      "hiddenSize",
      "bias?: flag",
      ...(name === "RNNCell" ? ["nonlinearity?: tanh|relu"] : []),
      "device?",
      "dtype?",
    ];
    const o = bindNamed<{
      inputSize: number;
      hiddenSize: number;
      bias?: boolean;
      nonlinearity?: string;
      device?: string;
      dtype?: DType;
    }>(name, names, args);
    const gates = name === "LSTMCell" ? 4 : name === "GRUCell" ? 3 : 1;
    const factory = { device: o.device ?? null, dtype: o.dtype ?? null };
    this.mode = name === "LSTMCell" ? "LSTM" : name === "GRUCell" ? "GRU" : o.nonlinearity === "relu" ? "RNN_RELU" : "RNN_TANH";
    this.inputSize = o.inputSize;
    this.hiddenSize = o.hiddenSize;
    this.weight_ih = parameter([gates * o.hiddenSize, o.inputSize], factory);
    this.weight_hh = parameter([gates * o.hiddenSize, o.hiddenSize], factory);
    this.bias_ih = o.bias === false ? null : parameter([gates * o.hiddenSize], factory);
    this.bias_hh = o.bias === false ? null : parameter([gates * o.hiddenSize], factory);
    const bound = o.hiddenSize > 0 ? 1 / Math.sqrt(o.hiddenSize) : 0;
    for (const p of this.parameters()) uniform_(p, -bound, bound);
  }
  protected run(input: Tensor, given: State | null, count: number): State {
    checkStates(this.constructor.name, input, given);
    const single = input.ndim === 1;
    const x = single ? input.unsqueeze(0) : input;
    if (x.ndim !== 2 || x.shape[1] !== this.inputSize)
      throw new ShapeError({
        op: this.constructor.name,
        message: `input ${showShape(input.shape)}`,
        hint: `It is [N, ${this.inputSize}] or [${this.inputSize}]`,
      });
    const state =
      given?.map((s) => (single ? s.unsqueeze(0) : s)) ??
      Array.from({ length: count }, () => zeros([x.shape[0]!, this.hiddenSize], { dtype: x.dtype, device: x.device }));
    const out = step[this.mode](F.linear(x, this.weight_ih, this.bias_ih), state, {
      ih: this.weight_ih,
      hh: this.weight_hh,
      bih: this.bias_ih,
      bhh: this.bias_hh,
      hr: null,
    });
    return single ? out.map((s) => s.squeeze(0)) : out;
  }
}
/**
 * One step of `RNN`: forward(x [N, inputSize], h?) → h [N, hiddenSize].
 * @throws ShapeError
 * @example
 * manualSeed(0);
 * new nn.RNNCell(1, 2).forward(ones(1, 1)) // => [[-0.0819, 0.81]]
 */
export class RNNCell extends Cell {
  constructor(inputSize: number, hiddenSize: number, options?: FactoryOptions & { bias?: boolean; nonlinearity?: "tanh" | "relu" });
  constructor(...args: unknown[]) {
    super("RNNCell", args);
  }
  forward(x: Tensor, h?: Tensor | null): Tensor {
    return this.run(x, h ? [h] : null, 1)[0]!;
  }
}
/**
 * One step of `GRU`: forward(x [N, inputSize], h?) → h [N, hiddenSize].
 * @throws ShapeError
 * @example
 * manualSeed(0);
 * new nn.GRUCell(1, 2).forward(ones(1, 1)) // => [[-0.2192, 0.3557]]
 */
export class GRUCell extends Cell {
  constructor(inputSize: number, hiddenSize: number, options?: FactoryOptions & { bias?: boolean });
  constructor(...args: unknown[]) {
    super("GRUCell", args);
  }
  forward(x: Tensor, h?: Tensor | null): Tensor {
    return this.run(x, h ? [h] : null, 1)[0]!;
  }
}
/**
 * One step of `LSTM`: forward(x [N, inputSize], [h, c]?) → [h, c], [N, hiddenSize] each.
 * @throws ShapeError
 * @example
 * manualSeed(0);
 * new nn.LSTMCell(1, 2).forward(ones(1, 1))[0] // => [[-0.1436, 0.2333]]
 */
export class LSTMCell extends Cell {
  constructor(inputSize: number, hiddenSize: number, options?: FactoryOptions & { bias?: boolean });
  constructor(...args: unknown[]) {
    super("LSTMCell", args);
  }
  forward(x: Tensor, state?: readonly [Tensor, Tensor] | null): [Tensor, Tensor] {
    return this.run(x, state ? pairOf(this.constructor.name, state) : null, 2) as [Tensor, Tensor];
  }
}

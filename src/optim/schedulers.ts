// Learning-rate schedulers, torch.optim.lr_scheduler: they set `lr` of every group once on construction and at each step.
import { ArgumentError, ValueError } from "../core/errors.ts";
import { bindArgs } from "../ops/define.ts";
import type { Optimizer } from "./optimizer.ts";

type AnyOptimizer = Optimizer<never> | Optimizer;
interface Group {
  lr: number;
  initialLr?: number;
  betas?: readonly [number, number];
  momentum?: number;
}
const groupsOf = (o: AnyOptimizer): Group[] => o.paramGroups as unknown as Group[];

/** Base class of schedulers. */
export abstract class LRScheduler {
  readonly optimizer: AnyOptimizer;
  /** The rates that the groups began with. */
  baseLrs: number[];
  /** Steps taken. */
  lastEpoch: number;
  #last: number[] = [];
  protected initial = true;

  constructor(optimizer: AnyOptimizer, lastEpoch = -1) {
    if (!optimizer || !Array.isArray(optimizer.paramGroups))
      throw new ArgumentError({ op: new.target.name, message: "the first argument is no optimizer" });
    this.optimizer = optimizer;
    for (const g of groupsOf(optimizer)) {
      if (lastEpoch === -1) g.initialLr ??= g.lr;
      else if (g.initialLr === undefined)
        throw new ValueError({ op: new.target.name, message: "resuming an optimizer without initialLr", hint: "Load its state first" });
    }
    this.baseLrs = groupsOf(optimizer).map((g) => g.initialLr!);
    this.lastEpoch = lastEpoch;
  }
  /** Call at the end of a subclass's constructor: sets the first rates. */
  protected start(): void {
    this.initial = true;
    this.step();
    this.initial = false;
  }
  /** The rates for `lastEpoch`, from the current ones. */
  abstract getLr(): number[];
  /** Moves on and sets the rates. */
  step(_metric?: unknown): void {
    this.lastEpoch++;
    const lrs = this.getLr();
    groupsOf(this.optimizer).forEach((g, i) => {
      g.lr = lrs[i]!;
    });
    this.#last = groupsOf(this.optimizer).map((g) => g.lr);
  }
  /** The rates set last. */
  getLastLr(): number[] {
    return this.#last;
  }
  protected get groups(): Group[] {
    return groupsOf(this.optimizer);
  }
  /** @internal Sets the rates without moving. */
  protected remember(): void {
    this.#last = this.groups.map((g) => g.lr);
  }
  /** Plain data for a checkpoint. */
  stateDict(): Record<string, unknown> {
    const out: Record<string, unknown> = {};
    for (const [k, v] of Object.entries(this))
      if (
        k !== "optimizer" &&
        typeof v !== "function" &&
        !(Array.isArray(v) && v.some((x) => typeof x === "function" || x instanceof LRScheduler))
      )
        out[k] = v;
    out["lastLr"] = this.#last;
    return out;
  }
  loadStateDict(state: Record<string, unknown>): void {
    const { lastLr, ...rest } = state;
    Object.assign(this, rest);
    if (Array.isArray(lastLr)) this.#last = lastLr as number[];
  }
}

/** Multiplies by gamma every `stepSize` steps. */
export class StepLR extends LRScheduler {
  readonly stepSize: number;
  readonly gamma: number;
  constructor(optimizer: AnyOptimizer, stepSize: number, options?: { gamma?: number; lastEpoch?: number });
  constructor(...args: unknown[]) {
    const [o, stepSize, gamma = 0.1, last = -1] = bindArgs("StepLR", ["optimizer", "stepSize", "gamma", "lastEpoch"], args) as [
      AnyOptimizer,
      number,
      number?,
      number?,
    ];
    super(o, last);
    this.stepSize = stepSize;
    this.gamma = gamma;
    this.start();
  }
  getLr(): number[] {
    return this.groups.map((g) => (this.lastEpoch === 0 || this.lastEpoch % this.stepSize !== 0 ? g.lr : g.lr * this.gamma));
  }
}
/** Multiplies by gamma at each milestone. */
export class MultiStepLR extends LRScheduler {
  readonly milestones: readonly number[];
  readonly gamma: number;
  constructor(optimizer: AnyOptimizer, milestones: readonly number[], options?: { gamma?: number; lastEpoch?: number });
  constructor(...args: unknown[]) {
    const [o, milestones, gamma = 0.1, last = -1] = bindArgs("MultiStepLR", ["optimizer", "milestones", "gamma", "lastEpoch"], args) as [
      AnyOptimizer,
      number[],
      number?,
      number?,
    ];
    super(o, last);
    this.milestones = [...milestones].sort((a, b) => a - b);
    this.gamma = gamma;
    this.start();
  }
  getLr(): number[] {
    const hits = this.milestones.filter((m) => m === this.lastEpoch).length;
    return this.groups.map((g) => g.lr * this.gamma ** hits);
  }
}
/** Multiplies by gamma at every step. */
export class ExponentialLR extends LRScheduler {
  readonly gamma: number;
  constructor(optimizer: AnyOptimizer, gamma: number, options?: { lastEpoch?: number });
  constructor(...args: unknown[]) {
    const [o, gamma, last = -1] = bindArgs("ExponentialLR", ["optimizer", "gamma", "lastEpoch"], args) as [AnyOptimizer, number, number?];
    super(o, last);
    this.gamma = gamma;
    this.start();
  }
  getLr(): number[] {
    return this.groups.map((g) => (this.lastEpoch === 0 ? g.lr : g.lr * this.gamma));
  }
}
/** Base rate times a function of the step; one function for all groups, or one each. */
export class LambdaLR extends LRScheduler {
  readonly lambdas: ((epoch: number) => number)[];
  constructor(
    optimizer: AnyOptimizer,
    lrLambda: ((epoch: number) => number) | ((epoch: number) => number)[],
    options?: { lastEpoch?: number },
  );
  constructor(...args: unknown[]) {
    const [o, f, last = -1] = bindArgs("LambdaLR", ["optimizer", "lrLambda", "lastEpoch"], args) as [
      AnyOptimizer,
      ((e: number) => number) | ((e: number) => number)[],
      number?,
    ];
    super(o, last);
    this.lambdas = Array.isArray(f) ? f : this.groups.map(() => f);
    if (this.lambdas.length !== this.groups.length)
      throw new ValueError({ op: "LambdaLR", message: `${this.lambdas.length} functions for ${this.groups.length} groups` });
    this.start();
  }
  getLr(): number[] {
    return this.baseLrs.map((lr, i) => lr * this.lambdas[i]!(this.lastEpoch));
  }
}
/** Base rate times a factor until `totalIters`, then in full. */
export class ConstantLR extends LRScheduler {
  readonly factor: number;
  readonly totalIters: number;
  constructor(optimizer: AnyOptimizer, options?: { factor?: number; totalIters?: number; lastEpoch?: number });
  constructor(...args: unknown[]) {
    const [o, factor = 1 / 3, totalIters = 5, last = -1] = bindArgs(
      "ConstantLR",
      ["optimizer", "factor", "totalIters", "lastEpoch"],
      args,
    ) as [AnyOptimizer, number?, number?, number?];
    super(o, last);
    this.factor = factor;
    this.totalIters = totalIters;
    this.start();
  }
  getLr(): number[] {
    return this.groups.map((g) =>
      this.lastEpoch === 0 ? g.lr * this.factor : this.lastEpoch === this.totalIters ? g.lr / this.factor : g.lr,
    );
  }
}
/** From startFactor to endFactor in a straight line over `totalIters`. */
export class LinearLR extends LRScheduler {
  readonly startFactor: number;
  readonly endFactor: number;
  readonly totalIters: number;
  constructor(optimizer: AnyOptimizer, options?: { startFactor?: number; endFactor?: number; totalIters?: number; lastEpoch?: number });
  constructor(...args: unknown[]) {
    const [o, startFactor = 1 / 3, endFactor = 1, totalIters = 5, last = -1] = bindArgs(
      "LinearLR",
      ["optimizer", "startFactor", "endFactor", "totalIters", "lastEpoch"],
      args,
    ) as [AnyOptimizer, number?, number?, number?, number?];
    super(o, last);
    if (!(startFactor > 0 && startFactor <= 1))
      throw new ValueError({ op: "LinearLR", message: `startFactor is ${startFactor}`, hint: "It lies in (0, 1]" });
    if (!(endFactor >= 0 && endFactor <= 1))
      throw new ValueError({ op: "LinearLR", message: `endFactor is ${endFactor}`, hint: "It lies in [0, 1]" });
    this.startFactor = startFactor;
    this.endFactor = endFactor;
    this.totalIters = totalIters;
    this.start();
  }
  getLr(): number[] {
    const span = this.endFactor - this.startFactor;
    return this.groups.map((g) =>
      this.lastEpoch === 0
        ? g.lr * this.startFactor
        : this.lastEpoch > this.totalIters
          ? g.lr
          : g.lr * (1 + span / (this.totalIters * this.startFactor + (this.lastEpoch - 1) * span)),
    );
  }
}
/** Half a cosine from the base rate to etaMin over tMax steps. Loshchilov & Hutter 2017. */
export class CosineAnnealingLR extends LRScheduler {
  readonly tMax: number;
  readonly etaMin: number;
  constructor(optimizer: AnyOptimizer, tMax: number, options?: { etaMin?: number; lastEpoch?: number });
  constructor(...args: unknown[]) {
    const named = args.map((a) =>
      typeof a === "object" && a !== null && "TMax" in a ? { ...a, tMax: (a as { TMax: number }).TMax, TMax: undefined } : a,
    );
    const clean = named.map((a) =>
      typeof a === "object" && a !== null && Object.getPrototypeOf(a) === Object.prototype
        ? Object.fromEntries(Object.entries(a).filter(([, v]) => v !== undefined))
        : a,
    );
    const [o, tMax, etaMin = 0, last = -1] = bindArgs("CosineAnnealingLR", ["optimizer", "tMax", "etaMin", "lastEpoch"], clean) as [
      AnyOptimizer,
      number,
      number?,
      number?,
    ];
    super(o, last);
    this.tMax = tMax;
    this.etaMin = etaMin;
    this.start();
  }
  getLr(): number[] {
    const [t, n] = [this.lastEpoch, this.tMax];
    return this.groups.map((g, i) => {
      if (t === 0) return g.lr;
      if ((t - 1 - n) % (2 * n) === 0) return g.lr + ((this.baseLrs[i]! - this.etaMin) * (1 - Math.cos(Math.PI / n))) / 2;
      return ((1 + Math.cos((Math.PI * t) / n)) / (1 + Math.cos((Math.PI * (t - 1)) / n))) * (g.lr - this.etaMin) + this.etaMin;
    });
  }
}
/** Options of OneCycleLR. */
export interface OneCycleOptions {
  totalSteps?: number | null;
  epochs?: number | null;
  stepsPerEpoch?: number | null;
  pctStart?: number;
  annealStrategy?: "cos" | "linear";
  cycleMomentum?: boolean;
  baseMomentum?: number | number[];
  maxMomentum?: number | number[];
  divFactor?: number;
  finalDivFactor?: number;
  threePhase?: boolean;
  lastEpoch?: number;
}
/** Up to maxLr and down again in one cycle; momentum moves the other way. Smith & Topin 2017. */
export class OneCycleLR extends LRScheduler {
  readonly totalSteps: number;
  readonly #phases: {
    end: number;
    from: "initial" | "max" | "min";
    to: "initial" | "max" | "min";
    mFrom: "max" | "base";
    mTo: "max" | "base";
  }[];
  readonly #cos: boolean;
  readonly #rates: { initial: number; max: number; min: number }[];
  readonly #momenta: { base: number; max: number }[] | null;
  constructor(optimizer: AnyOptimizer, maxLr: number | number[], options: OneCycleOptions);
  constructor(...args: unknown[]) {
    const [
      o,
      maxLr,
      total,
      epochs,
      per,
      pct = 0.3,
      anneal = "cos",
      cycle = true,
      baseM = 0.85,
      maxM = 0.95,
      div = 25,
      finalDiv = 1e4,
      three = false,
      last = -1,
    ] = bindArgs(
      "OneCycleLR",
      [
        "optimizer",
        "maxLr",
        "totalSteps",
        "epochs",
        "stepsPerEpoch",
        "pctStart",
        "annealStrategy",
        "cycleMomentum",
        "baseMomentum",
        "maxMomentum",
        "divFactor",
        "finalDivFactor",
        "threePhase",
        "lastEpoch",
      ],
      args,
    ) as [
      AnyOptimizer,
      number | number[],
      number?,
      number?,
      number?,
      number?,
      string?,
      boolean?,
      (number | number[])?,
      (number | number[])?,
      number?,
      number?,
      boolean?,
      number?,
    ];
    super(o, last);
    const steps = total ?? (epochs !== undefined && per !== undefined ? epochs * per : undefined);
    if (steps === undefined || !(steps > 0))
      throw new ValueError({
        op: "OneCycleLR",
        message: "the number of steps is unknown",
        hint: "Give totalSteps, or epochs and stepsPerEpoch",
      });
    if (!(pct >= 0 && pct <= 1)) throw new ValueError({ op: "OneCycleLR", message: `pctStart is ${pct}`, hint: "It lies in [0, 1]" });
    if (anneal !== "cos" && anneal !== "linear")
      throw new ValueError({ op: "OneCycleLR", message: `annealStrategy is ${JSON.stringify(anneal)}`, hint: 'Use "cos" or "linear"' });
    this.totalSteps = steps;
    this.#cos = anneal === "cos";
    const at = (v: number | number[], i: number): number => (typeof v === "number" ? v : v[i]!);
    this.#phases = three
      ? [
          { end: pct * steps - 1, from: "initial", to: "max", mFrom: "max", mTo: "base" },
          { end: 2 * pct * steps - 2, from: "max", to: "initial", mFrom: "base", mTo: "max" },
          { end: steps - 1, from: "initial", to: "min", mFrom: "max", mTo: "max" },
        ]
      : [
          { end: pct * steps - 1, from: "initial", to: "max", mFrom: "max", mTo: "base" },
          { end: steps - 1, from: "max", to: "min", mFrom: "base", mTo: "max" },
        ];
    this.#rates = this.groups.map((g, i) => {
      const max = at(maxLr, i);
      const initial = max / div;
      if (last === -1) g.initialLr = initial;
      return { initial, max, min: initial / finalDiv };
    });
    this.baseLrs = this.#rates.map((r) => r.initial);
    const usesMomentum = this.groups.every((g) => g.betas !== undefined || g.momentum !== undefined);
    if (cycle && !usesMomentum)
      throw new ValueError({ op: "OneCycleLR", message: "the optimizer has no momentum to cycle", hint: "Pass { cycleMomentum: false }" });
    this.#momenta = cycle ? this.groups.map((_, i) => ({ base: at(baseM, i), max: at(maxM, i) })) : null;
    this.start();
  }
  getLr(): number[] {
    const t = this.lastEpoch;
    if (t > this.totalSteps)
      throw new ValueError({ op: "OneCycleLR", message: `step ${t} of ${this.totalSteps}`, hint: "The cycle is over" });
    const anneal = (a: number, b: number, p: number): number =>
      this.#cos ? b + ((a - b) / 2) * (1 + Math.cos(Math.PI * p)) : a + (b - a) * p;
    return this.groups.map((g, i) => {
      let start = 0;
      for (const [k, ph] of this.#phases.entries()) {
        if (t <= ph.end || k === this.#phases.length - 1) {
          const p = (t - start) / (ph.end - start);
          const r = this.#rates[i]!;
          if (this.#momenta) {
            const m = anneal(this.#momenta[i]![ph.mFrom], this.#momenta[i]![ph.mTo], p);
            if (g.betas) g.betas = [m, g.betas[1]];
            else g.momentum = m;
          }
          return anneal(r[ph.from], r[ph.to], p);
        }
        start = ph.end;
      }
      return g.lr;
    });
  }
}
/** One scheduler after another, changing at the milestones. */
export class SequentialLR extends LRScheduler {
  readonly schedulers: LRScheduler[];
  readonly milestones: readonly number[];
  constructor(optimizer: AnyOptimizer, schedulers: LRScheduler[], milestones: readonly number[], options?: { lastEpoch?: number });
  constructor(...args: unknown[]) {
    const [o, schedulers, milestones, last = -1] = bindArgs(
      "SequentialLR",
      ["optimizer", "schedulers", "milestones", "lastEpoch"],
      args,
    ) as [AnyOptimizer, LRScheduler[], number[], number?];
    super(o, last);
    if (!schedulers?.length || milestones.length !== schedulers.length - 1)
      throw new ValueError({
        op: "SequentialLR",
        message: `${schedulers?.length ?? 0} schedulers, ${milestones?.length ?? 0} milestones`,
        hint: "One milestone between each two",
      });
    this.schedulers = schedulers;
    this.milestones = milestones;
    this.lastEpoch = last + 1;
    // Every scheduler has taken its first step by being made: undo, and let the first begin.
    for (const g of this.groups) g.lr = g.initialLr!;
    for (const s of schedulers) s.lastEpoch--;
    beginAgain(schedulers[0]!);
    this.remember();
  }
  getLr(): number[] {
    return this.groups.map((g) => g.lr);
  }
  override step(): void {
    this.lastEpoch++;
    const i = this.milestones.filter((m) => m <= this.lastEpoch).length;
    const s = this.schedulers[i]!;
    if (i > 0 && this.milestones[i - 1] === this.lastEpoch) {
      s.lastEpoch = -1;
      for (const g of this.groups) g.lr = g.initialLr!;
      beginAgain(s);
    } else s.step();
    this.remember();
  }
  override stateDict(): Record<string, unknown> {
    return { ...super.stateDict(), schedulers: this.schedulers.map((s) => s.stateDict()) };
  }
  override loadStateDict(state: Record<string, unknown>): void {
    const { schedulers, ...rest } = state;
    super.loadStateDict(rest);
    (schedulers as Record<string, unknown>[]).forEach((s, i) => this.schedulers[i]!.loadStateDict(s));
  }
}
function beginAgain(s: LRScheduler): void {
  s.lastEpoch = -1;
  s.step();
}

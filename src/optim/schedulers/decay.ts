// Rates that follow a formula of the step.
import { ValueError } from "../../core/errors.ts";
import { bindArgs } from "../../core/arguments.ts";
import { type AnyOptimizer, LRScheduler, OPTIMIZER } from "./base.ts";

/**
 * Multiplies the rate by `gamma` (default 0.1) every `stepSize` steps.
 * @example
 * const optimizer = new optim.SGD([ones(1)], { lr: 0.8 });
 * const scheduler = new optim.lrScheduler.StepLR(optimizer, 2, { gamma: 0.5 });
 * scheduler.step();
 * scheduler.step();
 * scheduler.getLastLr() // => [0.4]
 */
export class StepLR extends LRScheduler {
  readonly stepSize: number;
  readonly gamma: number;
  constructor(optimizer: AnyOptimizer, stepSize: number, options?: { gamma?: number; lastEpoch?: number });
  constructor(...args: unknown[]) {
    const [o, stepSize, gamma = 0.1, last = -1] = bindArgs("StepLR", [OPTIMIZER, "stepSize: positive", "gamma?", "lastEpoch?"], args) as [
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
/**
 * Multiplies the rate by `gamma` (default 0.1) at each of the `milestones`, step numbers.
 * @example
 * const optimizer = new optim.SGD([ones(1)], { lr: 0.8 });
 * const scheduler = new optim.lrScheduler.MultiStepLR(optimizer, [1, 2], { gamma: 0.5 });
 * scheduler.step();
 * scheduler.step();
 * scheduler.getLastLr() // => [0.2]
 */
export class MultiStepLR extends LRScheduler {
  readonly milestones: readonly number[];
  readonly gamma: number;
  constructor(optimizer: AnyOptimizer, milestones: readonly number[], options?: { gamma?: number; lastEpoch?: number });
  constructor(...args: unknown[]) {
    const [o, milestones, gamma = 0.1, last = -1] = bindArgs(
      "MultiStepLR",
      [OPTIMIZER, "milestones: list", "gamma?", "lastEpoch?"],
      args,
    ) as [AnyOptimizer, number[], number?, number?];
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
/**
 * Multiplies the rate by `gamma` at every step.
 * @example
 * const optimizer = new optim.SGD([ones(1)], { lr: 0.8 });
 * const scheduler = new optim.lrScheduler.ExponentialLR(optimizer, 0.5);
 * scheduler.step();
 * scheduler.step();
 * scheduler.getLastLr() // => [0.2]
 */
export class ExponentialLR extends LRScheduler {
  readonly gamma: number;
  constructor(optimizer: AnyOptimizer, gamma: number, options?: { lastEpoch?: number });
  constructor(...args: unknown[]) {
    const [o, gamma, last = -1] = bindArgs("ExponentialLR", [OPTIMIZER, "gamma", "lastEpoch?"], args) as [AnyOptimizer, number, number?];
    super(o, last);
    this.gamma = gamma;
    this.start();
  }
  getLr(): number[] {
    return this.groups.map((g) => (this.lastEpoch === 0 ? g.lr : g.lr * this.gamma));
  }
}
/**
 * The base rate times a function of the step; one function for all groups, or one each.
 * @throws ValueError when there are not as many functions as groups
 * @example
 * const optimizer = new optim.SGD([ones(1)], { lr: 0.8 });
 * const scheduler = new optim.lrScheduler.LambdaLR(optimizer, (step) => 1 / (1 + step));
 * scheduler.step();
 * scheduler.getLastLr() // => [0.4]
 */
export class LambdaLR extends LRScheduler {
  readonly lambdas: ((epoch: number) => number)[];
  constructor(
    optimizer: AnyOptimizer,
    lrLambda: ((epoch: number) => number) | ((epoch: number) => number)[],
    options?: { lastEpoch?: number },
  );
  constructor(...args: unknown[]) {
    const [o, f, last = -1] = bindArgs("LambdaLR", [OPTIMIZER, "lrLambda: function|functions", "lastEpoch?"], args) as [
      AnyOptimizer,
      ((e: number) => number) | ((e: number) => number)[],
      number?,
    ];
    super(o, last);
    this.lambdas = Array.isArray(f) ? f : this.groups.map(() => f);
    if (this.lambdas.length !== this.groups.length)
      throw new ValueError({
        op: "LambdaLR",
        message: `${this.lambdas.length} functions for ${this.groups.length} groups`,
        hint: "Give one function, or one a group",
      });
    this.start();
  }
  getLr(): number[] {
    return this.baseLrs.map((lr, i) => lr * this.lambdas[i]!(this.lastEpoch));
  }
}
/**
 * The base rate times `factor` (default 1/3) for `totalIters` steps (default 5), then in full.
 * @example
 * const optimizer = new optim.SGD([ones(1)], { lr: 0.8 });
 * const scheduler = new optim.lrScheduler.ConstantLR(optimizer, { factor: 0.5 });
 * scheduler.step();
 * scheduler.getLastLr() // => [0.4]
 */
export class ConstantLR extends LRScheduler {
  readonly factor: number;
  readonly totalIters: number;
  constructor(optimizer: AnyOptimizer, options?: { factor?: number; totalIters?: number; lastEpoch?: number });
  constructor(...args: unknown[]) {
    const [o, factor = 1 / 3, totalIters = 5, last = -1] = bindArgs(
      "ConstantLR",
      [OPTIMIZER, "factor?", "totalIters?", "lastEpoch?"],
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
/**
 * The base rate times a factor that goes from `startFactor` to `endFactor` in a straight line over `totalIters` steps (default 5).
 * @throws ValueError for factors outside (0, 1] and [0, 1]
 * @example
 * const optimizer = new optim.SGD([ones(1)], { lr: 0.8 });
 * const scheduler = new optim.lrScheduler.LinearLR(optimizer, { startFactor: 0.5, totalIters: 2 });
 * scheduler.step();
 * scheduler.getLastLr() // => [0.6]
 */
export class LinearLR extends LRScheduler {
  readonly startFactor: number;
  readonly endFactor: number;
  readonly totalIters: number;
  constructor(optimizer: AnyOptimizer, options?: { startFactor?: number; endFactor?: number; totalIters?: number; lastEpoch?: number });
  constructor(...args: unknown[]) {
    const [o, startFactor = 1 / 3, endFactor = 1, totalIters = 5, last = -1] = bindArgs(
      "LinearLR",
      [OPTIMIZER, "startFactor?", "endFactor?", "totalIters?", "lastEpoch?"],
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
/**
 * Half a cosine from the base rate to `etaMin` over `tMax` steps. Loshchilov & Hutter 2017, without restarts.
 * @example
 * const optimizer = new optim.SGD([ones(1)], { lr: 0.8 });
 * const scheduler = new optim.lrScheduler.CosineAnnealingLR(optimizer, 4);
 * scheduler.step();
 * scheduler.step();
 * scheduler.getLastLr() // => [0.4]
 */
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
    const [o, tMax, etaMin = 0, last = -1] = bindArgs(
      "CosineAnnealingLR",
      [OPTIMIZER, "tMax: positive", "etaMin?", "lastEpoch?"],
      clean,
    ) as [AnyOptimizer, number, number?, number?];
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

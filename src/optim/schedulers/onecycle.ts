// The one-cycle policy.
import { ValueError } from "../../core/errors.ts";
import { bindArgs } from "../../core/arguments.ts";
import { type AnyOptimizer, LRScheduler, OPTIMIZER } from "./base.ts";

/** Options of OneCycleLR. */
export interface OneCycleOptions {
  /** Steps of the cycle. */
  totalSteps?: number | null;
  /** With `stepsPerEpoch`, instead of `totalSteps`. */
  epochs?: number | null;
  /** With `epochs`, instead of `totalSteps`. */
  stepsPerEpoch?: number | null;
  /** Share of the steps that climb (default 0.3). */
  pctStart?: number;
  /** Half a cosine (default) or a straight line. */
  annealStrategy?: "cos" | "linear";
  /** Move momentum (or the first beta) the other way? Default true. */
  cycleMomentum?: boolean;
  /** Its least value (default 0.85); one for all groups, or one each. */
  baseMomentum?: number | number[];
  /** Its greatest value (default 0.95); one for all groups, or one each. */
  maxMomentum?: number | number[];
  /** The first rate is maxLr over this (default 25). */
  divFactor?: number;
  /** The last rate is the first over this (default 1e4). */
  finalDivFactor?: number;
  /** Come down as long as up, then fade out? Default false: one long way down. */
  threePhase?: boolean;
  /** Step to go on from (default -1: begin). */
  lastEpoch?: number;
}
/**
 * Up to `maxLr` and down again in one cycle of `totalSteps` (or `epochs` · `stepsPerEpoch`); momentum moves the other way. Smith & Topin 2017.
 * @throws ValueError when the number of steps is unknown, or after the last of them
 * @example
 * const optimizer = new optim.SGD([ones(1)], { lr: 0.8, momentum: 0.9 });
 * const scheduler = new optim.lrScheduler.OneCycleLR(optimizer, 0.5, { totalSteps: 10 });
 * scheduler.step();
 * scheduler.getLastLr() // => [0.26]
 */
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
        OPTIMIZER,
        "maxLr: numbers",
        "totalSteps?: positive",
        "epochs?: positive",
        "stepsPerEpoch?: positive",
        "pctStart?",
        "annealStrategy?: cos|linear",
        "cycleMomentum?: flag",
        "baseMomentum?: numbers",
        "maxMomentum?: numbers",
        "divFactor?",
        "finalDivFactor?",
        "threePhase?: flag",
        "lastEpoch?",
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

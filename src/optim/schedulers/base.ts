// What a learning-rate scheduler is: it sets `lr` of every group once on construction and at each step.
import { given, need } from "../../core/arguments.ts";
import { ArgumentError, ValueError } from "../../core/errors.ts";
import type { Optimizer } from "../optimizer.ts";

/** @internal An optimizer of any options. */
export type AnyOptimizer = Optimizer<never> | Optimizer;
/** @internal The optimizer among the parameters of a scheduler; the base class looks at it. */
export const OPTIMIZER = "optimizer: any";
interface Group {
  lr: number;
  initialLr?: number;
  betas?: readonly [number, number];
  momentum?: number;
}
const groupsOf = (o: AnyOptimizer): Group[] => o.paramGroups as unknown as Group[];

/**
 * Base class of schedulers: a subclass gives `getLr`, the rates for step `lastEpoch`, and calls `start` in its constructor.
 * @throws ArgumentError when the first argument is no optimizer, ValueError when it resumes one without `initialLr`
 * @example
 * class Halving extends optim.lrScheduler.LRScheduler {
 *   constructor(optimizer) { super(optimizer); this.start(); }
 *   getLr() { return this.baseLrs.map((lr) => lr / 2 ** this.lastEpoch); }
 * }
 * const scheduler = new Halving(new optim.SGD([ones(1)], { lr: 0.8 }));
 * scheduler.step();
 * scheduler.getLastLr() // => [0.4]
 */
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
      throw new ArgumentError({
        op: new.target.name,
        message: `the optimizer is ${given(optimizer)}`,
        hint: "Pass one, as new optim.SGD(…)",
      });
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
  /** Goes on from what `stateDict` gave. */
  loadStateDict(state: Record<string, unknown>): void {
    need(`${this.constructor.name}.loadStateDict`, "state: object", state);
    const { lastLr, ...rest } = state;
    Object.assign(this, rest);
    if (Array.isArray(lastLr)) this.#last = lastLr as number[];
  }
}

// One scheduler after another.
import { ValueError } from "../../core/errors.ts";
import { bindArgs } from "../../core/arguments.ts";
import { type AnyOptimizer, LRScheduler, OPTIMIZER } from "./base.ts";

/**
 * One scheduler after another, changing at the `milestones`, step numbers.
 * @throws ValueError unless there is one milestone between each two schedulers
 * @example
 * const { ConstantLR, ExponentialLR, SequentialLR } = optim.lrScheduler;
 * const optimizer = new optim.SGD([ones(1)], { lr: 0.8 });
 * const parts = [new ConstantLR(optimizer, { factor: 0.5 }), new ExponentialLR(optimizer, 0.5)];
 * const scheduler = new SequentialLR(optimizer, parts, [1]);
 * scheduler.step();
 * scheduler.step();
 * scheduler.getLastLr() // => [0.4]
 */
export class SequentialLR extends LRScheduler {
  readonly schedulers: LRScheduler[];
  readonly milestones: readonly number[];
  constructor(optimizer: AnyOptimizer, schedulers: LRScheduler[], milestones: readonly number[], options?: { lastEpoch?: number });
  constructor(...args: unknown[]) {
    const [o, schedulers, milestones, last = -1] = bindArgs(
      "SequentialLR",
      [OPTIMIZER, "schedulers: objects", "milestones: list", "lastEpoch?"],
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

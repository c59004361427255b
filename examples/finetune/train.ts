// A training run that can be stopped at any step and goes on exactly: what `main.ts` does twice, for the base model and for its adapters.
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as torch from "firebrand";
import { io, nn, optim, type Tensor } from "firebrand";
import { type History, svgCurve } from "../gpt/curve.ts";
import { dashed, fail } from "../terminal/options.ts";
import { Progress } from "../terminal/progress.ts";
import { type Stop, turn } from "../terminal/stop.ts";

/** One run. */
export interface Run {
  /** Where checkpoints and the curve go. */
  readonly folder: string;
  /** What is saved of the model: all of it, or its adapters alone. */
  readonly model: io.ModelLike;
  readonly steps: number;
  readonly lr: number;
  readonly seed: number;
  /** Tokens of a step, for the display. */
  readonly tokens: number;
  readonly evalEvery: number;
  /** Settings that a checkpoint must share. */
  readonly fixed: Readonly<Record<string, string | number | boolean | null>>;
  readonly fresh: boolean;
  /** Adds the gradients of a step whose data is drawn with a generator; returns the loss. */
  readonly gradients: (batches: torch.Generator) => number;
  /** The loss of what is held back. */
  readonly validate: () => number;
}

/** Runs it, or what is left of it. Ends the program, saved, where the user asks for that. */
export async function train(run: Run, stop: Stop): Promise<History> {
  const named = [...run.model.namedParameters()].filter(([, p]) => p.requiresGrad);
  const parameters = named.map(([, p]) => p);
  const optimizer = new optim.AdamW(
    [
      { params: parameters.filter((p) => p.ndim >= 2), weightDecay: 0.01 },
      { params: parameters.filter((p) => p.ndim < 2), weightDecay: 0 },
    ].filter((g) => g.params.length > 0),
    { lr: run.lr, betas: [0.9, 0.99] },
  );
  const batches = new torch.Generator().manualSeed(run.seed); // of its own: the order of the data depends on nothing else
  const parts = { model: run.model, optimizer, generators: { batches } };
  const history: History = { train: [], valSteps: [], val: [] };
  const fixed = { ...run.fixed, seed: run.seed, lr: run.lr };
  const extra = { fixed, history };
  let step = 0;
  const save = async (): Promise<string> => {
    const path = await io.saveTrainingState(run.folder, { ...parts, step, extra }, { keep: 2 });
    writeFileSync(join(run.folder, "loss.svg"), svgCurve(history, "byte"));
    return path;
  };

  const found = await io.listTrainingStates(run.folder);
  if (run.fresh) for (const { path } of found) rmSync(path, { recursive: true });
  else if (found.length > 0) {
    const choice = "--fresh begins anew and removes it, another --out leaves it";
    const load = (into: io.TrainingParts) =>
      io.loadTrainingState<typeof extra>(run.folder, into).catch((e: Error) => fail(`${e.message}. ${choice}`, 1));
    const { path, extra: then } = await load({});
    const misfits = Object.entries(fixed).filter(([k, v]) => v !== (then.fixed as Readonly<Record<string, unknown>>)[k]);
    if (misfits.length > 0)
      fail(
        `${path} was made otherwise: ${misfits.map(([k, v]) => `${dashed(k)} ${v} (was ${(then.fixed as Record<string, unknown>)[k]})`).join(", ")}. ${choice}`,
      );
    ({ step } = await load(parts));
    Object.assign(history, then.history);
    console.log(`going on from ${path}`);
  }

  // Warms up over a twentieth of the steps, then falls along half a cosine to a tenth.
  const rate = (step: number): number => {
    const warm = Math.ceil(run.steps / 20);
    if (step < warm) return (run.lr * (step + 1)) / warm;
    return run.lr * (0.55 + 0.45 * Math.cos((Math.PI * (step - warm)) / (run.steps - warm)));
  };
  const progress = new Progress(step, run.steps, run.tokens, "tok");
  while (step < run.steps && !stop.requested) {
    for (const group of optimizer.paramGroups) group.lr = rate(step);
    optimizer.zeroGrad();
    const loss = run.gradients(batches);
    nn.utils.clipGradNorm_(parameters as Tensor[], 1);
    optimizer.step();
    step++;
    if (!Number.isFinite(loss)) {
      progress.end();
      fail(`the loss is ${loss} at step ${step}. Give a smaller --lr; what ${run.folder} holds is intact`, 1);
    }
    history.train.push(loss);
    const milestone = step % run.evalEvery === 0 || step === run.steps;
    if (milestone) {
      history.valSteps.push(step);
      history.val.push(run.validate());
      await save();
    }
    await turn(); // lets Ctrl-C and changes of the window in
    progress.update(step, { loss: loss.toFixed(3), val: history.val.at(-1)?.toFixed(3) ?? "–" }, milestone);
  }
  progress.end();
  if (step < run.steps) {
    console.log(`stopped at step ${step}, saved in ${await save()}: the same command goes on from there`);
    process.exit(130);
  }
  return history;
}

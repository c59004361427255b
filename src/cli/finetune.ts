// `firebrand finetune SOURCE --data FILE`: tunes a model on a text with LoRA, and writes the adapter as PEFT does.
import { ArgumentError, ValueError } from "../core/errors.ts";
import { QUANT_TYPES, type QuantType } from "../kernel/quant/types.ts";
import { type Command, parse } from "./command.ts";
import { loadModel, memoryUsed, MODEL_HELP, MODEL_OPTIONS, note, numberOption, textOf } from "./model.ts";
import { progress } from "./progress.ts";
import { count } from "./table.ts";

const usage = "finetune SOURCE --data FILE --out DIR";
const WARM_UP = 10; // steps

/** One part in ten of the text is held back; how well the model foretells it is told before and after. Ctrl-C stops and saves. */
export const finetune: Command = {
  name: "finetune",
  usage,
  summary: "tunes a model on a text with LoRA; the adapter is PEFT's format",
  help: `  --data FILE        the text
  --out DIR          where the adapter goes
  --steps N          default 200
  --batch-size N     sequences of a step (default 4)
  --block-size N     tokens of a sequence (default: the model's positions, at most 256)
  --lr X             highest learning rate (default 2e-4)
  --lora-r N         rank of the adapters (default 8); --lora-alpha X their factor over the rank (default 16)
  --quantize TYPE    freeze the model in a quantised type first, Q4_K or Q8_0, say: QLoRA
  --checkpointing    compute layers again in backward: less memory, more time
  --seed N           of all random numbers
${MODEL_HELP}`,
  async run(args, print) {
    const options = {
      ...MODEL_OPTIONS,
      data: { type: "string" },
      out: { type: "string" },
      steps: { type: "string" },
      "batch-size": { type: "string" },
      "block-size": { type: "string" },
      lr: { type: "string" },
      "lora-r": { type: "string" },
      "lora-alpha": { type: "string" },
      quantize: { type: "string" },
      checkpointing: { type: "boolean" },
      seed: { type: "string" },
    } as const;
    const { values, positionals } = parse(usage, args, options, 1);
    const source = positionals[0]!;
    const { data, out, quantize } = values;
    if (data === undefined || out === undefined)
      throw new ArgumentError({ message: "--data and --out are needed", hint: `Usage: firebrand ${usage}` });
    const text = await textOf(data, "Check --data");
    if (quantize !== undefined && !QUANT_TYPES.includes(quantize as QuantType))
      throw new ValueError({ message: `--quantize ${quantize}`, hint: `It must be one of ${QUANT_TYPES.join(", ")}` });
    const whole = (name: string, fallback: number): number => numberOption(values, name, { whole: true, min: 1 }) ?? fallback;
    const [steps, batch, rank] = [whole("steps", 200), whole("batch-size", 4), whole("lora-r", 8)];
    const highest = numberOption(values, "lr") ?? 2e-4;
    const { model: base, tokenizer, context } = await loadModel(source, values);
    const block = whole("block-size", Math.min(context, 256));
    if (block > context) throw new ValueError({ message: `--block-size ${block}`, hint: `The model has ${context} positions` });

    const torch = await import("../index.ts");
    const { accumulateGradients, getPeftModel, perplexity, quantizeModel } = await import("../finetune/index.ts");
    const ids = tokenizer.encode(text);
    const cut = Math.floor(ids.length * 0.9);
    if (cut <= block || ids.length - cut < 2)
      throw new ArgumentError({ message: `${data} has ${ids.length} tokens`, hint: "Give a longer text, or a smaller --block-size" });
    const held = torch.tensor(ids.slice(cut, cut + 16 * block), { dtype: "int64" });
    const judge = (): number => perplexity(base.eval(), held, { maxLength: block }).perplexity;

    if (quantize !== undefined) note(`${Object.keys(quantizeModel(base, quantize as QuantType)).length} layers are quantised`);
    const before = judge();
    torch.manualSeed(numberOption(values, "seed", { whole: true }) ?? 0);
    const model = getPeftModel(base, {
      r: rank,
      loraAlpha: numberOption(values, "lora-alpha") ?? 16,
      targetModules: "all-linear",
      taskType: "CAUSAL_LM",
      baseModelNameOrPath: source,
    });
    if (values.checkpointing) base.gradientCheckpointingEnable();
    const { trainable, percent } = model.trainableParameters();
    note(`${count(trainable)} parameters to train, ${percent.toFixed(2)} %; ${count(cut)} tokens of text`);

    const learned = [...model.parameters()].filter((p) => p.requiresGrad);
    const optimizer = new torch.optim.AdamW(learned, { lr: highest, weightDecay: 0 });
    let stopped = false;
    const stop = (): void => {
      stopped = true;
    };
    process.once("SIGINT", stop);
    const bar = progress("tuning", steps);
    const begun = performance.now();
    let [done, loss] = [0, Number.NaN];
    for (; done < steps && !stopped; done++) {
      // Up in a few steps, then down by a cosine.
      const part =
        done < WARM_UP ? (done + 1) / WARM_UP : 0.5 * (1 + Math.cos((Math.PI * (done - WARM_UP)) / Math.max(1, steps - WARM_UP)));
      for (const group of optimizer.paramGroups) group.lr = highest * part;
      const starts = torch.randint(0, cut - block, [batch]).toArraySync() as number[];
      const inputIds = torch.tensor(
        starts.map((s) => ids.slice(s, s + block)),
        { dtype: "int64" },
      );
      optimizer.zeroGrad();
      loss = accumulateGradients(model.train(), [{ inputIds }]);
      torch.nn.utils.clipGradNorm_(learned, 1);
      optimizer.step();
      bar.to(done + 1);
      await new Promise((next) => setImmediate(next)); // lets Ctrl-C through
    }
    bar.stop();
    process.off("SIGINT", stop);
    const rate = (done * batch * block * 1000) / (performance.now() - begun);
    await model.savePretrained(out);
    print(
      `perplexity of what was held back: ${before.toFixed(3)} before, ${judge().toFixed(3)} after ${done} steps (last loss ${loss.toFixed(3)})`,
    );
    print(`the adapter is in ${out}`);
    note(`${rate.toFixed(0)} tokens/s · ${memoryUsed()}`);
    return 0;
  },
};

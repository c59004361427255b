// `firebrand perplexity SOURCE FILE`: how well a model foretells a text, exp of the mean -log p of its tokens.
import { ArgumentError, ValueError } from "../core/errors.ts";
import { type Command, parse } from "./command.ts";
import { loadModel, memoryUsed, MODEL_HELP, MODEL_OPTIONS, note, numberOption, textOf } from "./model.ts";
import { progress } from "./progress.ts";
import { count } from "./table.ts";

const usage = "perplexity SOURCE FILE [--context N] [--stride N]";

/** Windows of `context` tokens move on by `stride`; of each, the tokens that the one before had not counted are. */
export const perplexity: Command = {
  name: "perplexity",
  usage,
  summary: "how well a model foretells a text",
  help: `  --context N        tokens of a window (default: the model's, at most 4096)
  --stride N         by how much windows move on (default: half of a window): tokens are told from N - stride before them at least
  --json             the figures as JSON
${MODEL_HELP}`,
  async run(args, print) {
    const options = {
      ...MODEL_OPTIONS,
      context: { type: "string" },
      stride: { type: "string" },
      json: { type: "boolean" },
    } as const;
    const { values, positionals } = parse(usage, args, options, 2);
    const [source, file] = positionals as [string, string];
    const text = await textOf(file, "Check the path");
    const { model, tokenizer, context } = await loadModel(source, values);
    const stride = numberOption(values, "stride", { whole: true, min: 1 }) ?? Math.max(1, Math.floor(context / 2));
    if (stride > context) throw new ValueError({ message: `--stride ${stride}`, hint: `A window has ${context} tokens` });
    const ids = tokenizer.encode(text);
    if (ids.length < 2) throw new ArgumentError({ message: `${file} has ${ids.length} tokens`, hint: "Give a longer text" });
    const { tensor } = await import("../index.ts");
    const { judge } = await import("../finetune/perplexity.ts");
    const bar = progress("reading", ids.length);
    const begun = performance.now();
    const { sum, judged, read } = judge(model, tensor(ids, { dtype: "int64" }), {
      maxLength: context,
      stride,
      onProgress: (done) => bar.to(done),
    });
    bar.stop();
    const result = Math.exp(sum / judged);
    const rate = (read * 1000) / (performance.now() - begun);
    if (values.json) print(JSON.stringify({ perplexity: result, tokens: judged, context, stride }));
    else print(`perplexity ${result.toFixed(4)} over ${count(judged)} tokens (windows of ${context}, ${stride} apart)`);
    note(`${rate.toFixed(0)} tokens/s · ${memoryUsed()}`);
    return 0;
  },
};

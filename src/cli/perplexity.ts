// `firebrand perplexity SOURCE FILE`: how well a model foretells a text, exp of the mean -log p of its tokens.
import { ArgumentError, ValueError } from "../core/errors.ts";
import { type Command, parse } from "./command.ts";
import { loadModel, memoryUsed, MODEL_HELP, MODEL_OPTIONS, note, numberOption } from "./model.ts";
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
    const fs = await import("node:fs");
    const [source, file] = positionals as [string, string];
    if (!fs.existsSync(file) || !fs.statSync(file).isFile())
      throw new ArgumentError({ message: `there is no file ${file}`, hint: "Check the path" });
    const { model, tokenizer, context } = await loadModel(source, values);
    const stride = numberOption(values, "stride", { whole: true, min: 1 }) ?? Math.max(1, Math.floor(context / 2));
    if (stride > context) throw new ValueError({ message: `--stride ${stride}`, hint: `A window has ${context} tokens` });
    const ids = tokenizer.encode(fs.readFileSync(file, "utf8"));
    if (ids.length < 2) throw new ArgumentError({ message: `${file} has ${ids.length} tokens`, hint: "Give a longer text" });
    const { noGrad, tensor } = await import("../index.ts");
    const bar = progress("reading", ids.length);
    const begun = performance.now();
    // Tokens up to `told` are accounted for; nothing tells the first.
    let [sum, counted, fed, told] = [0, 0, 0, 1];
    for (let start = 0; told < ids.length; start += stride) {
      const window = ids.slice(start, start + context);
      const known = Math.max(1, told - start);
      told = start + window.length;
      const own = window.length - known;
      if (own === 0) continue;
      const labels = window.map((id, i) => (i < known ? -100 : id));
      const { loss } = noGrad(() => model.forward(tensor([window], { dtype: "int64" }), { labels: tensor([labels], { dtype: "int64" }) }));
      sum += ((await loss!.item()) as number) * own;
      counted += own;
      fed += window.length;
      bar.to(told);
    }
    bar.stop();
    const result = Math.exp(sum / counted);
    const rate = (fed * 1000) / (performance.now() - begun);
    if (values.json) print(JSON.stringify({ perplexity: result, tokens: counted, context, stride }));
    else print(`perplexity ${result.toFixed(4)} over ${count(counted)} tokens (windows of ${context}, ${stride} apart)`);
    note(`${rate.toFixed(0)} tokens/s · ${memoryUsed()}`);
    return 0;
  },
};

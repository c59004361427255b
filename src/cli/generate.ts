// `firebrand generate SOURCE`: continues a text.
import { ArgumentError } from "../core/errors.ts";
import { type Command, parse } from "./command.ts";
import { loadModel, Meter, MODEL_HELP, MODEL_OPTIONS, note, numberOption, SAMPLING_HELP, SAMPLING_OPTIONS, samplingOf } from "./model.ts";

const usage = "generate SOURCE [--prompt TEXT]";

/** Streams the continuation to the output; figures go to the error stream. */
export const generate: Command = {
  name: "generate",
  usage,
  summary: "continue a text",
  help: `  --prompt TEXT      what to continue (default: what comes on the standard input)
  --stop TEXT        end when this comes; may be given several times
${SAMPLING_HELP} (default 256)
  --context N        tokens of prompt and answer at most (default: the model's, at most 4096)
${MODEL_HELP}
Ctrl-C ends the answer.`,
  async run(args) {
    const options = {
      ...MODEL_OPTIONS,
      ...SAMPLING_OPTIONS,
      prompt: { type: "string" },
      stop: { type: "string", multiple: true },
      context: { type: "string" },
    } as const;
    const { values, positionals } = parse(usage, args, options, 1);
    const { stop, ...plain } = values;
    const maxTokens = numberOption(plain, "max-tokens", { whole: true, min: 1 }) ?? 256;
    const prompt = values.prompt ?? (await standardInput());
    if (prompt === "") throw new ArgumentError({ message: "the prompt is empty", hint: "Pass --prompt TEXT, or pipe a text in" });
    samplingOf(plain);
    const { lm, tokenizer, context } = await loadModel(positionals[0]!, plain);
    const ids = tokenizer.encode(prompt);
    if (ids.length >= context)
      throw new ArgumentError({ message: `the prompt has ${ids.length} tokens, the context ${context}`, hint: "Shorten it" });
    const { stream } = await import("../generation/index.ts");
    const stopper = new AbortController();
    process.once("SIGINT", () => stopper.abort());
    const meter = new Meter();
    const pieces = stream(lm, ids, {
      ...samplingOf(plain, lm),
      tokenizer,
      stopStrings: stop ?? [],
      maxNewTokens: Math.min(maxTokens, context - ids.length),
      signal: stopper.signal,
    });
    for await (const { id, text } of pieces) {
      if (id !== null) meter.token();
      process.stdout.write(text);
    }
    process.stdout.write("\n");
    note(meter.summary(ids.length));
    return stopper.signal.aborted ? 130 : 0;
  },
};

/** All that is piped in, without the line break at its end; "" on a terminal. */
export async function standardInput(): Promise<string> {
  if (process.stdin.isTTY) return "";
  let text = "";
  process.stdin.setEncoding("utf8");
  for await (const part of process.stdin) text += part as string;
  return text.replace(/\r?\n$/, "");
}

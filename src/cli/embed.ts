// `firebrand embed SOURCE`: texts as vectors.
import { ArgumentError } from "../core/errors.ts";
import { type Command, parse } from "./command.ts";
import { standardInput } from "./generate.ts";
import { filesOf, loadEncoder, loadModel, memoryUsed, MODEL_HELP, MODEL_OPTIONS, note } from "./model.ts";

const usage = "embed SOURCE [--text TEXT]…";

/** Prints a line of JSON for each text: a vector of length 1, pooled as the model's folder says, else the mean of the last hidden states. */
export const embed: Command = {
  name: "embed",
  usage,
  summary: "texts as vectors, a line of JSON each",
  help: `  --text TEXT        a text; may be given several times (default: the lines of the standard input)
${MODEL_HELP}`,
  async run(args, print) {
    const options = { ...MODEL_OPTIONS, text: { type: "string", multiple: true } } as const;
    const { values, positionals } = parse(usage, args, options, 1);
    const { text: given, ...plain } = values;
    const texts = given ?? (await standardInput()).split(/\r?\n/).filter((t) => t !== "");
    if (texts.length === 0) throw new ArgumentError({ message: "no text", hint: "Pass --text TEXT, or pipe lines in" });
    const source = positionals[0]!;
    const from = await filesOf(source, plain);
    const encoder = await loadEncoder(from, plain);
    if (encoder) {
      const vectors = encoder.model.encode(texts, { normalize: true });
      for (const [i, text] of texts.entries())
        print(JSON.stringify({ text, embedding: Array.from((await vectors.select(0, i).data()) as Float32Array) }));
      return 0;
    }
    const { model, tokenizer, context } = await loadModel(from, plain);
    const { noGrad, tensor } = await import("../index.ts");
    const begun = performance.now();
    let tokens = 0;
    for (const text of texts) {
      const ids = tokenizer.encode(text);
      if (ids.length === 0 || ids.length > context)
        throw new ArgumentError({ message: `a text has ${ids.length} tokens, the context is ${context}`, hint: "Shorten it" });
      const mean = noGrad(() =>
        model
          .base(tensor([ids], { dtype: "int64" }), {})
          .lastHiddenState.to("float32")
          .mean([0, 1]),
      );
      const vector = (await mean.div(mean.norm().clamp(1e-12)).data()) as Float32Array;
      print(JSON.stringify({ text, embedding: Array.from(vector) }));
      tokens += ids.length;
    }
    note(
      `${texts.length} texts, ${tokens} tokens, ${((tokens * 1000) / (performance.now() - begun)).toFixed(0)} tokens/s · ${memoryUsed()}`,
    );
    return 0;
  },
};

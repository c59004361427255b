// `firebrand chat SOURCE`: a conversation on the terminal.
import { createInterface } from "node:readline";
import type { ChatMessage } from "../tokenizers/index.ts";
import { FirebrandError } from "../core/errors.ts";
import { type Command, parse } from "./command.ts";
import {
  loadModel,
  Meter,
  MODEL_HELP,
  MODEL_OPTIONS,
  note,
  numberOption,
  SAMPLING_HELP,
  SAMPLING_OPTIONS,
  samplingOf,
  textOf,
} from "./model.ts";

const usage = "chat SOURCE [--system TEXT]";

/** Reads a line, streams an answer, and so on. The cache of keys and values stays, so that a turn costs its new tokens only. */
export const chat: Command = {
  name: "chat",
  usage,
  summary: "talk with a model",
  help: `  --system TEXT      what the model is told first
  --chat-template F  a Jinja file instead of the model's own template
${SAMPLING_HELP}
  --context N        tokens of the whole conversation at most (default: the model's, at most 4096)
${MODEL_HELP}
/clear begins anew, /exit or Ctrl-D ends, Ctrl-C ends an answer.`,
  async run(args) {
    const options = {
      ...MODEL_OPTIONS,
      ...SAMPLING_OPTIONS,
      system: { type: "string" },
      "chat-template": { type: "string" },
      context: { type: "string" },
    } as const;
    const { values, positionals } = parse(usage, args, options, 1);
    samplingOf(values);
    const file = values["chat-template"];
    const template = file === undefined ? {} : { chatTemplate: await textOf(file, "Check --chat-template") };
    const { lm, tokenizer, context } = await loadModel(positionals[0]!, values);
    const maxTokens = numberOption(values, "max-tokens", { whole: true, min: 1 });
    const sampling = samplingOf(values, lm);
    const first: ChatMessage[] = values.system === undefined ? [] : [{ role: "system", content: values.system }];
    // A model without a template is found out now, not after the first line.
    await tokenizer.applyChatTemplate([...first, { role: "user", content: "?" }], { addGenerationPrompt: true, ...template });
    const { PrefixCache, stream } = await import("../generation/index.ts");
    const prefixCache = new PrefixCache(lm, { length: context });

    let messages = [...first];
    let answering: AbortController | null = null;
    const terminal = process.stdin.isTTY === true;
    const lines = createInterface({ input: process.stdin, output: process.stdout, terminal, prompt: terminal ? "> " : "" });
    const interrupt = (): void => {
      if (answering) answering.abort();
      else {
        note("\n/exit or Ctrl-D ends.");
        lines.prompt();
      }
    };
    // A terminal's Ctrl-C comes as a key, everyone else's as a signal.
    lines.on("SIGINT", interrupt);
    process.on("SIGINT", interrupt);

    const answer = async (content: string): Promise<void> => {
      const said: ChatMessage[] = [...messages, { role: "user", content }];
      const ids = await tokenizer.applyChatTemplate(said, { addGenerationPrompt: true, ...template });
      if (ids.length >= context)
        return note(`The conversation has ${ids.length} tokens and fills the context of ${context}: /clear begins anew.`);
      answering = new AbortController();
      const meter = new Meter();
      let text = "";
      const maxNewTokens = Math.min(maxTokens ?? context, context - ids.length);
      for await (const piece of stream(lm, ids, { ...sampling, tokenizer, prefixCache, maxNewTokens, signal: answering.signal })) {
        if (piece.id !== null) meter.token();
        text += piece.text;
        process.stdout.write(piece.text);
      }
      process.stdout.write("\n");
      note(`${meter.summary(ids.length)}${answering.signal.aborted ? " · stopped" : ""}`);
      messages = [...said, { role: "assistant", content: text }];
    };
    lines.prompt();
    for await (const line of lines) {
      if (line.trim() === "/exit") break;
      if (line.trim() === "/clear") {
        messages = [...first];
        note("A new conversation.");
      } else if (line.trim() !== "")
        try {
          await answer(line);
        } catch (e) {
          // What a template refuses is no reason to end.
          if (!(e instanceof FirebrandError)) throw e;
          note(`firebrand chat: ${e.message}`);
        } finally {
          answering = null;
        }
      lines.prompt();
    }
    lines.close();
    process.removeListener("SIGINT", interrupt);
    return 0;
  },
};

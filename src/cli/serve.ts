// `firebrand serve SOURCE`: a model behind an OpenAI-compatible HTTP server.
import { type Command, parse } from "./command.ts";
import { filesOf, loadEncoder, loadingOf, loadModel, memoryUsed, MODEL_HELP, MODEL_OPTIONS, note, numberOption, textOf } from "./model.ts";
import type { ServeOptions } from "../serve/index.ts";

const usage = "serve SOURCE [--port N]";

/** Runs until SIGINT or SIGTERM; then what runs is finished. */
export const serve: Command = {
  name: "serve",
  usage,
  summary: "an OpenAI-compatible HTTP server",
  help: `  --host H           where to listen (default 127.0.0.1: this machine only)
  --port N           default 8000; 0 for any
  --name ID          what clients call the model (default: the last part of SOURCE)
  --api-key KEY      ask for this key (default: FIREBRAND_API_KEY, else none)
  --context N        tokens of a prompt and its answer at most (default: the model's, at most 4096)
  --max-batch N      texts that are worked on at once (default 64)
  --max-queue N      texts that may wait (default 256)
  --cache-mb N       megabytes for keys and values (default 1024)
  --timeout S        seconds that a request may take (default 600)
  --chat-template F  a Jinja file instead of the model's own template
${MODEL_HELP}
A language model answers all routes, an encoder (BERT, MiniLM, …) embeddings. Routes, fields and errors: docs/serve.md.`,
  async run(args, print) {
    const text = { type: "string" } as const;
    const options = {
      ...MODEL_OPTIONS,
      host: text,
      port: text,
      name: text,
      "api-key": text,
      context: text,
      "max-batch": text,
      "max-queue": text,
      "cache-mb": text,
      timeout: text,
      "chat-template": text,
    } as const;
    const { values, positionals } = parse(usage, args, options, 1);
    const whole = (name: string, min = 1): number | undefined => numberOption(values, name, { whole: true, min });
    const template = values["chat-template"];
    const given = {
      host: values.host,
      port: whole("port", 0),
      apiKey: values["api-key"] ?? (process.env["FIREBRAND_API_KEY"] || undefined),
      maxBatch: whole("max-batch"),
      maxQueue: whole("max-queue", 0),
      cacheBytes: ((mb) => mb && mb * 2 ** 20)(whole("cache-mb")),
      timeout: numberOption(values, "timeout"),
      maxLength: whole("context"),
      chatTemplate: template && (await textOf(template, "Check --chat-template")),
    };
    const set: ServeOptions = Object.fromEntries(Object.entries(given).filter(([, v]) => v !== undefined));
    // What is wrong is told now, not when the model has been loaded.
    loadingOf(values);
    const { checkServe } = await import("../serve/options.ts");
    await checkServe(set);
    const source = positionals[0]!;
    const name =
      values.name ??
      source
        .replace(/[/\\]+$/, "")
        .split(/[/\\]/)
        .at(-1)!
        .replace(/\.gguf$/, "");
    const from = await filesOf(source, values);
    const { model, tokenizer } = (await loadEncoder(from, values)) ?? (await loadModel(from, values));
    const { serve: start } = await import("../serve/index.ts");
    const server = await start(model, tokenizer, { ...set, name });
    print(`${name} at ${server.url}/v1`);
    note(memoryUsed());
    // The first signal lets what runs finish; the second ends at once.
    await new Promise<void>((stop) => {
      for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => stop());
    });
    note("finishing what runs; once more ends at once");
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(130));
    await server.close();
    return 0;
  },
};

#!/usr/bin/env node
// The command line: `npx firebrand COMMAND …`.
import { FirebrandError } from "../core/errors.ts";
import { version } from "../core/version.ts";
import type { Command } from "./command.ts";
import { chat } from "./chat.ts";
import { convert } from "./convert.ts";
import { diff } from "./diff.ts";
import { embed } from "./embed.ts";
import { finetune } from "./finetune.ts";
import { generate } from "./generate.ts";
import { inspect } from "./inspect.ts";
import { perplexity } from "./perplexity.ts";
import { quantize } from "./quantize.ts";
import { serve } from "./serve.ts";
import { verify } from "./verify.ts";

const commands: readonly Command[] = [chat, generate, embed, perplexity, finetune, quantize, serve, inspect, convert, diff, verify];

const overview = (): string =>
  [
    "Usage: firebrand COMMAND …",
    "",
    ...commands.map((c) => `  ${c.name.padEnd(10)} ${c.summary}`),
    "",
    "`firebrand COMMAND --help` explains one; `firebrand --version` tells the version.",
  ].join("\n");

/** Runs a command line; returns the exit code. What the user did wrong is one line on the error stream and code 2. */
async function main(args: readonly string[], print: (line: string) => void, complain: (line: string) => void): Promise<number> {
  const [name, ...rest] = args;
  if (name === undefined || name === "--help" || name === "-h" || name === "help") {
    print(overview());
    return name === undefined ? 2 : 0;
  }
  if (name === "--version" || name === "-v") {
    print(version);
    return 0;
  }
  const command = commands.find((c) => c.name === name);
  if (!command) {
    complain(`firebrand: no command ${name}. There are ${commands.map((c) => c.name).join(", ")}`);
    return 2;
  }
  if (rest.includes("--help") || rest.includes("-h")) {
    print(`Usage: firebrand ${command.usage}\n\n${command.help}`);
    return 0;
  }
  try {
    return await command.run(rest, print);
  } catch (e) {
    if (!(e instanceof FirebrandError)) throw e;
    complain(`firebrand ${name}: ${e.message}`);
    return 2;
  }
}

process.stdout.on("error", (e: NodeJS.ErrnoException) => {
  if (e.code === "EPIPE") process.exit(0); // the reader of a pipe, `head` for one, has seen enough
  throw e;
});
process.exitCode = await main(
  process.argv.slice(2),
  (line) => process.stdout.write(`${line}\n`),
  (line) => process.stderr.write(`${line}\n`),
);

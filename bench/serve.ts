// Measures the server on loopback: one client and many, how alike they are served, clients that never read, and memory over many requests.
// The server is a process of its own, so that its memory and time are its own. Everything is bounded in count; it takes a few minutes.
//   npm run bench:serve -- [--clients 200] [--requests 20000]
import { fork } from "node:child_process";
import { writeFileSync } from "node:fs";
import { connect } from "node:net";
import { cpus } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import * as torch from "firebrand";
import { AutoModelForCausalLM, type CausalModel, LlamaForCausalLM, llamaConfig } from "firebrand/models";
import { serve } from "firebrand/serve";
import { tinyTokenizer } from "../test/serve/support.ts";

const root = join(fileURLToPath(import.meta.url), "..", "..", "..");
/** Models of 64 tokens: `small` has 3.3 million parameters, `tiny` a few thousand, in float64 so that batches do not change its answers. */
async function modelOf(kind: string): Promise<CausalModel> {
  torch.manualSeed(0);
  const config = { vocabSize: 64, hiddenSize: 256, intermediateSize: 768, numHiddenLayers: 4, numAttentionHeads: 8 };
  if (kind === "small") return new LlamaForCausalLM(llamaConfig({ ...config, maxPositionEmbeddings: 2048, eosTokenId: 2 }));
  const folder = join(root, "test", "models", "recorded", "llama");
  return AutoModelForCausalLM.fromPretrained(folder, { dtype: "float64", config: { max_position_embeddings: 8192 } });
}

/** A server in a process of its own. */
async function started(kind: string): Promise<{ url: string; held(): Promise<{ heap: number; tensors: number }>; stop(): Promise<void> }> {
  const child = fork(fileURLToPath(import.meta.url), ["--serve", kind], { execArgv: [...process.execArgv, "--expose-gc"] });
  const url = await new Promise<string>((done, fail) => {
    child.once("message", (m) => done(String(m)));
    child.once("exit", () => fail(new Error("the server ended")));
  });
  return {
    url,
    held: () =>
      new Promise((done) => {
        child.once("message", (m) => done(m as { heap: number; tensors: number }));
        child.send("memory");
      }),
    stop: () =>
      new Promise((done) => {
        child.once("exit", () => done());
        child.send("stop");
      }),
  };
}

interface Streamed {
  readonly text: string;
  readonly tokens: number;
  readonly first: number;
  readonly end: number;
}
const ask = (i: number, tokens: number): object => ({
  model: "bench",
  prompt: `story ${i} of the wide sea`,
  temperature: i % 2 === 0 ? 0 : 0.9,
  seed: i,
  max_tokens: tokens,
  logit_bias: { 2: -100 }, // no answer ends early
});
const post = (url: string, body: object): Promise<Response> =>
  fetch(`${url}/v1/completions`, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });

/** Reads a stream of events to its end. */
async function streamed(url: string, body: object): Promise<Streamed> {
  const begun = performance.now();
  const response = await post(url, { ...body, stream: true, stream_options: { include_usage: true } });
  let [rest, text, tokens, first] = ["", "", 0, 0];
  for await (const part of response.body!.pipeThrough(new TextDecoderStream())) {
    const events = (rest + part).split("\n\n");
    rest = events.pop()!;
    for (const e of events) {
      if (e === "data: [DONE]") continue;
      first ||= performance.now() - begun;
      const chunk = JSON.parse(e.slice(6)) as { choices: { text: string }[]; usage: { completion_tokens: number } | null; error?: unknown };
      if (chunk.error) throw new Error(e);
      text += chunk.choices[0]?.text ?? "";
      tokens += chunk.usage?.completion_tokens ?? 0;
    }
  }
  return { text, tokens, first, end: performance.now() - begun };
}
const figure = async (url: string, name: string): Promise<number> =>
  Number(new RegExp(`^${name} (.*)$`, "m").exec(await (await fetch(`${url}/metrics`)).text())?.[1]);
const middle = (xs: readonly number[]): number => [...xs].sort((a, b) => a - b)[Math.floor(xs.length / 2)]!;

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { clients: { type: "string", default: "200" }, requests: { type: "string", default: "20000" } },
  });
  const [most, requests] = [Number(values.clients), Number(values.requests)];
  const lines: string[] = [];
  const tell = (line = ""): void => {
    console.log(line);
    lines.push(line);
  };
  tell("# The server on loopback\n");
  tell(
    `\`npm run bench:serve\`: ${cpus()[0]?.model ?? "?"} with ${cpus().length} processors, Node ${process.versions.node}; clients and server share them. One run.\n`,
  );

  // 3.3 million parameters in float32: streams of 64 tokens each.
  const small = await started("small");
  await streamed(small.url, ask(0, 64));
  tell(
    "A model of 3.3 million parameters, answers of 64 tokens, streamed. The spread is the last finish time over the first: 1 is perfectly fair.\n",
  );
  const head = [
    "clients",
    "tokens/s",
    "against one",
    "first token, median ms",
    "at most ms",
    "spread of finish times",
    "tokens for each client",
  ];
  const row = (cells: readonly (string | number)[]): void =>
    tell(`| ${cells.map((c, i) => String(c).padStart(head[i]!.length)).join(" | ")} |`);
  row(head);
  row(head.map((h) => `${"-".repeat(h.length - 1)}:`));
  let alone = 0;
  for (const clients of [1, 8, 32, most]) {
    const begun = performance.now();
    const all = await Promise.all(Array.from({ length: clients }, (_, i) => streamed(small.url, ask(i, 64))));
    const seconds = (performance.now() - begun) / 1000;
    const rate = all.reduce((n, a) => n + a.tokens, 0) / seconds;
    alone ||= rate;
    const ends = all.map((a) => a.end);
    const counts = new Set(all.map((a) => a.tokens));
    const firsts = all.map((a) => a.first);
    const spread = Math.max(...ends) / Math.min(...ends);
    const figures = [
      rate.toFixed(0),
      (rate / alone).toFixed(2),
      middle(firsts).toFixed(0),
      Math.max(...firsts).toFixed(0),
      spread.toFixed(2),
    ];
    row([clients, ...figures, [...counts].join(", ")]);
  }
  await small.stop();

  const tiny = await started("tiny");
  const together = await Promise.all(Array.from({ length: most }, (_, i) => streamed(tiny.url, ask(i, 40))));
  let equal = 0;
  for (let i = 0; i < most; i++) if ((await streamed(tiny.url, ask(i, 40))).text === together[i]!.text) equal++;
  tell(
    `\n${equal} of ${most} streams that ran at once say what the same request gets alone (half greedy, half drawn with a seed; float64).`,
  );

  // Clients that send a request for some 60 MB and never read.
  const body = JSON.stringify({ ...ask(1, 8000), n: 3, logprobs: 20, stream: true });
  const sockets = Array.from({ length: 4 }, () => {
    const socket = connect(Number(new URL(tiny.url).port), "127.0.0.1");
    socket.on("error", () => {});
    socket.pause();
    socket.write(
      `POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
    );
    return socket;
  });
  const begun = performance.now();
  await new Promise((done) => setTimeout(done, 200));
  const beside = await streamed(tiny.url, ask(0, 40));
  while ((await figure(tiny.url, "firebrand_running")) > 0 && performance.now() - begun < 120_000)
    await new Promise((done) => setTimeout(done, 100));
  tell(
    `\nFour clients that never read (3 answers of 8,000 tokens with log-probabilities each): given up after ${((performance.now() - begun) / 1000).toFixed(1)} s, ` +
      `${await figure(tiny.url, "firebrand_cancelled_total")} of 12 texts cancelled, ${((await figure(tiny.url, "process_resident_memory_bytes")) / 1e6).toFixed(0)} MB; ` +
      `a client beside them ${beside.text === together[0]!.text ? "got its answer" : "got another answer"} in ${beside.end.toFixed(0)} ms.`,
  );
  for (const s of sockets) s.destroy();
  await tiny.stop();

  // 500 prompts, again and again: what the tokenizer remembers of words is no leak.
  const flat = await started("tiny");
  const marks = [0.05, 0.1, 0.25, 0.5, 0.75, 1].map((share) => Math.round(share * requests));
  const held: { heap: number; tensors: number }[] = [];
  const resident: string[] = [];
  const at = performance.now();
  for (let done = 0; done < requests; ) {
    const next = marks.find((m) => m > done)!;
    while (done < next) {
      const n = Math.min(20, next - done);
      await Promise.all(Array.from({ length: n }, async (_, k) => (await post(flat.url, ask((done + k) % 500, 4))).json()));
      done += n;
    }
    resident.push(((await figure(flat.url, "process_resident_memory_bytes")) / 1e6).toFixed(0));
    // Collected now and then only: resident memory is to be that of a server left alone.
    if (next === marks[1] || next === requests) held.push(await flat.held());
  }
  const [early, late] = [held[0]!, held.at(-1)!].map(
    ({ heap, tensors }) => `${(heap / 1e6).toFixed(1)} MB of heap and ${(tensors / 1e6).toFixed(2)} MB of tensors`,
  );
  tell(`\nRequests of 4 tokens, 20 at once, ${((performance.now() - at) / 1000).toFixed(0)} s in all:\n`);
  tell(`| requests | ${marks.map((m) => m.toLocaleString("en")).join(" | ")} |`);
  tell(`| -- |${marks.map(() => " --: |").join("")}`);
  tell(`| resident memory of the server, MB | ${resident.join(" | ")} |`);
  tell(`\nWithout garbage: ${early} after ${marks[1]!.toLocaleString("en")} requests, ${late} at the end.`);
  await flat.stop();
  writeFileSync(join(root, "bench", "SERVE.md"), `${lines.join("\n")}\n`);
}

if (process.argv[2] === "--serve") {
  const server = await serve(await modelOf(process.argv[3]!), await tinyTokenizer(), {
    port: 0,
    name: "bench",
    maxBatch: 256,
    maxQueue: 256,
    maxLength: process.argv[3] === "small" ? 2048 : 8192,
  });
  process.on("message", (what) => {
    if (what === "stop") return void server.close().then(() => process.exit());
    // What is left when all garbage is gone.
    torch.memory.emptyCache();
    globalThis.gc!();
    process.send!({ heap: process.memoryUsage().heapUsed, tensors: torch.memory.stats().live });
  });
  process.on("disconnect", () => process.exit());
  process.send!(server.url);
} else await main();

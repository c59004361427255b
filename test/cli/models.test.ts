// The commands for language models as a user runs them, on a tiny recorded model.
import assert from "node:assert/strict";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { noGrad, tensor } from "../../src/index.ts";
import { PeftModel } from "../../src/finetune/index.ts";
import { generate } from "../../src/generation/index.ts";
import { AutoModelForCausalLM, type CausalModel } from "../../src/models/index.ts";
import type { Tokenizer } from "../../src/tokenizers/index.ts";
import { tinyTokenizer, tokenizerFiles } from "../serve/support.ts";

const folder = mkdtempSync(join(tmpdir(), "firebrand-"));
after(() => rmSync(folder, { recursive: true, force: true }));
const main = join(import.meta.dirname, "../../src/cli/main.js");
const run = (args: readonly string[], input = ""): { code: number | null; out: string; err: string } => {
  const r = spawnSync(process.execPath, [main, ...args], { cwd: folder, encoding: "utf8", input });
  return { code: r.status, out: r.stdout, err: r.stderr };
};
let model: CausalModel;
let tokenizer: Tokenizer;
before(async () => {
  cpSync(join(process.cwd(), "test", "models", "recorded", "llama"), join(folder, "tiny"), { recursive: true });
  for (const [name, bytes] of Object.entries(tokenizerFiles)) writeFileSync(join(folder, "tiny", name), bytes);
  [model, tokenizer] = [await AutoModelForCausalLM.fromPretrained(join(folder, "tiny")), await tinyTokenizer()];
});
const continued = async (prompt: string, maxNewTokens: number): Promise<string> =>
  (await generate(model, tokenizer.encode(prompt), { tokenizer, maxNewTokens, eosTokenId: 2 })).texts![0]!;

test("generate: from an option and from the standard input, figures beside it", async () => {
  const want = await continued("once upon", 20);
  const first = run(["generate", "tiny", "--prompt", "once upon", "--temperature", "0", "--max-tokens", "20"]);
  assert.deepEqual([first.code, first.out], [0, `${want}\n`], first.err);
  assert.match(first.err, /tokens\/s · prompt of 9 in .* resident/);
  assert.equal(run(["generate", "tiny", "--temperature", "0", "--max-tokens", "20"], "once upon\n").out, `${want}\n`);
  const drawn = run(["generate", "tiny", "--prompt", "a", "--seed", "5", "--max-tokens", "12", "--top-p", "0.9", "--temperature", "1"]);
  const { texts } = await generate(model, tokenizer.encode("a"), {
    tokenizer,
    maxNewTokens: 12,
    doSample: true,
    seed: 5,
    topP: 0.9,
  });
  assert.equal(drawn.out, `${texts![0]}\n`);
});

test("embed: a line of JSON for each text", () => {
  const { code, out } = run(["embed", "tiny"], "once\nupon a time\n");
  assert.equal(code, 0);
  const lines = out
    .trim()
    .split("\n")
    .map((l) => JSON.parse(l) as { text: string; embedding: number[] });
  assert.deepEqual(
    lines.map((l) => l.text),
    ["once", "upon a time"],
  );
  const hidden = noGrad(() => model.base(tensor([tokenizer.encode("once")], { dtype: "int64" }), {})).lastHiddenState.mean([0, 1]);
  const want = hidden.div(hidden.norm()).toArraySync() as number[];
  want.forEach((x, i) => assert.ok(Math.abs(x - lines[0]!.embedding[i]!) < 1e-5));
});

test("embed: a model of sentences pools as its folder says", () => {
  const sentences = join(process.cwd(), "test", "models", "sentences");
  const { texts, embeddings } = JSON.parse(readFileSync(join(sentences, "expected.json"), "utf8")) as {
    texts: string[];
    embeddings: number[][];
  };
  const { code, out, err } = run(["embed", sentences, ...texts.flatMap((t) => ["--text", t])]);
  assert.equal(code, 0, err);
  const got = out
    .trim()
    .split("\n")
    .map((l) => (JSON.parse(l) as { embedding: number[] }).embedding);
  got.forEach((row, i) => row.forEach((x, d) => assert.ok(Math.abs(x - embeddings[i]![d]!) < 1e-4)));
  assert.match(run(["embed", "acme/none", "--text", "a", "--offline"]).err, /acme\/none has no config\.json in the cache/);
});

test("perplexity: every token once, told from the ones before it in its window", () => {
  const text = "the quick brown fox jumps over the lazy dog. ".repeat(4);
  writeFileSync(join(folder, "text.txt"), text);
  const ids = tokenizer.encode(text);
  for (const [context, stride] of [
    [50, 50],
    [40, 7],
  ] as const) {
    // Position by position, in float64.
    let [sum, count, told] = [0, 0, 1];
    for (let start = 0; told < ids.length; start += stride) {
      const window = ids.slice(start, start + context);
      const logp = noGrad(() =>
        model
          .forward(tensor([window], { dtype: "int64" }))
          .logits.to("float64")
          .logSoftmax(-1),
      ).toArraySync() as number[][][];
      for (let i = Math.max(1, told - start); i < window.length; i++, count++) sum -= logp[0]![i - 1]![window[i]!]!;
      told = start + window.length;
    }
    const { code, out, err } = run(["perplexity", "tiny", "text.txt", "--context", String(context), "--stride", String(stride), "--json"]);
    assert.equal(code, 0, err);
    const got = JSON.parse(out) as { perplexity: number; tokens: number };
    assert.equal(got.tokens, count);
    assert.ok(Math.abs(got.perplexity / Math.exp(sum / count) - 1) < 1e-4, `${got.perplexity}, ${Math.exp(sum / count)}`);
  }
  assert.match(run(["perplexity", "tiny", "text.txt"]).out, /^perplexity [\d.]+ over 179 tokens/);
});

test("finetune: a text is foretold better, and the adapter is PEFT's", async () => {
  writeFileSync(join(folder, "verse.txt"), "a tiny llama hums a tune and hums it once more. ".repeat(60));
  const plain = ["finetune", "tiny", "--data", "verse.txt", "--out", "adapter", "--steps", "30", "--lr", "0.02", "--block-size", "32"];
  const { code, out, err } = run(plain);
  assert.equal(code, 0, err);
  const [, before, after] = /([\d.]+) before, ([\d.]+) after 30 steps/.exec(out)!;
  assert.ok(Number(after) < 0.8 * Number(before), out);
  const base = await AutoModelForCausalLM.fromPretrained(join(folder, "tiny"));
  const tuned = await PeftModel.fromPretrained(base, join(folder, "adapter"));
  assert.ok(tuned.trainableParameters().all > base.config.vocabSize);
  assert.match(run([...plain, "--quantize", "Q8_0"]).err, /multiples of 32/);
  assert.match(run(["finetune", "tiny", "--data", "verse.txt"]).err, /--data and --out are needed/);
  assert.match(run(["finetune", "tiny", "--data", "nowhere.txt", "--out", "x"]).err, /there is no file nowhere.txt/);
  assert.match(run(["finetune", "tiny", "--data", "verse.txt", "--out", "x", "--quantize", "Q9"]).err, /--quantize Q9/);
});

test("quantize: the file alone generates what the folder does", async () => {
  const made = run(["quantize", "tiny", "tiny.gguf", "--type", "f32"]);
  assert.equal(made.code, 0, made.err);
  const again = run(["generate", "tiny.gguf", "--prompt", "once upon", "--temperature", "0", "--max-tokens", "20"]);
  assert.equal(again.out, `${await continued("once upon", 20)}\n`, again.err);
  // From a GGUF file the tokenizer goes along.
  assert.equal(run(["quantize", "tiny.gguf", "small.gguf", "--type", "Q8_0"]).code, 0);
  assert.equal(run(["generate", "small.gguf", "--prompt", "once", "--max-tokens", "3"]).code, 0);
  assert.match(run(["quantize", "tiny", "tiny.gguf"]).err, /tiny.gguf exists/);
});

/** Resolves with what a process says once it matches. */
const says = (child: ChildProcess, stream: "stdout" | "stderr", pattern: RegExp): Promise<RegExpExecArray> =>
  new Promise((done, fail) => {
    let text = "";
    child[stream]!.setEncoding("utf8").on("data", (part: string) => {
      text += part;
      const m = pattern.exec(text);
      if (m) done(m);
    });
    child.once("exit", () => fail(new Error(`ended without ${pattern}: ${text}`)));
  });
const ended = (child: ChildProcess): Promise<number | null> => new Promise((done) => child.once("exit", (code) => done(code)));

test("chat: turns follow each other; an interrupt ends the answer and not the program", async () => {
  const child = spawn(process.execPath, [main, "chat", "tiny", "--system", "be brief", "--temperature", "0", "--max-tokens", "6"], {
    cwd: folder,
  });
  const done = ended(child);
  let [out, err] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (x: string) => void (out += x));
  child.stderr.setEncoding("utf8").on("data", (x: string) => void (err += x));
  child.stdin.write("hello\n");
  await says(child, "stderr", /resident/);
  child.kill("SIGINT");
  await says(child, "stderr", /Ctrl-D ends/);
  child.stdin.write("again\n/clear\n/exit\n");
  assert.equal(await done, 0, err);
  const messages = [
    { role: "system", content: "be brief" },
    { role: "user", content: "hello" },
  ];
  const answer = async (): Promise<string> => {
    const prompt = await tokenizer.applyChatTemplate(messages, { addGenerationPrompt: true });
    return (await generate(model, prompt, { tokenizer, maxNewTokens: 6, eosTokenId: 2 })).texts![0]!;
  };
  const first = await answer();
  messages.push({ role: "assistant", content: first }, { role: "user", content: "again" });
  assert.equal(out, `${first}\n${await answer()}\n`);

  const long = spawn(process.execPath, [main, "chat", "tiny", "--seed", "3"], { cwd: folder });
  const over = ended(long);
  long.stdin.write("hello\n");
  await says(long, "stdout", /./s);
  long.kill("SIGINT");
  await says(long, "stderr", /resident/);
  long.stdin.end();
  assert.equal(await over, 0);
});

test("serve: answers, and ends when it is told to", async () => {
  const child = spawn(process.execPath, [main, "serve", "tiny", "--port", "0", "--context", "100"], { cwd: folder });
  const done = ended(child);
  const [, url] = await says(child, "stdout", /^tiny at (\S+)/);
  const { data } = (await (await fetch(`${url}/models`)).json()) as { data: { id: string }[] };
  assert.equal(data[0]!.id, "tiny");
  child.kill("SIGTERM");
  assert.equal(await done, 0);
});

test("serve: a model of sentences answers with embeddings", async () => {
  const sentences = join(process.cwd(), "test", "models", "sentences");
  const child = spawn(process.execPath, [main, "serve", sentences, "--port", "0", "--name", "tiny"], { cwd: folder });
  const done = ended(child);
  const [, url] = await says(child, "stdout", /^tiny at (\S+)/);
  const body = JSON.stringify({ model: "tiny", input: "a" });
  const response = await fetch(`${url}/embeddings`, { method: "POST", headers: { "content-type": "application/json" }, body });
  const { data } = (await response.json()) as { data: { embedding: number[] }[] };
  assert.ok(Math.abs(Math.hypot(...data[0]!.embedding) - 1) < 1e-5);
  child.kill("SIGTERM");
  assert.equal(await done, 0);
});

test("what the user does wrong is one line and code 2", () => {
  for (const [args, pattern] of [
    [["generate", "nowhere/at/all", "--prompt", "x"], /nowhere/],
    [["generate", "tiny", "--prompt", "x", "--temperature", "hot"], /--temperature hot/],
    [["generate", "tiny"], /prompt is empty/],
    [["generate", "tiny", "--prompt", "x", "--context", "999999"], /positions/],
    [["perplexity", "tiny", "no.txt"], /no\.txt/],
    [["embed", "tiny"], /no text/],
    [["quantize", "tiny", "out.bin"], /\.gguf/],
    [["chat"], /0 files given/],
    [["chat", "nowhere", "--chat-template", "no.jinja"], /no\.jinja/],
    // The options of a server are looked at before its model.
    [["serve", "nowhere", "--port", "70000"], /port is 70000/],
    [["serve", "nowhere", "--port", "eighty"], /--port eighty/],
    [["serve", "nowhere", "--host", "256.0.0.1"], /cannot listen on 256\.0\.0\.1:8000/],
    [["serve", "nowhere", "--port", "0", "--timeout", "0"], /timeout is 0/],
    [["serve", "nowhere", "--port", "0", "--chat-template", "no.jinja"], /no\.jinja/],
    [["serve", "nowhere", "--port", "0", "--context", "0"], /--context 0/],
    [["serve", "nowhere", "--port", "0", "--dtype", "float7"], /--dtype float7/],
    [["serve", "nowhere/at/all", "--port", "0"], /nowhere/],
  ] as const) {
    const { code, err } = run(args);
    assert.equal(code, 2, `${args.join(" ")}: ${err}`);
    assert.match(err, pattern);
    assert.equal(err.trim().split("\n").length, 1, err);
  }
  assert.match(run(["chat", "--help"]).out, /\/clear begins anew/);
});

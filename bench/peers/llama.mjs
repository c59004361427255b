// llama.cpp's side of bench/llm.ts, through node-llama-cpp: PEERS FILE THREADS PROMPT NEW.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const [peers, file, threads, prompt, fresh] = process.argv.slice(2);
const require = createRequire(join(peers, "package.json"));
const { getLlama } = await import(pathToFileURL(require.resolve("node-llama-cpp")));
const llama = await getLlama({ gpu: false, build: "never", maxThreads: Number(threads), logLevel: "error" });
const model = await llama.loadModel({ modelPath: file });
const context = await model.createContext({ contextSize: 512, batchSize: 512, threads: Number(threads) });
const sequence = context.getSequence();
const ids = Array.from({ length: Number(prompt) }, () => 300 + Math.floor(Math.random() * 31000));
let best = { prefill: Infinity, decode: Infinity };
for (let round = 0; round < 3; round++) {
  await sequence.clearHistory();
  const start = performance.now();
  await sequence.evaluateWithoutGeneratingNewTokens(ids);
  const read = performance.now();
  let count = 0;
  for await (const _ of sequence.evaluate([400], { temperature: 0, yieldEogToken: true })) if (++count >= Number(fresh)) break;
  best = {
    prefill: Math.min(best.prefill, (read - start) / 1000),
    decode: Math.min(best.decode, (performance.now() - read) / 1000 / count),
  };
}
const rss = Number(/VmHWM:\s+(\d+)/.exec(readFileSync("/proc/self/status", "utf8"))[1]) * 1024;
console.log(JSON.stringify({ ...best, rss }));
process.exit(0);

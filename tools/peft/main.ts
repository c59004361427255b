// Trains the same adapters here and with PEFT: same seed, same batches, dropout too. Compares the losses, and has each side compute with the adapter files
// that the other wrote. PYTHON names an interpreter with peft and transformers; without one the comparison is skipped with a reason.
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as torch from "firebrand";
import { io, optim, type Tensor } from "firebrand";
import { getPeftModel, PeftModel } from "firebrand/finetune";
import { LlamaForCausalLM } from "firebrand/models";
import { readText } from "../../examples/gpt/text.ts";

const python = process.env["PYTHON"] ?? "python3";
if (spawnSync(python, ["-c", "import peft, transformers"]).status !== 0) {
  console.log(`skipped: ${python} has no peft and transformers (set PYTHON)`);
  process.exit(0);
}
const folder = mkdtempSync(join(tmpdir(), "firebrand-peft-"));
process.on("exit", () => rmSync(folder, { recursive: true }));
const job = { seed: 7, r: 8, alpha: 16, dropout: 0.1, lr: 3e-3, steps: Number(process.argv[2] ?? 100), batch: 8, length: 64 };
const data = [...new TextEncoder().encode(readText(null, 1000).text.slice(0, 100_000))].map((b) => b % 128);
const ids = torch.tensor([data.slice(0, 32), data.slice(500, 532)]);

torch.manualSeed(0);
const base = new LlamaForCausalLM({ vocabSize: 128, hiddenSize: 64, intermediateSize: 160, numHiddenLayers: 2, numAttentionHeads: 4, numKeyValueHeads: 2 });
await base.savePretrained(join(folder, "base"));
const fresh = (): Promise<LlamaForCausalLM> => LlamaForCausalLM.fromPretrained(join(folder, "base"));
const logits = (m: { forward(ids: Tensor): { logits: Tensor } }): Tensor => torch.noGrad(() => m.forward(ids).logits);

torch.manualSeed(job.seed);
const model = getPeftModel(await fresh(), { r: job.r, loraAlpha: job.alpha, loraDropout: job.dropout, targetModules: "all-linear" }).train();
const optimizer = new optim.AdamW([...model.parameters()].filter((p) => p.requiresGrad), { lr: job.lr });
const order = new torch.Generator().manualSeed(job.seed);
const losses: number[] = [];
for (let i = 0; i < job.steps; i++) {
  const starts = torch.randint(0, data.length - job.length + 1, [job.batch], { generator: order }).toArraySync() as number[];
  const x = torch.tensor(starts.map((s) => data.slice(s, s + job.length)));
  const loss = model.forward(x, { labels: x }).loss!;
  optimizer.zeroGrad();
  loss.backward();
  optimizer.step();
  losses.push(loss.itemSync());
}
await model.eval().savePretrained(join(folder, "ours"));
await model.savePretrained(join(folder, "ours-bin"), { safeSerialization: false });

writeFileSync(join(folder, "job.json"), JSON.stringify({ ...job, data, ids: ids.toArraySync() }));
const side = spawnSync(python, [join(import.meta.dirname, "../../../tools/peft/peft_side.py"), folder], { encoding: "utf8" });
if (side.status !== 0) throw new Error(side.stderr);
console.log(side.stdout.trim());
const theirs = await io.loadSafetensors(join(folder, "out.safetensors"));

let failed = false;
function compare(what: string, got: Tensor, want: Tensor, allowed: number): void {
  const d = got.sub(want).abs().max().itemSync() as number;
  failed ||= !(d <= allowed);
  console.log(`${what}: differs by ${d.toExponential(1)} (allowed ${allowed}): ${d <= allowed ? "equal" : "NOT EQUAL"}`);
}
const curve = theirs["losses"]!.toArraySync() as number[];
losses.forEach((x, i) => {
  if (i % 20 === 0 || i === losses.length - 1) console.log(`step ${String(i + 1).padStart(4)}  ${x.toFixed(6)}  ${curve[i]!.toFixed(6)}`);
});
compare("losses", torch.tensor(losses), theirs["losses"]!, 1e-2);
for (const name of ["ours", "ours.merged", "ours-bin", "ours-bin.merged"]) compare(`PEFT with our adapter, ${name}`, theirs[name]!, logits(model), 1e-4);
compare("PEFT's adapter here", logits(await PeftModel.fromPretrained(await fresh(), join(folder, "theirs"))), theirs["theirs"]!, 1e-4);
process.exit(failed ? 1 : 0);

// transformers -> Firebrand -> transformers: every recorded model is loaded, saved and read back by transformers, which compares all weights and what
// it computes with them. PYTHON names an interpreter with transformers; without one the comparison is skipped with a reason.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import "firebrand";
import {
  type AutoClass,
  AutoModel,
  AutoModelForCausalLM,
  AutoModelForMaskedLM,
  AutoModelForQuestionAnswering,
  AutoModelForSeq2SeqLM,
  AutoModelForSequenceClassification,
  AutoModelForTokenClassification,
  type PreTrainedModel,
} from "firebrand/models";

const here = join(import.meta.dirname, "../../../tools/roundtrip");
const recorded = join(here, "../../test/models");
const python = process.env["PYTHON"] ?? "python3";
const CLASSES: Readonly<Record<string, Readonly<Record<string, AutoClass<PreTrainedModel>>>>> = {
  recorded: { AutoModelForCausalLM },
  encoders: {
    AutoModel,
    AutoModelForMaskedLM,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    AutoModelForQuestionAnswering,
  },
  seq2seq: { AutoModelForSeq2SeqLM },
};

if (spawnSync(python, ["-c", "import transformers"]).status !== 0) {
  console.log(`skipped: ${python} has no transformers (set PYTHON)`);
  process.exit(0);
}
const folder = mkdtempSync(join(tmpdir(), "firebrand-models-"));
const pairs: [kind: string, from: string, to: string][] = [];
for (const [group, classes] of Object.entries(CLASSES))
  for (const name of readdirSync(join(recorded, group)).filter((n) => !n.endsWith(".md")))
    for (const [kind, auto] of Object.entries(classes)) {
      const [from, to] = [join(recorded, group, name), join(folder, `${name} ${kind}`)];
      const model = await auto.fromPretrained(from);
      await model.savePretrained(to, { maxShardSize: 20000 });
      pairs.push([kind, from, to]);
    }
const out = spawnSync(python, ["-W", "ignore", join(here, "models_side.py")], { input: JSON.stringify(pairs), encoding: "utf8" });
rmSync(folder, { recursive: true });
if (out.status !== 0) throw new Error(out.stderr);
const { version, results } = JSON.parse(out.stdout.trim().split("\n").at(-1)!) as { version: string; results: string[] };
results.forEach((r, i) => console.log(`${r === "" ? "same" : "DIFFERS"}  ${pairs[i]![2].split("/").at(-1)}  ${r}`));
console.log(`transformers ${version}: ${results.filter((r) => r === "").length} of ${results.length} models read back the same`);
process.exit(results.every((r) => r === "") ? 0 : 1);

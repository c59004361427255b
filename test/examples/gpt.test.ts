// The main job, tiny, end to end: its options, what it writes, and that a run in parts equals one in a piece.
import assert from "node:assert/strict";
import type { ChildProcess } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import * as torch from "../../src/index.ts";
import { type Outcome, root, run, temporaryFolder } from "./run.ts";

const folder = temporaryFolder();
const data = join(folder, "text.txt");
const sources = join(root, "examples", "gpt");
writeFileSync(
  data,
  readdirSync(sources)
    .map((f) => readFileSync(join(sources, f), "utf8"))
    .join("\n"),
);
// Dropout draws from the default generator, the batches from one of their own: both must go on where they were.
const sizes = ["--layers", "1", "--heads", "2", "--embd", "16", "--block-size", "16", "--batch-size", "4", "--dropout", "0.1"];
const STEPS = 300;
const gpt = (out: string, more: readonly string[], watch?: (out: string, child: ChildProcess) => void): Promise<Outcome> =>
  run("gpt", ["--data", data, "--out", join(folder, out), "--eval-every", "20", ...sizes, ...more], watch);
const train = ["--steps", String(STEPS), "--sample", "0"];
interface Extra {
  history: { train: number[]; valSteps: number[]; val: number[] };
}
/** The folders of the checkpoints of a run, the newest last. */
const checkpoints = (out: string): string[] =>
  readdirSync(join(folder, out))
    .filter((f) => f.startsWith("step-"))
    .sort()
    .map((f) => join(folder, out, f));
/** The newest checkpoint of a run, its tensors as bytes: equal states are equal to the last bit. */
async function state(out: string): Promise<{ step: number; extra: Extra; values: unknown; tensors: Buffer }> {
  const path = checkpoints(out).at(-1)!;
  const { step, extra } = await torch.io.loadTrainingState<Extra>(path, {});
  const { values } = JSON.parse(readFileSync(join(path, "state.json"), "utf8")) as { values: unknown };
  return { step, extra, values, tensors: readFileSync(join(path, "rank-0.safetensors")) };
}
const whole = gpt("whole", train);

test("a run writes its figures, a curve, a checkpoint and a sample", async () => {
  const { code, out, err } = await whole;
  assert.deepEqual([code, err], [0, ""]);
  assert.match(out, /20\/300 \| loss \d\.\d{3} \| val \d\.\d{3} \| \d\d:\d\d left \| [\d,]+ tok\/s \| \d+ MB\n/);
  assert.match(out, /┤/);
  const { step, extra } = await state("whole");
  const { history } = extra;
  assert.equal(step, STEPS);
  assert.equal(history.train.length, STEPS);
  assert.deepEqual(
    history.valSteps,
    Array.from({ length: STEPS / 20 }, (_, i) => 20 * (i + 1)),
  );
  assert.ok(history.val.at(-1)! < history.val[0]! - 0.3, `validation loss fell from ${history.val[0]} to ${history.val.at(-1)} only`);
  const svg = readFileSync(join(folder, "whole", "loss.svg"), "utf8");
  assert.equal(svg.match(/<circle/g)?.length, STEPS / 20);
  assert.doesNotMatch(svg, /NaN|undefined|Infinity/);
});
test("a finished run only writes a sample, the same each time", async () => {
  await whole;
  const sample = ["--steps", String(STEPS), "--sample", "40", "--prompt", "const "];
  const [first, second] = [await gpt("whole", sample), await gpt("whole", sample)];
  assert.match(first.out, /all steps are done/);
  const text = readFileSync(join(folder, "whole", "sample.txt"), "utf8");
  assert.ok(text.startsWith("const "));
  assert.equal([...text].length, 46);
  assert.ok(first.out.includes(text) && second.out.includes(text));
});
for (const [signal, code] of [
  ["SIGINT", 130],
  ["SIGTERM", 130],
  ["SIGKILL", null],
] as const) {
  test(`ended by ${signal} and run again, it gives the losses and weights of a run in a piece`, async () => {
    const name = `parts-${signal}`;
    let sent = false;
    const first = await gpt(name, train, (out, child) => {
      if (!sent && out.includes("\n40/300")) sent = child.kill(signal);
    });
    assert.equal(first.code, code, first.err);
    if (code !== null) assert.match(first.out, /stopped at step \d+, saved in /);
    const { step } = await state(name);
    assert.ok(step >= 40 && step < STEPS, `the first part ended at step ${step}`);
    const second = await gpt(name, train);
    assert.deepEqual([second.code, second.err], [0, ""]);
    assert.match(second.out, new RegExp(`going on from .*step-0*${step}\\n`));
    await whole;
    assert.deepEqual(await state(name), await state("whole"));
    assert.deepEqual(readdirSync(join(folder, name)).sort(), ["loss.svg", "step-00000280", "step-00000300"]);
  });
}
test("a reader that goes away ends it in good order", async () => {
  const { code, err } = await gpt("pipe", train, (_, child) => child.stdout!.destroy());
  assert.deepEqual([code, err], [130, ""]);
  assert.ok((await state("pipe")).step < STEPS);
});
test("a checkpoint of other settings: what may change is told, what may not is refused, and the file stays", async () => {
  await gpt("other", ["--steps", "20", "--sample", "0"]);
  const before = await state("other");
  const refused: [string[], RegExp][] = [
    [["--seed", "2"], /--seed 2 \(was 1337\)/],
    [["--embd", "32", "--layers", "2"], /--layers 2 \(was 1\), --embd 32 \(was 16\)/],
    [["--data", join(sources, "main.ts")], /another text/],
  ];
  for (const [args, message] of refused) {
    const { code, err } = await gpt("other", [...train, ...args]);
    assert.equal(code, 2);
    assert.match(err, message);
    assert.match(err, /--fresh begins anew/);
  }
  assert.deepEqual(await state("other"), before);
  const changed = await gpt("other", ["--steps", "40", "--lr", "0.001", "--sample", "0"]);
  assert.equal(changed.code, 0);
  assert.match(changed.out, /going on from .*step-00000020, now with --steps 40 \(was 20\), --lr 0.001 \(was /);
  truncateSync(join(checkpoints("other").at(-1)!, "rank-0.safetensors"), 1000);
  const damaged = await gpt("other", train);
  assert.equal(damaged.code, 1);
  assert.match(damaged.err, /^error: .*step-00000040.*--fresh begins anew.*\n$/);
  assert.equal((await gpt("other", ["--steps", "20", "--sample", "0", "--fresh"])).code, 0);
  assert.equal((await state("other")).step, 20);
});
test("--help names every option and its default", async () => {
  const { code, out, err } = await run("gpt", ["--help"]);
  assert.deepEqual([code, err], [0, ""]);
  const names = ["data", "out", "steps", "resume", "fresh", "seed", "device", "layers", "heads", "embd", "block-size", "batch-size"];
  for (const name of [...names, "dropout", "lr", "eval-every", "prompt", "sample", "help"])
    assert.match(out, new RegExp(`^  --${name} .*\\S$`, "m"));
  assert.match(out, /--seed N .*\(default: 1337\)/);
});
test("bad calls give one line and a code, and train nothing", async () => {
  const file = (name: string, content: string | Uint8Array): string => {
    writeFileSync(join(folder, name), content);
    return join(folder, name);
  };
  mkdirSync(join(folder, "none"));
  const cases: [string[], RegExp][] = [
    [["--steps", "0"], /--steps is "0", needed a whole number of at least 1/],
    [["--steps", "-1"], /--steps is "-1"/],
    [["--steps", "abc"], /--steps is "abc"/],
    [["--steps", ""], /--steps is ""/],
    [["--steps"], /--steps needs a value: --steps N/],
    [["--dropout", "2"], /--dropout is "2", needed a number from 0 to 1/],
    [["--lr", "fast"], /--lr is "fast", needed a number of at least 0/],
    [["--stepz", "3"], /no option --stepz/],
    [["3"], /unexpected argument "3"/],
    [["--fresh=1"], /--fresh takes no value/],
    [["--fresh", "--resume"], /give one of them/],
    [["--resume"], /--resume: there is no checkpoint in/],
    [["--heads", "3"], /--embd 16 is not divisible by --heads 3/],
    [["--device", "nowhere"], /--device nowhere cannot be used.*Known devices/],
    [["--device", "meta"], /--device meta cannot be used/],
    [["--prompt", "≈"], /--prompt holds "≈", which is not in the text/],
    [["--out", data], /nothing can be written in --out/],
    [["--data", join(folder, "missing.txt")], /missing\.txt cannot be read/],
    [["--data", folder], /it is a folder/],
    [["--data", file("empty.txt", "")], /has 0 characters, needed at least 340/],
    [["--data", file("short.txt", "a short text")], /has 12 characters, needed at least 340/],
    [["--data", file("zeros", new Uint8Array(5000))], /it is not UTF-8 text/],
    [["--data", file("latin1.txt", Buffer.from("né ".repeat(500), "latin1"))], /it is not UTF-8 text/],
  ];
  for (const [args, message] of cases) {
    const { code, out, err } = await gpt("none", args);
    assert.ok(code === 1 || code === 2, `${args.join(" ")}: code ${code}`);
    assert.match(err, message);
    assert.match(err, /^error: [^\n]+\n$/);
    assert.equal(out, "");
  }
  assert.deepEqual(readdirSync(join(folder, "none")), []);
});

// The package as users get it: the bundle, not the modules that the other tests import.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

const root = join(import.meta.dirname, "..", "..", "..");
const { exports } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { exports: Record<string, { default: string }> };
/** Runs a module in a process of its own that resolves `firebrand` as a user's would. */
const run = (code: string): unknown =>
  JSON.parse(
    execFileSync(process.execPath, ["--input-type=module", "-e", code], {
      cwd: root,
      encoding: "utf8",
      env: { ...process.env, NODE_OPTIONS: "" },
    }),
  );

test("every subpath is there, and all of them share one core", () => {
  const paths = Object.keys(exports).map((p) => `firebrand${p.slice(1)}`);
  const code = `
    import * as torch from "firebrand";
    const out = {};
    for (const path of ${JSON.stringify(paths)}) {
      const module = await import(path);
      const inner = path === "firebrand" ? module : torch[path.split("/")[1]];
      out[path] = Object.keys(module).length > 0 && Object.entries(module).every(([name, value]) => inner === undefined || inner[name] === value);
    }
    console.log(JSON.stringify(out));`;
  assert.deepEqual(run(code), Object.fromEntries(paths.map((p) => [p, true])));
});
test("the bundle finds its kernels and trains", () => {
  const code = `
    import { manualSeed, randn } from "firebrand";
    import { Linear } from "firebrand/nn";
    import { SGD } from "firebrand/optim";
    manualSeed(0);
    const model = new Linear(3, 1);
    const optimizer = new SGD(model.parameters(), { lr: 0.1 });
    const x = randn(8, 3);
    const losses = [];
    for (let i = 0; i < 3; i++) {
      optimizer.zeroGrad();
      const loss = model.forward(x).square().mean();
      loss.backward();
      optimizer.step();
      losses.push(loss.itemSync());
    }
    console.log(JSON.stringify(losses));`;
  const losses = run(code) as number[];
  assert.ok(losses[0]! > losses[1]! && losses[1]! > losses[2]!, String(losses));
});
test("a subpath works without the front door", () => {
  const alone: Record<string, string> = {
    nn: "m => new m.Linear(2, 1).forward(new m.Linear(1, 2).weight.t()).shape",
    io: "async m => (await m.loadSafetensors(m.safetensorsBytes({}))) && [1, 1]",
    models: `async m => {
      const model = await m.AutoModelForCausalLM.fromPretrained("test/models/recorded/llama");
      return (await model.generate([[5, 6]], { maxNewTokens: 3, eosTokenId: null })).sequences.shape.with(1, 1);
    }`,
    tokenizers: `async m => {
      const t = await m.AutoTokenizer.fromPretrained(m.memoryFiles({ "vocab.txt": new TextEncoder().encode("[UNK]\\nhello\\n") }));
      return t.call(["hello"], { addSpecialTokens: false }).inputIds.shape;
    }`,
  };
  for (const [path, use] of Object.entries(alone))
    assert.deepEqual(run(`import * as m from "firebrand/${path}"; console.log(JSON.stringify(await (${use})(m)));`), [1, 1], path);
});

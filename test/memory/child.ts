// Work that needs a process of its own: resident memory is a figure of the process, and a crash must not end the tests.
// Run as `node child.js <scenario>`; prints one line of JSON.
import { readFileSync } from "node:fs";
import * as torch from "../../src/index.ts";
import { memory, nn, optim, type Tensor } from "../../src/index.ts";

const MB = 1 << 20;
const N = 2 * MB; // 8 MB of float32
/** Resident megabytes; the most so far where the system tells, else now. */
const resident = (field: "VmRSS" | "VmHWM"): number => {
  try {
    return Number(new RegExp(`${field}:\\s+(\\d+)`).exec(readFileSync("/proc/self/status", "utf8"))![1]) / 1024;
  } catch {
    return process.memoryUsage().rss / MB;
  }
};
const device = process.argv[3] ?? "cpu";
const caught = (f: () => unknown): { name: string; message: string } | null => {
  try {
    f();
    return null;
  } catch (e) {
    return { name: (e as Error).name, message: (e as Error).message };
  }
};

/** A GPT-like step: embeddings, attention, MLP, cross-entropy, AdamW. */
function trainer(embd: number, batch: number, length: number): () => number {
  const [V, H] = [65, 4];
  const wte = new nn.Embedding(V, embd, { device });
  const blocks = Array.from({ length: 3 }, () => ({
    ln: new nn.LayerNorm(embd, { device }),
    qkv: new nn.Linear(embd, 3 * embd, { device }),
    fc: new nn.Linear(embd, 4 * embd, { device }),
    out: new nn.Linear(4 * embd, embd, { device }),
  }));
  const head = new nn.Linear(embd, V, { device });
  const parameters = [wte, head, ...blocks.flatMap((b) => Object.values(b))].flatMap((m) => [...m.parameters()]);
  const optimizer = new optim.AdamW(parameters, { lr: 1e-3 });
  const heads = (t: Tensor): Tensor => t.view([batch, length, H, embd / H]).transpose(1, 2);
  return () => {
    const ids = torch.randint(0, V, [batch, length], { device });
    let x = wte.forward(ids);
    for (const b of blocks) {
      const [q, k, v] = b.qkv.forward(b.ln.forward(x)).split(embd, 2).map(heads) as [Tensor, Tensor, Tensor];
      const y = nn.functional.scaledDotProductAttention(q, k, v, { isCausal: true });
      x = x.add(y.transpose(1, 2).reshape([batch, length, embd]));
      x = x.add(b.out.forward(nn.functional.gelu(b.fc.forward(x))));
    }
    const loss = nn.functional.crossEntropy(head.forward(x).view([-1, V]), ids.view([-1]));
    optimizer.zeroGrad();
    loss.backward();
    nn.utils.clipGradNorm_(parameters, 1);
    optimizer.step();
    return loss.itemSync<number>();
  };
}
/** Resident megabytes after each of `marks` steps of one synchronous loop. */
function watch(step: () => unknown, marks: readonly number[]): number[] {
  const out: number[] = [];
  for (let i = 1; i <= marks.at(-1)!; i++) {
    step();
    if (i === marks[out.length]) out.push(resident("VmRSS"));
  }
  return out;
}

const SCENARIOS: Record<string, () => object> = {
  small: () => ({ marks: watch(trainer(16, 2, 8), [600, 2400]) }),
  // Activations of 60 MB a step: what piles up shows within a few steps.
  large: () => ({ marks: watch(trainer(128, 8, 128), [10, 40]) }),
  chain: () => ({
    marks: watch(() => {
      let x = torch.zeros(N, { device });
      for (let i = 0; i < 64; i++) x = x.add(1);
      if (x.index(N - 1).itemSync() !== 64) throw new Error("wrong");
    }, [2, 12]),
  }),
  held: () => ({
    marks: watch(() => {
      const all = [torch.zeros(N, { device })];
      for (let i = 0; i < 64; i++) all.push(all[i]!.add(1));
      all.forEach((x, i) => {
        if (x.index(N - 1).itemSync() !== i) throw new Error("wrong");
      });
    }, [2, 8]),
  }),
  graph: () => {
    const w = torch.ones(1, { device }).requiresGrad_();
    return {
      marks: watch(() => {
        let x = torch.ones(N, { device });
        for (let i = 0; i < 64; i++) x = x.mul(w);
        x.mean().backward();
        if (Math.abs(w.grad!.itemSync<number>() - 64) > 0.1) throw new Error(`wrong: ${w.grad!.itemSync()}`);
        w.grad = null;
      }, [2, 8]),
    };
  },
  // Without dispose the same memory comes back: a scope must not be worse.
  scoped: () => ({
    marks: watch(
      () =>
        torch.scope(() => {
          let x = torch.zeros(N, { device });
          for (let i = 0; i < 16; i++) x = x.add(1);
        }),
      [2, 40],
    ),
  }),
  huge: () => ({
    errors: [
      caught(() => torch.zeros(1e12, { device })),
      caught(() => torch.empty([1e6, 1e6], { device })),
      caught(() => torch.ones(1e5, 1, { device }).mul(torch.ones(1, 1e8, { device }))),
      caught(() => torch.eye(1e7, { device })),
      caught(() => torch.arange(1e13, { device })),
      caught(() => torch.randn(1e13, { device })),
    ],
    after: torch.ones(3, { device }).sum().itemSync(),
  }),
  limit: () => {
    memory.setLimit(200 * MB, device);
    const held: Tensor[] = [];
    const error = caught(() => {
      for (;;) held.push(torch.zeros(N, { device }));
    });
    const most = held.length;
    held.length = 0;
    const again = torch.ones(N, { device }).sum().itemSync();
    // Garbage does not count: far more than the limit passes through.
    for (let i = 0; i < 100; i++) torch.zeros(N, { device }).add(1);
    return { error, most, again, live: memory.stats(device).live / MB };
  },
};

const result = SCENARIOS[process.argv[2]!]!();
console.log(JSON.stringify({ ...result, peak: resident("VmHWM") }));

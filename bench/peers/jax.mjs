// jax-js, WebAssembly device, every row under jit. Its threads are a browser's workers: with more than one, Node's stand in.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { Worker as NodeWorker } from "node:worker_threads";
import { GPT, gptShapes, size, tokens, values } from "./shared.mjs";

/** As much of a browser's Worker as jax-js uses. */
class Worker {
  #worker;
  constructor(url) {
    const head = `const { parentPort } = require("node:worker_threads");
      globalThis.self = globalThis;
      globalThis.postMessage = (data) => parentPort.postMessage(data);
      parentPort.on("message", (data) => globalThis.onmessage({ data }));\n`;
    this.#worker = new NodeWorker(head + sources.get(url), { eval: true });
    this.#worker.on("message", (data) => this.onmessage({ data }));
    this.#worker.on("error", (e) => this.onerror?.(e));
  }
  postMessage(data) {
    this.#worker.postMessage(data);
  }
}
const sources = new Map();
function browserWorkers(threads) {
  // Its worker's source comes as a Blob, whose text Node does not give at once.
  globalThis.Blob = class {
    constructor(parts) {
      this.text = parts.join("");
    }
  };
  URL.createObjectURL = (blob) => {
    sources.set("blob", blob.text);
    return "blob";
  };
  URL.revokeObjectURL = () => {};
  Object.defineProperty(globalThis, "navigator", { value: { hardwareConcurrency: threads }, configurable: true });
  globalThis.Worker = Worker;
}

export async function open({ threads, folder }) {
  if (threads > 1) browserWorkers(threads);
  const home = join(folder, "node_modules", "@jax-js", "jax");
  const { version, exports } = JSON.parse(readFileSync(join(home, "package.json"), "utf8"));
  const jax = await import(pathToFileURL(join(home, exports["."].import)));
  const { numpy: np, nn, lax, jit, valueAndGrad, tree, blockUntilReady } = jax;
  await jax.init("wasm");
  jax.defaultDevice("wasm");

  const t = (...shape) => np.array(values(size(shape))).reshape(shape);
  const row = (make, f) => async () => {
    const xs = make();
    await blockUntilReady(xs);
    const compiled = jit(f);
    return async () => {
      const y = compiled(...xs.map((x) => x.ref));
      await blockUntilReady(y);
      tree.dispose(y);
    };
  };
  const matmul = (m, k, n) =>
    row(
      () => [t(m, k), t(k, n)],
      (a, b) => np.matmul(a, b),
    );
  const norm = (x, w, b) => nn.standardize(x, -1).mul(w).add(b);
  const gelu = (x) => nn.gelu(x, { approximate: false });
  const conv = (g) =>
    row(
      () => [t(1, 64, 56, 56), t(64, 64 / g, 3, 3)],
      (x, w) => lax.convGeneralDilated(x, w, [1, 1], "SAME", { featureGroupCount: g }),
    );

  const { L, H, C, T, B, V } = GPT;
  const forward = (p, hot, mask) => {
    const linear = (x, w, b) => np.matmul(x, p[w].ref).add(p[b].ref);
    let x = np
      .matmul(hot, p.wte.ref)
      .reshape([B, T, C])
      .add(p.wpe.ref)
      .reshape([B * T, C]);
    for (let i = 0; i < L; i++) {
      const qkv = linear(norm(x.ref, p[`${i}.ln1w`].ref, p[`${i}.ln1b`].ref), `${i}.qkvw`, `${i}.qkvb`);
      const [q, k, v] = np.split(qkv, 3, 1).map((y) => np.transpose(y.reshape([B, T, H, C / H]), [0, 2, 1, 3]));
      const scores = np
        .matmul(q, np.transpose(k, [0, 1, 3, 2]))
        .mul(1 / Math.sqrt(C / H))
        .add(mask.ref);
      const y = np.transpose(np.matmul(nn.softmax(scores, -1), v), [0, 2, 1, 3]).reshape([B * T, C]);
      x = x.add(linear(y, `${i}.projw`, `${i}.projb`));
      const h = gelu(linear(norm(x.ref, p[`${i}.ln2w`].ref, p[`${i}.ln2b`].ref), `${i}.fcw`, `${i}.fcb`));
      x = x.add(linear(h, `${i}.outw`, `${i}.outb`));
    }
    mask.dispose();
    return np.matmul(norm(x, p.lnw.ref, p.lnb.ref), p.head.ref);
  };
  const gptData = async () => {
    const p = Object.fromEntries(Object.entries(gptShapes()).map(([k, s]) => [k, np.array(values(size(s), 0.05)).reshape(s)]));
    const rows = Float32Array.from({ length: B * T * V }, () => 0);
    tokens(B * T).forEach((c, i) => (rows[i * V + c] = 1));
    const hot = np.array(rows).reshape([B * T, V]);
    const mask = np.array(Float32Array.from({ length: T * T }, (_, i) => (i % T > Math.floor(i / T) ? -1e9 : 0))).reshape([T, T]);
    await blockUntilReady([p, hot, mask]);
    return { p, hot, mask };
  };
  const inference = async () => {
    const { p, hot, mask } = await gptData();
    const f = jit((p, hot, mask) => {
      const y = forward(p, hot, mask);
      tree.dispose(p);
      return y;
    });
    return async () => {
      const y = f(tree.ref(p), hot.ref, mask.ref);
      await blockUntilReady(y);
      y.dispose();
    };
  };
  const training = async () => {
    const data = await gptData();
    const loss = (p, hot, mask) => {
      const y = forward(p, hot.ref, mask);
      tree.dispose(p);
      return np.sum(nn.logSoftmax(y, -1).mul(hot)).mul(-1 / (B * T));
    };
    // Adam without bias corrections, which cost nothing.
    const step = jit((p, m, v, hot, mask) => {
      const [l, g] = valueAndGrad(loss)(tree.ref(p), hot, mask);
      const m2 = tree.map((m, g) => m.mul(0.9).add(g.mul(0.1)), m, tree.ref(g));
      const v2 = tree.map((v, g) => v.mul(0.999).add(np.square(g).mul(0.001)), v, g);
      const p2 = tree.map((p, m, v) => p.sub(m.mul(1e-3).div(np.sqrt(v).add(1e-8))), p, tree.ref(m2), tree.ref(v2));
      return [p2, m2, v2, l];
    });
    const zeros = (p) => tree.map((x) => np.zeros(x.shape), p);
    let state = [data.p, zeros(data.p), zeros(data.p)];
    return async () => {
      const [p, m, v, l] = step(...state, data.hot.ref, data.mask.ref);
      await blockUntilReady([p, m, v, l]);
      l.dispose();
      state = [p, m, v];
    };
  };

  const rows = {
    "matmul 128": matmul(128, 128, 128),
    "matmul 256": matmul(256, 256, 256),
    "matmul 512": matmul(512, 512, 512),
    "matmul 1024": matmul(1024, 1024, 1024),
    "linear 512x768 to 768": matmul(512, 768, 768),
    "vector times 768x3072": matmul(1, 768, 3072),
    "conv 3x3, 64 channels 56x56": conv(1),
    "depthwise conv 3x3, 64 channels 56x56": conv(64),
    "softmax 512x1024": row(
      () => [t(512, 1024)],
      (x) => nn.softmax(x, -1),
    ),
    "layer norm 512x768": row(() => [t(512, 768), t(768), t(768)], norm),
    "gelu 256K": row(() => [t(1 << 18)], gelu),
    "exp 1M": row(
      () => [t(1 << 20)],
      (x) => np.exp(x),
    ),
    "add 1M": row(
      () => [t(1 << 20), t(1 << 20)],
      (x, y) => x.add(y),
    ),
    "sum 1024x1024 over 1": row(
      () => [t(1024, 1024)],
      (x) => np.sum(x, 1),
    ),
    "transpose copy 1024": row(
      () => [t(1024, 1024)],
      (x) => np.transpose(x).add(0),
    ),
    "GPT forward": inference,
    "GPT training step": training,
  };
  return { version: `jax-js ${version}`, rows };
}

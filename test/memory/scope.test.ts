// scope, keep and using on every device: what is freed, what lives on, and what use after that says.
import assert from "node:assert/strict";
import { setImmediate as turn } from "node:timers/promises";
import { suite, test } from "node:test";
import * as torch from "../../src/index.ts";
import { DisposedError, keep, memory, nn, optim, scope, type Tensor } from "../../src/index.ts";

const BIG = [64, 64] as const; // 16 KB: not in a slab
const refused = (op: string, shape = "[64, 64]", how = "scope") => {
  return (e: unknown): boolean => {
    assert.ok(e instanceof DisposedError, String(e));
    assert.ok(e.message.startsWith(`${op}: `), e.message);
    assert.ok(e.message.includes(`shape ${shape}`), e.message);
    assert.match(e.message, how === "scope" ? /keep\(…\)/ : /using/);
    return true;
  };
};
const gone = (t: Tensor): void => assert.throws(() => t.add(1), refused("add", `[${t.shape.join(", ")}]`));
const alive = (t: Tensor, value: number): void => assert.equal(t.mean().itemSync(), value);

for (const device of ["cpu", "wasm", "reference", "meta"]) {
  const ones = (): Tensor => torch.ones(BIG, { device });
  suite(`scope on ${device}`, () => {
    test("every kind of operation refuses a freed tensor and says which", () => {
      const t = scope(() => {
        const a = ones();
        return { a: [] as Tensor[], hidden: () => a };
      }).hidden();
      const other = ones();
      gone(t);
      assert.throws(() => other.mul(t), refused("mul"));
      assert.throws(() => t.mul_(2), refused("mul_"));
      assert.throws(() => other.copy_(t), refused("copy_"));
      assert.throws(() => t.sum(), refused("sum"));
      assert.throws(() => t.view([-1]), refused("view"));
      assert.throws(() => t.t(), refused("t"));
      assert.throws(() => t.matmul(other), refused("matmul"));
      assert.throws(() => other.matmul(t), refused("matmul"));
      assert.throws(() => torch.cat([other, t]), refused("cat"));
      assert.throws(() => torch.zerosLike(t), refused("zerosLike"));
      assert.throws(() => torch.tensor(t), refused("tensor"));
      assert.throws(() => t.to("float64"), refused("to"));
      assert.throws(() => t.detach(), refused("detach"));
      assert.throws(() => t.dataSync(), refused("dataSync"));
      assert.throws(() => nn.functional.gelu(t), refused("gelu"));
      assert.throws(() => t.softmax(0), refused("softmax"));
      assert.throws(() => t.sort(), refused("sort"));
      assert.equal(String(t), "tensor(freed, size=(64, 64))");
      assert.deepEqual(t.shape, BIG);
    });
    test("asynchronous reads refuse too", async () => {
      let t!: Tensor;
      scope(() => {
        t = torch.ones(1, { device });
      });
      await assert.rejects(() => t.item(), refused("item", "[1]"));
      await assert.rejects(() => t.toArray(), refused("toArray", "[1]"));
    });
    if (device === "meta") return;

    test("memory goes back at once, but for what is returned", () => {
      memory.emptyCache(device);
      const before = memory.stats(device).live;
      let most = 0;
      const out = scope(() => {
        let x = ones();
        for (let i = 0; i < 20; i++) x = x.add(1);
        most = memory.stats(device).live;
        return x;
      });
      const bytes = 64 * 64 * 4;
      assert.ok(most - before >= 20 * bytes);
      const left = memory.stats(device).live - before;
      assert.ok(left >= bytes && left < 3 * bytes, `${left} bytes`);
      alive(out, 21);
    });
    test("returned lists, objects, maps and modules", () => {
      const made = scope(() => ({
        list: [ones(), [ones().mul(2)]] as const,
        map: new Map([["a", ones().mul(3)]]),
        module: new nn.Linear(64, 8, { device }),
        lost: (() => null)(),
      }));
      alive(made.list[0], 1);
      alive(made.list[1][0]!, 2);
      alive(made.map.get("a")!, 3);
      assert.deepEqual(made.module.forward(ones()).shape, [64, 8]);
    });
    test("views: a view lives although its base was freed, and the other way round", () => {
      const view = scope(() => ones().mul(5).view([-1]));
      alive(view, 5);
      const outer = ones();
      scope(() => outer.view([-1]).sum());
      alive(outer, 1);
    });
    test("scopes nest: the inner one's result belongs to the outer one", () => {
      let inner!: Tensor;
      let dropped!: Tensor;
      const out = scope(() => {
        inner = scope(() => {
          dropped = ones().mul(2);
          return dropped.add(1);
        });
        gone(dropped);
        alive(inner, 3);
        return inner.add(1);
      });
      gone(inner);
      alive(out, 4);
    });
    test("keep outlives all open scopes", () => {
      const kept: { t?: Tensor } = {};
      scope(() => {
        scope(() => {
          Object.assign(kept, keep({ t: ones().mul(7) }));
        });
      });
      alive(kept.t!, 7);
      assert.equal(keep(3), 3);
    });
    test("an error frees everything and is passed on", () => {
      let t!: Tensor;
      assert.throws(
        () =>
          scope(() => {
            t = ones();
            throw new RangeError("mine");
          }),
        RangeError,
      );
      gone(t);
      ones().add(1); // no scope is left open
    });
    test("training inside: parameters of outside keep their gradients and optimizer state", () => {
      torch.manualSeed(0);
      const run = (wrap: <R>(f: () => R) => R): number[] => {
        torch.manualSeed(0);
        const model = new nn.Sequential(new nn.Linear(64, 64, { device }), new nn.ReLU(), new nn.Linear(64, 64, { device }));
        const optimizer = new optim.AdamW(model.parameters(), { lr: 0.01 });
        const losses: number[] = [];
        for (let i = 0; i < 4; i++)
          losses.push(
            wrap(() => {
              const x = ones();
              const loss = model.forward(x).square().mean();
              if (i % 2) optimizer.zeroGrad();
              loss.backward();
              optimizer.step();
              return loss.itemSync<number>();
            }),
          );
        for (const p of model.parameters()) assert.ok(Number.isFinite(p.grad!.sum().itemSync()));
        return losses;
      };
      assert.deepEqual(
        run((f) => scope(f)),
        run((f) => f()),
      );
    });
    test("a gradient goes with its leaf when both were made inside", () => {
      let leaf!: Tensor;
      scope(() => {
        leaf = ones().requiresGrad_();
        leaf.mul(2).sum().backward();
        alive(leaf.grad!, 2);
      });
      gone(leaf.grad!);
      const outside = scope(() => {
        const l = ones().requiresGrad_();
        l.mul(3).sum().backward();
        return l;
      });
      alive(outside.grad!, 3);
    });
    test("a graph that outlives the scope keeps what backward needs", () => {
      const w = ones().requiresGrad_();
      const y = scope(() => {
        const a = ones().mul(2).requiresGrad_(); // a leaf that is freed
        return w.mul(a).exp().sum();
      });
      for (let i = 0; i < 50; i++) ones().mul(-1);
      y.backward();
      assert.ok(Math.abs(w.grad!.mean().itemSync<number>() - 2 * Math.exp(2)) < 1e-3);
    });
    test("a graph that nobody ran backward is freed; one that outer tensors hang on is not", () => {
      memory.emptyCache(device);
      const w = ones().requiresGrad_();
      const before = memory.stats(device).live;
      scope(() => {
        let x: Tensor = w;
        for (let i = 0; i < 20; i++) x = x.exp().mul(w);
      });
      const left = memory.stats(device).live - before;
      assert.ok(left < 2 * 64 * 64 * 4, `${left} bytes`);
      // The buffer is of outside; its history was made inside.
      const buffer = torch.zeros(BIG, { device });
      const row = buffer.select(0, 0);
      scope(() => {
        scope(() => buffer.add_(w.mul(2).exp()));
        scope(() => row.mul_(w.select(0, 0)));
      });
      for (let i = 0; i < 50; i++) ones().mul(-1);
      buffer.sum().backward();
      const e = Math.exp(2);
      assert.ok(Math.abs(w.grad!.select(0, 5).mean().itemSync<number>() - 2 * e) < 1e-3);
      assert.ok(Math.abs(w.grad!.select(0, 0).mean().itemSync<number>() - 3 * e) < 1e-3);
    });
    test("a graph handed from scope to scope", () => {
      const w = ones().requiresGrad_();
      const y = scope(() => {
        const a = scope(() => w.mul(2).exp());
        return scope(() => a.mul(w)).sum();
      });
      for (let i = 0; i < 50; i++) ones().mul(-1);
      y.backward();
      assert.ok(Math.abs(w.grad!.mean().itemSync<number>() - 3 * Math.exp(2)) < 1e-3);
    });
    test("using frees at the end of the block; views and graphs stay whole", () => {
      const w = ones().requiresGrad_();
      let freed: Tensor;
      let view: Tensor;
      let y: Tensor;
      {
        using t = ones().mul(3);
        freed = t;
        view = t.view([-1]);
        y = w.mul(t).sum();
      }
      assert.throws(() => freed.add(1), refused("add", "[64, 64]", "dispose"));
      for (let i = 0; i < 50; i++) ones().mul(-1);
      alive(view, 3);
      y.backward();
      alive(w.grad!, 3);
      freed[Symbol.dispose]();
      freed[Symbol.dispose]();
      view[Symbol.dispose]();
      assert.throws(() => view.sum(), refused("sum", "[4096]", "dispose"));
    });
    test("a disposed parameter says so when the model runs", () => {
      const layer = new nn.Linear(64, 64, { device });
      layer.weight[Symbol.dispose]();
      assert.throws(() => layer.forward(ones()), DisposedError);
    });
  });
}

suite("asynchronous scopes", () => {
  const ones = (): Tensor => torch.ones(BIG);
  test("a promise is awaited, then everything but its value is freed", async () => {
    let a!: Tensor;
    let b!: Tensor;
    const out = await scope(async () => {
      a = ones();
      await turn();
      b = a.add(1);
      await Promise.resolve();
      alive(a, 1);
      return { value: b.add(1) };
    });
    gone(a);
    gone(b);
    alive(out.value, 3);
  });
  test("what other code makes meanwhile is not touched", async () => {
    const outside: Tensor[] = [];
    let running = true;
    const other = (async () => {
      while (running) {
        outside.push(ones());
        await turn();
      }
    })();
    await scope(async () => {
      for (let i = 0; i < 5; i++) {
        ones();
        await turn();
      }
    });
    running = false;
    await other;
    assert.ok(outside.length >= 5);
    for (const t of outside) alive(t, 1);
  });
  test("two at a time, and one inside the other", async () => {
    const one = async (value: number): Promise<Tensor[]> => {
      const lost: Tensor[] = [];
      const kept = await scope(async () => {
        for (let i = 0; i < 4; i++) {
          lost.push(ones());
          await turn();
        }
        const inner = await scope(async () => {
          await turn();
          return ones().mul(value);
        });
        alive(inner, value);
        return inner.add(0);
      });
      lost.forEach(gone);
      return [kept];
    };
    const [[a], [b]] = (await Promise.all([one(2), one(3)])) as [[Tensor], [Tensor]];
    alive(a, 2);
    alive(b, 3);
  });
  test("a rejection frees everything", async () => {
    let t!: Tensor;
    await assert.rejects(
      scope(async () => {
        t = ones();
        await turn();
        throw new RangeError("mine");
      }),
      RangeError,
    );
    gone(t);
  });
  test("without AsyncLocalStorage the scope opened last counts", async () => {
    // A second copy of the module, in an engine that cannot follow calls across await.
    const process = globalThis.process as { getBuiltinModule?: unknown };
    const { getBuiltinModule } = process;
    process.getBuiltinModule = undefined;
    try {
      const copy = (await import(
        `../../src/core/lifetime.${import.meta.url.slice(-2)}?copy`
      )) as typeof import("../../src/core/lifetime.ts");
      const brand = Symbol.for("firebrand.tensor");
      class Fake {
        storage = { users: 1, leave: (): void => {} } as object;
        readonly layout = { shape: [1] };
        readonly dtype = "float32";
        readonly [brand] = true;
        grad = null;
        constructor() {
          copy.register?.push(this as never);
        }
      }
      const freed = (f: Fake): boolean => f.storage.constructor.name === "Disposed";
      let inner!: Fake;
      const out = await copy.scope(async () => {
        inner = new Fake();
        await turn();
        return [new Fake(), copy.scope(() => new Fake())];
      });
      assert.equal(freed(inner), true);
      assert.deepEqual(out.map(freed), [false, false]);
      assert.equal(copy.register, null);
    } finally {
      process.getBuiltinModule = getBuiltinModule;
    }
  });
});

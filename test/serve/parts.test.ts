// The server's parts by themselves: what waits for a client that does not read, and caches within a budget.
import assert from "node:assert/strict";
import { test } from "node:test";
import "../../src/index.ts";
import { KeyValueCache } from "../../src/models/index.ts";
import { CachePool, type Loan } from "../../src/serve/caches.ts";
import { Outbox } from "../../src/serve/outbox.ts";
import { tensor, type Tensor } from "../../src/index.ts";

test("an outbox gives all that was said, in order, and joins what waits", async () => {
  const box = new Outbox(1000, () => assert.fail("gone"));
  const reader = box.stream.getReader();
  const read = async (): Promise<string | null> => {
    const { done, value } = await reader.read();
    return done ? null : new TextDecoder().decode(value);
  };
  const first = read();
  box.push("a");
  assert.equal(await first, "a");
  box.push("b");
  box.push("é");
  assert.equal(box.bytes, 3);
  assert.equal(await read(), "bé");
  const last = read();
  box.end();
  assert.equal(await last, null);
  box.push("late");
});

test("an outbox that nobody reads ends badly; one that was left is told", async () => {
  const gone: string[] = [];
  const slow = new Outbox(10, (why) => gone.push(why));
  for (let i = 0; i < 5; i++) slow.push("abcd");
  assert.deepEqual(gone, ["slow"]);
  assert.equal(slow.bytes, 0);
  await assert.rejects(slow.stream.getReader().read(), /too slowly/);
  const left = new Outbox(10, (why) => gone.push(why));
  await left.stream.cancel();
  left.push("abc");
  left.end();
  assert.deepEqual(gone, ["slow", "left"]);
});

const sizes = { layers: 1, heads: 1, headDim: 2, dtype: "float32", device: "cpu" } as const;
let made = 0;
const maker = {
  newCache: (o: { batch: number; length: number }): KeyValueCache => {
    made++;
    return new KeyValueCache({ ...sizes, ...o });
  },
};
/** Feeds a cache until it holds `ids`; keys are the ids. */
function feed({ cache }: Loan, ids: readonly number[]): void {
  const next = ids.slice(cache.length);
  const k: Tensor = tensor(next.map((x) => [x, x])).reshape([1, 1, next.length, 2]);
  cache.attend(0, k, k, k, (_q, keys) => keys);
  cache.advance(tensor([next], { dtype: "int64" }));
}
const keysOf = ({ cache }: Loan): number[] => {
  const probe = tensor([[[[0, 0]]]]);
  const all = cache.attend(0, probe, probe, probe, (_q, keys) => keys).toArraySync() as number[][][][];
  return all[0]![0]!.slice(0, cache.length).map((x) => x[0]!);
};
const range = (n: number, from = 0): number[] => Array.from({ length: n }, (_, i) => from + i);

test("caches: beginnings are shared, conversations go on, the budget holds", () => {
  const perPosition = 2 * 2 * 4;
  const pool = new CachePool(maker, 4 * 64 * perPosition, 3);
  made = 0;
  const a = pool.take(range(20), 30)!;
  assert.equal(a.reused, 0);
  feed(a, range(20));
  pool.release(a, range(20));
  // The same text once more: all but its last token is there.
  const again = pool.take(range(20), 40)!;
  assert.deepEqual([again.reused, again.cache === a.cache, made], [19, true, 1]);
  feed(again, range(20));
  pool.release(again, range(20));
  // It goes on, and has grown out of its cache.
  const longer = pool.take(range(25), 100)!;
  assert.deepEqual([longer.reused, longer.cache.maxLength], [20, 128]);
  assert.deepEqual(keysOf(longer), range(20));
  // Another that begins alike gets a copy; the first stays.
  const other = pool.take([...range(9), 77, 78], 12)!;
  assert.deepEqual([other.reused, keysOf(other), other.cache === a.cache], [9, range(9), false]);
  // Now all bytes are taken: what is not lent makes room, then one must wait.
  assert.ok(pool.bytes <= 4 * 64 * perPosition);
  const third = pool.take(range(5, 500), 60)!;
  assert.equal(third.reused, 0);
  assert.equal(pool.take(range(5, 900), 60), null);
  pool.release(other, null);
  assert.notEqual(pool.take(range(5, 900), 60), null);
  // What is larger than the budget is lent when nothing else is.
  const tight = new CachePool(maker, 1, 3);
  const only = tight.take([1, 2], 500)!;
  assert.equal(tight.take([1], 1), null);
  tight.release(only, [1, 2]);
  assert.notEqual(tight.take([1], 1), null);
});

test("caches: however many texts there are at once, old caches serve new ones", () => {
  const pool = new CachePool(maker, 1e9, 2);
  made = 0;
  const bytes: number[] = [];
  for (let round = 0; round < 20; round++) {
    const loans = Array.from({ length: 4 }, (_, i) => pool.take(range(20, 100 * (4 * round + i)), 30)!);
    loans.forEach((loan, i) => {
      assert.equal(loan.cache.length, 0);
      feed(loan, range(20, 100 * (4 * round + i)));
    });
    for (const [i, loan] of loans.entries()) pool.release(loan, range(20, 100 * (4 * round + i)));
    bytes.push(pool.bytes);
  }
  assert.equal(made, 6); // 4 lent, and 2 that were kept meanwhile
  assert.equal(bytes.at(-1), bytes[1]);
  // The last two prompts are remembered, the one before them is not.
  assert.deepEqual(
    [20 * 4 - 1, 20 * 4 - 2, 20 * 4 - 3].map((i) => pool.take(range(20, 100 * i), 30)!.reused),
    [19, 19, 0],
  );
});

test("KeyValueCache.copyFrom refuses what does not fit", () => {
  const [a, b] = [maker.newCache({ batch: 1, length: 4 }), maker.newCache({ batch: 1, length: 4 })];
  const other = new KeyValueCache({ ...sizes, headDim: 3, batch: 1, length: 4 });
  for (const bad of [() => a.copyFrom(b, 1), () => a.copyFrom(other, 0), () => a.copyFrom(b, -1), () => a.copyFrom(b, 0.5)])
    assert.throws(bad, { name: "ValueError" });
  a.copyFrom(b, 0);
  assert.equal(a.length, 0);
});

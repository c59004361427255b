// Data loading: batches, PyTorch's order for a seed, resume, asynchronous data, errors.
import assert from "node:assert/strict";
import { test } from "node:test";
import * as torch from "../../src/index.ts";

const { data } = torch;
const numbers = (t: torch.Tensor): number[] => [...t.dataSync()].map(Number);
const ten = (): InstanceType<typeof data.TensorDataset<[torch.Tensor]>> => new data.TensorDataset(torch.arange(10));

test("shuffles as PyTorch 2.15 does", () => {
  torch.manualSeed(5);
  const order = [...new data.DataLoader(ten(), { batchSize: 4, shuffle: true })].map(([x]) => numbers(x!));
  assert.deepEqual(order, [
    [8, 3, 0, 5],
    [9, 1, 6, 2],
    [4, 7],
  ]); // torch.manual_seed(5); DataLoader(…, 4, shuffle=True)
  assert.ok(Math.abs(torch.rand(1).itemSync() - 0.9201034307479858) < 1e-7);
  assert.deepEqual(
    data.randomSplit(ten(), [0.5, 0.5]).map((s) => s.indices),
    [
      [0, 2, 3, 8, 1],
      [9, 4, 5, 6, 7],
    ],
  );
});
test("an interrupted epoch goes on where it was", () => {
  const loader = new data.DataLoader(ten(), { batchSize: 3, shuffle: true });
  const it = loader[Symbol.iterator]();
  it.next();
  const state = loader.state()!;
  const rest = [...it].map(([x]) => numbers(x!));
  const other = new data.DataLoader(ten(), { batchSize: 3, shuffle: true });
  other.restore(state);
  assert.deepEqual(
    [...other].map(([x]) => numbers(x!)),
    rest,
  );
  assert.equal([...other].flatMap(([x]) => numbers(x!)).length, 10);
});
test("asynchronous items, collation of objects, iterables", async () => {
  const slow = { length: 5, get: async (i: number) => ({ x: torch.full([2], i), y: i, name: `n${i}` }) };
  const seen: unknown[] = [];
  for await (const b of new data.DataLoader(slow, { batchSize: 2 })) seen.push([[...b.x.shape], numbers(b.y), b.name]);
  assert.deepEqual(seen, [
    [
      [2, 2],
      [0, 1],
      ["n0", "n1"],
    ],
    [
      [2, 2],
      [2, 3],
      ["n2", "n3"],
    ],
    [[1, 2], [4], ["n4"]],
  ]);
  assert.throws(() => [...new data.DataLoader(slow)], { name: "ArgumentError" });
  assert.equal(
    [
      ...new data.DataLoader(
        {
          *[Symbol.iterator]() {
            yield* [1, 2, 3];
          },
        },
        { batchSize: 2, dropLast: true },
      ),
    ].length,
    1,
  );
});
test("bad options", () => {
  assert.throws(() => new data.DataLoader(ten(), { batchSize: 0 }), { name: "ValueError" });
  assert.throws(() => new data.DataLoader(ten(), { shuffle: true, sampler: new data.SequentialSampler(ten()) }), { name: "ValueError" });
  assert.throws(() => new data.TensorDataset(torch.ones(2), torch.ones(3)), { name: "ShapeError" });
  assert.throws(() => data.randomSplit(ten(), [3, 3]), { name: "ValueError" });
});

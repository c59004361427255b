// Positions of what a mask marks: pieces of it are counted and written apart, by one thread or several.
import assert from "node:assert/strict";
import { test } from "node:test";
import { fused } from "../../../src/kernel/fused.ts";
import { blank, cpu, getRaw, put, skip, stream } from "./harness.ts";

test("nonzero around the length of a piece, with any number of threads", { skip }, () => {
  const random = stream(7);
  const before = cpu.numThreads;
  for (const threads of [1, 3]) {
    cpu.setNumThreads(threads);
    for (const n of [1, 2047, 2048, 2049, 300_001])
      for (const share of [0, 0.5, 1]) {
        const mask = Array.from({ length: n }, () => Number(random() < share));
        const want = mask.flatMap((m, i) => (m ? [i] : []));
        const out = blank([want.length], "int64");
        cpu.run(fused("nonzero"), [out], [put(mask, "bool")], []);
        assert.deepEqual(getRaw(out).map(Number), want);
      }
  }
  cpu.setNumThreads(before);
});

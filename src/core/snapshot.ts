// What is alive: tensors and what graphs keep for backward, grouped by where they were made or by shape. Nothing is booked
// while a program runs: the engine is asked for its live objects when somebody wants to know.
import type { Device, MemoryStats } from "./device.ts";
import type { DType } from "./dtype.ts";
import { OutOfMemoryError, showShape, UnsupportedError } from "./errors.ts";
import { siteOf } from "./site.ts";

/** A live object that holds memory. */
export interface Live {
  readonly device: Device;
  /** Equal for objects over the same memory. */
  readonly block: unknown;
  /** Of the whole memory, also where the object shows a part. */
  readonly nbytes: number;
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly version: object;
  /** Does it show memory that was made for another object? */
  readonly view?: boolean;
  /** Is it a part of a mapped file, which takes no memory of its own? */
  readonly mapped?: boolean;
  /** Why it is alive where that is not a variable of the program's. */
  readonly note?: string;
}

/** Memory of one origin. */
export interface SnapshotGroup {
  /** Function and line outside the library where it was made; null where `memory.record` was off. */
  readonly site: string | null;
  /** All calls that led there. */
  readonly stack: string | null;
  /** dtype and shape, of the largest where they differ. */
  readonly what: string;
  readonly device: string;
  /** Separate pieces of memory; views of one count once. */
  readonly count: number;
  readonly bytes: number;
}

type Class = abstract new (...args: never[]) => object;
/** All live instances of a class, from the engine. */
export type Heap = <C extends Class>(type: C) => InstanceType<C>[];

let heap: Heap | null = null;
/** @internal Called by a backend whose engine can list live objects. */
export function provideHeap(h: Heap): void {
  heap = h;
}
const sources: { type: Class; read: (x: object) => Live | null }[] = [];
/** @internal Makes a class that holds memory known. What comes first names a piece of memory that several hold. */
export function holdsMemory<C extends Class>(type: C, read: (x: InstanceType<C>) => Live | null): void {
  sources.push({ type, read: read as (x: object) => Live | null });
}

/** The live memory of a device, or of all; the largest groups first. Mapped files are left out. @throws UnsupportedError where the engine cannot list live objects. */
export function takeSnapshot(device?: string): SnapshotGroup[] {
  if (!heap)
    throw new UnsupportedError({
      op: "snapshot",
      message: "this engine cannot list its live objects",
      hint: "Use Node, or memory.stats()",
    });
  const seen = new Set<unknown>();
  const groups = new Map<string, { -readonly [K in keyof SnapshotGroup]: SnapshotGroup[K] } & { largest: number; mixed: boolean }>();
  for (const { type, read } of sources) {
    const found = heap(type).map((x) => (Object.hasOwn(x, "constructor") ? null : read(x)));
    for (const live of [...found.filter((l) => !l?.view), ...found.filter((l) => l?.view)]) {
      if (!live || live.mapped || seen.has(live.block) || (device !== undefined && live.device.name !== device)) continue;
      seen.add(live.block);
      const what = `${live.dtype} ${showShape(live.shape)}${live.note ? `, ${live.note}` : ""}`;
      const stack = siteOf(live.version);
      const site = stack?.split("\n")[0] ?? null;
      const key = `${live.device.name}|${site ?? what}`;
      let g = groups.get(key);
      if (!g)
        groups.set(key, (g = { site, stack, what, device: live.device.name, count: 0, bytes: 0, largest: live.nbytes, mixed: false }));
      g.count++;
      g.bytes += live.nbytes;
      g.mixed ||= g.what !== what;
      if (live.nbytes > g.largest) [g.what, g.largest] = [what, live.nbytes];
    }
  }
  return [...groups.values()]
    .sort((a, b) => b.bytes - a.bytes)
    .map(({ site, stack, what, device: name, count, bytes, mixed }) => ({
      site,
      stack,
      what: mixed ? `${what} and others` : what,
      device: name,
      count,
      bytes,
    }));
}

/** Bytes as people read them. */
export function showBytes(n: number): string {
  const units = ["bytes", "KB", "MB", "GB", "TB", "PB"];
  const u = n < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log2(n) / 10));
  return u === 0 ? `${n} bytes` : `${(n / 2 ** (10 * u)).toFixed(1)} ${units[u]}`;
}

const TOP = 8;
/** The error for a request that cannot be met, with what holds the memory that there is. */
export function outOfMemory(device: string, asked: number, stats: MemoryStats, limit: number, hint: string): OutOfMemoryError {
  let details: string[] = [];
  try {
    const groups = stats.live > 0 ? takeSnapshot(device) : [];
    details = groups.slice(0, TOP).map((g) => `  ${showBytes(g.bytes)}  ${g.count} x ${g.what}${g.site ? ` made by ${g.site}` : ""}`);
    if (groups.length > TOP)
      details.push(`  ${showBytes(groups.slice(TOP).reduce((s, g) => s + g.bytes, 0))}  in ${groups.length - TOP} smaller groups`);
    if (groups.length) details.unshift("Most of the memory is held by:");
    if (groups.length && groups.every((g) => g.site === null))
      details.push("memory.record(true), or FIREBRAND_MEMORY_TRACE=1, shows where they were made.");
  } catch {
    // An engine without a list of objects: the totals must do.
  }
  return new OutOfMemoryError({
    message: `${showBytes(asked)} asked for on ${device}; ${showBytes(stats.live)} of ${showBytes(limit)} are in use`,
    hint,
    details: details.join("\n"),
    data: { requested: asked, live: stats.live, limit },
  });
}

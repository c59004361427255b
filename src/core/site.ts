// Where memory was asked for: recorded while recording is on, and read by snapshots and errors.

/** Are creation sites being recorded? A plain variable, so that asking costs nothing. */
export let recording: boolean =
  (globalThis as { process?: { env?: Record<string, string | undefined> } }).process?.env?.["FIREBRAND_MEMORY_TRACE"] === "1";

// By version: the one object that all storages over a block share.
const stacks = new WeakMap<object, string>();

/** Turns recording on or off; returns the old state. */
export function setRecording(on: boolean): boolean {
  const old = recording;
  recording = on;
  return old;
}

/** Remembers the present call as the origin of the memory with this version. */
export function noteSite(version: object): void {
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = 40;
  stacks.set(version, (new Error().stack ?? "").split("\n").slice(1).join("\n"));
  Error.stackTraceLimit = limit;
}

// This module lies in core/ of the compiled sources, or among the chunks of the bundle.
const library = import.meta.url.replace(/(core|chunks)\/[^/]*$/, "");

/** The calls that led to this memory, the innermost outside the library first; null when they were not recorded. */
export function siteOf(version: object): string | null {
  const lines = stacks.get(version)?.split("\n");
  if (!lines) return null;
  const at = lines.findIndex((l) => /\(?(\w+:\/\/|\/|[A-Z]:\\)/.test(l) && !l.includes(library) && !l.includes("node:"));
  return lines
    .slice(Math.max(0, at))
    .map((l) => l.trim().replace(/^at /, "").replace("file://", ""))
    .join("\n");
}

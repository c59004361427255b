// Modules of Node's own, for code that browsers load too: nothing is imported before it is used, and then at once.
import { UnsupportedError } from "../core/errors.ts";

interface Builtin {
  readonly fs: typeof import("node:fs");
  readonly path: typeof import("node:path");
  readonly url: typeof import("node:url");
  readonly zlib: typeof import("node:zlib");
}
interface Process {
  getBuiltinModule?<K extends keyof Builtin>(name: K): Builtin[K];
}

/** A module of Node's own; undefined where there is none. */
export const builtinIfAny = <K extends keyof Builtin>(name: K): Builtin[K] | undefined =>
  (globalThis as { process?: Process }).process?.getBuiltinModule?.(name);

/** A module of Node's own. @throws UnsupportedError where there is none */
export function builtin<K extends keyof Builtin>(name: K): Builtin[K] {
  const found = builtinIfAny(name);
  if (!found)
    throw new UnsupportedError({ op: "load", message: "there is no file system here", hint: "Give a Blob, bytes, or an http address" });
  return found;
}

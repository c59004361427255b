// The native addon: found or compiled, loaded once. Memory is `memory.ts`; this is the call path.
import { existsSync, readdirSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { FirebrandError } from "../../core/errors.ts";
import type { Storage } from "../../core/storage.ts";
import { FILE_LOST, type NativeOp } from "./abi.ts";
import { Host } from "./host.ts";
import type { NativeStorage } from "./storage.ts";

/** What native/addon.cc exports. All take and give their numbers through the ring. */
export interface Addon {
  readonly ring: ArrayBuffer;
  /** Is it built with AddressSanitizer? Small tensors then get blocks of their own. */
  readonly guarded: boolean;
  call(): void;
  alloc(): object | undefined;
  map(): object | undefined;
  rehandle(): object;
  release(): void;
  dispose(handle: object): void;
  holder(): object | undefined;
  tables(): void;
  trim(): void;
  stats(): void;
  resetPeak(): void;
  transfer(array: ArrayBufferView, toNative: boolean): void;
  readFile(): Promise<number> | undefined;
  checksum(): void;
  view(): ArrayBuffer | undefined;
  detach(buffer: ArrayBuffer): void;
}

/** The folder of package.json. */
export function packageRoot(): string {
  let dir = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(dir, "package.json"))) dir = dirname(dir);
  return dir;
}

// The newest build if it is no older than the sources, without asking the compiler for its version.
function cached(root: string): string | null {
  const dir = join(root, "build", "native");
  if (!existsSync(dir)) return null;
  const newest = (d: string, end: RegExp): [string, number][] =>
    readdirSync(d)
      .filter((f) => end.test(f))
      .map((f): [string, number] => [join(d, f), statSync(join(d, f)).mtimeMs])
      .sort((a, b) => b[1] - a[1]);
  const built = newest(dir, /\.node$/)[0];
  const source = newest(join(root, "native"), /\.(cc|h)$/)[0];
  return built && (!source || built[1] >= source[1]) ? built[0] : null;
}

/** The loaded addon, or the reason why there is none. `FIREBRAND_ADDON` names a build to use instead. */
export function loadAddon(): { addon: Addon } | { reason: string } {
  const root = packageRoot();
  let path = process.env["FIREBRAND_ADDON"] ?? cached(root);
  if (!path) {
    const script = join(root, "tools", "build-native.mjs");
    if (!existsSync(script)) return { reason: "the package has no native sources" };
    // Brings half of Node along, and is seldom needed.
    const { spawnSync } = process.getBuiltinModule("node:child_process");
    const out = spawnSync(process.execPath, [script, "--json"], { encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });
    const built = (out.status === 0 ? JSON.parse(out.stdout) : { reason: "the build script failed" }) as { path?: string; reason?: string };
    if (!built.path) return { reason: built.reason ?? "" };
    path = built.path;
  }
  try {
    const module = { exports: {} };
    process.dlopen(module, path);
    return { addon: module.exports as Addon };
  } catch (e) {
    return { reason: String(e) };
  }
}

/** Calls into the addon. */
export class NativeHost extends Host {
  readonly ring: Float64Array;
  readonly #call: () => void;
  readonly #lost: () => FirebrandError;
  /** `lost` makes the error for a kernel that met pages of a mapped file that are gone. */
  constructor(addon: Addon, lost: () => FirebrandError) {
    super();
    this.ring = new Float64Array(addon.ring);
    this.#call = addon.call;
    this.#lost = lost;
  }
  protected address(storage: Storage): number {
    return (storage as NativeStorage).address;
  }
  protected invoke(): void {
    this.#call();
  }
  protected override error(op: NativeOp, status: number): FirebrandError {
    return status === FILE_LOST ? this.#lost() : super.error(op, status);
  }
}

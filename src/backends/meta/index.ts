// The meta backend: shapes and dtypes without memory. Models of any size can be built and called to see their shapes.
import type { DeviceMemory } from "../../core/device.ts";
import { DeviceError } from "../../core/errors.ts";
import { Storage } from "../../core/storage.ts";
import type { Backend } from "../../kernel/backend.ts";
import type { KernelSpec } from "../../kernel/spec.ts";

class NoMemory extends Storage {
  get block(): unknown {
    return this;
  }
}
const NOTHING: DeviceMemory = {
  stats: () => ({ live: 0, cached: 0, peak: 0, blocks: 0 }),
  emptyCache: () => {},
  resetPeak: () => {},
  limit: Number.POSITIVE_INFINITY,
};
const unreadable = (): never => {
  throw new DeviceError({ message: "a meta tensor has no values", hint: "Make it on another device, or use it for shapes only" });
};

/** Makes the meta backend. */
export function makeMeta(): Backend {
  const backend = {
    name: "meta",
    memory: NOTHING,
    alloc: (nbytes: number): Storage => new NoMemory(backend, nbytes),
    write: (): void => {},
    readSync: unreadable,
    read: async (): Promise<void> => unreadable(),
    supports: (): boolean => true,
    has: (spec: KernelSpec): boolean => spec.kind !== "fused",
    run: (): void => {},
  } satisfies Backend;
  return backend;
}

// The meta backend: shapes and dtypes without memory. Models of any size can be built and called to see their shapes.
import { DeviceError } from "../../core/errors.ts";
import { Storage } from "../../core/storage.ts";
import type { Backend } from "../../kernel/backend.ts";
import type { KernelSpec } from "../../kernel/spec.ts";

class NoMemory extends Storage {
  get block(): unknown {
    return this;
  }
}
const unreadable = (): never => {
  throw new DeviceError({ message: "a meta tensor has no values", hint: "Make it on another device, or use it for shapes only" });
};

/** Makes the meta backend. */
export function makeMeta(): Backend {
  const backend = {
    name: "meta",
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

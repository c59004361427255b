// How much memory the machine, or the container that the process lives in, has.
import { freemem, totalmem } from "node:os";

/** Bytes that this process may use: the container's where it has a limit, else the machine's. */
export function totalMemory(): number {
  const container = process.constrainedMemory?.() ?? 0;
  return container > 0 ? Math.min(container, totalmem()) : totalmem();
}

/** Bytes that the machine can give without swapping. */
export const freeMemory = (): number => freemem();

// How many threads kernels use: one number, which the backends that have threads follow.
import { processors } from "./processors.ts";

/** A backend that has threads. */
export interface Threaded {
  readonly numThreads: number;
  setNumThreads(n: number): void;
}

let count: number | undefined;
function usual(): number {
  const wanted = Number(process.env["FIREBRAND_NUM_THREADS"]);
  return Number.isInteger(wanted) && wanted > 0 ? wanted : processors();
}
const followers: Threaded[] = [];

/** Gives a backend its threads, now and whenever their number changes. */
export function followThreads(backend: Threaded): void {
  followers.push(backend);
  backend.setNumThreads((count ??= usual()));
}
/** Changes the number for all backends, those that are still to be made too. */
export function setThreads(n: number): void {
  count = n;
  for (const f of followers) f.setNumThreads(n);
}

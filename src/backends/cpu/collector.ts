// The garbage collector, to be run when memory that it does not see is short.

/** Runs a collection: a minor one takes 0.3 ms, a full one 4-8 ms on a small heap. */
export type Collector = (options?: { type: "minor" | "major" }) => void;

/** Node's collector. */
export function collector(): Collector {
  process.getBuiltinModule("node:v8").setFlagsFromString("--expose-gc");
  return process.getBuiltinModule("node:vm").runInNewContext("gc") as Collector;
}

/**
 * A full collection after which weak references of dead objects are empty, inside a synchronous loop too. What a job made
 * or looked up weakly is kept for the rest of the job, and the end of a job is a checkpoint of the microtask queue: a
 * context with a queue of its own has one whenever a script in it ends.
 */
export function weakCollector(): () => void {
  const gc = collector();
  const { createContext, Script } = process.getBuiltinModule("node:vm");
  const context = createContext({}, { microtaskMode: "afterEvaluate" });
  const nothing = new Script("0");
  return () => {
    nothing.runInContext(context);
    gc();
  };
}

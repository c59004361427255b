// Starting a thread of the pool: a worker of Node's or of a browser's.

/** What native/worker.mjs needs. */
export interface WorkerData {
  readonly module: object;
  readonly memory: object;
  /** Its number in the pool, from 1. */
  readonly slot: number;
  /** Where its stack begins; it grows downwards. */
  readonly stack: number;
  /** Where its thread-local variables are. */
  readonly tls: number;
}
interface WebWorker {
  postMessage(data: WorkerData): void;
}
type WebWorkers = { Worker?: new (url: URL, options: { type: "module" }) => WebWorker };

/**
 * Starts a thread that keeps nothing alive. Where none can be had, nothing is lost but speed: parts of a job belong to no
 * thread before one takes them, and the caller takes what is left.
 */
export function startWorker(url: URL, data: WorkerData): void {
  try {
    const { Worker } = globalThis as WebWorkers;
    if (Worker) new Worker(url, { type: "module" }).postMessage(data);
    else {
      const { Worker: NodeWorker } = process.getBuiltinModule("node:worker_threads");
      const worker = new NodeWorker(url, { workerData: data, execArgv: [], env: {} });
      worker.on("error", () => {});
      worker.unref();
    }
  } catch {
    // see above
  }
}

// Global switches of the calling thread: is the graph being recorded, is anomaly detection on?
import { need } from "./arguments.ts";

let grad = true;
let inference = false;
let anomaly = false;

/** Is the graph being recorded? @example isGradEnabled() // => true */
export const isGradEnabled = (): boolean => grad;
/** Are we inside `inferenceMode`? @example inferenceMode(() => isInferenceModeEnabled()) // => true */
export const isInferenceModeEnabled = (): boolean => inference;
/** Is every node remembering where it was made? @example detectAnomaly(() => isAnomalyEnabled()) // => true */
export const isAnomalyEnabled = (): boolean => anomaly;

/** @internal Sets the recording switch and returns its old state. */
export function swapGrad(on: boolean): boolean {
  const old = grad;
  grad = on;
  return old;
}

// A promise keeps the switch set until it settles, so that `await` inside the callback sees it.
function withSwitch<R>(op: string, swap: (on: boolean) => boolean, on: boolean, fn: () => R): R {
  need(op, "fn: function", fn);
  const old = swap(on);
  let waiting = false;
  try {
    const out = fn();
    if (typeof (out as { then?: unknown } | null)?.then === "function") {
      waiting = true;
      return (out as unknown as Promise<unknown>).finally(() => swap(old)) as R;
    }
    return out;
  } finally {
    if (!waiting) swap(old);
  }
}

/**
 * Runs `fn` without recording a graph; results do not require gradients.
 * @example noGrad(() => ones(2, { requiresGrad: true }).mul(2).requiresGrad) // => false
 */
export const noGrad = <R>(fn: () => R): R => withSwitch("noGrad", swapGrad, false, fn);
/**
 * Runs `fn` with recording on, also inside `noGrad`.
 * @example noGrad(() => enableGrad(() => isGradEnabled())) // => true
 */
export const enableGrad = <R>(fn: () => R): R => withSwitch("enableGrad", swapGrad, true, fn);
/**
 * Turns recording on or off, for `fn` only where one is given, else from here on.
 * @example setGradEnabled(false, () => isGradEnabled()) // => false
 */
export function setGradEnabled(on: boolean): void;
export function setGradEnabled<R>(on: boolean, fn: () => R): R;
export function setGradEnabled<R>(on: boolean, fn?: () => R): R | void {
  need("setGradEnabled", "on: flag", on);
  if (fn) return withSwitch("setGradEnabled", swapGrad, on, fn);
  swapGrad(on);
}
/**
 * Like `noGrad`, and says so to code that asks `isInferenceModeEnabled`.
 * @example inferenceMode(() => isGradEnabled()) // => false
 */
export const inferenceMode = <R>(fn: () => R): R =>
  withSwitch(
    "inferenceMode",
    (on) => {
      const old = inference;
      inference = on;
      return old;
    },
    true,
    typeof fn === "function" ? () => noGrad(fn) : fn, // so that it is refused under its own name
  );
/** Turns anomaly detection on or off from here on. @example (setDetectAnomaly(false), isAnomalyEnabled()) // => false */
export function setDetectAnomaly(on: boolean): void {
  anomaly = on;
}
/**
 * Records creation stacks and stops backward at the first NaN, naming the operation that made it. Slow: for debugging.
 * @example
 * const x = tensor(-1.5, { requiresGrad: true });
 * let message = "";
 * detectAnomaly(() => { try { x.sqrt().backward(); } catch (e) { message = e.message; } });
 * message.includes("sqrtBackward returned NaN") // => true
 */
export const detectAnomaly = <R>(fn: () => R): R =>
  withSwitch(
    "detectAnomaly",
    (on) => {
      const old = anomaly;
      anomaly = on;
      return old;
    },
    true,
    fn,
  );

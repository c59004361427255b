// Gradient checkpointing: what a function saves for backward is not kept, but computed again when backward comes to it. Chen et al. 2016.
// The graph is recorded as always, so closures, parameters, any outputs and `grad` work; only the memory behind it is missing.
import { need } from "../core/arguments.ts";
import { AutogradError } from "../core/errors.ts";
import { swapRegister } from "../core/lifetime.ts";
import { isGradEnabled, swapGrad } from "../core/mode.ts";
import { defaultGenerator, type GeneratorState } from "../core/rng.ts";
import { storageCount } from "../core/storage.ts";
import { type Keeper, type SavedTensor, swapKeeper } from "./node.ts";

// Thrown to leave the function once all is there again: what comes after the last saved tensor need not run.
const ENOUGH = Symbol("enough");

/** One call: the saved tensors in order of saving; null where the memory was kept. */
class Frame {
  readonly #run: () => unknown;
  readonly #random: GeneratorState = defaultGenerator.getState();
  readonly #slots: (SavedTensor | null)[] = [];
  #missing = 0;

  constructor(run: () => unknown) {
    this.#run = run;
  }
  forward(): unknown {
    const older = storageCount();
    return kept((saved, t) => {
      // Arguments and parameters live anyway: keeping them costs nothing, and a write to them is still noticed.
      const drop = t.storage.id > older;
      this.#slots.push(drop ? saved : null);
      if (!drop) return null;
      this.#missing = this.#slots.length;
      return () => this.#again();
    }, this.#run);
  }
  #again(): void {
    let i = 0;
    const differs = (what: string): AutogradError =>
      new AutogradError({
        op: "checkpoint",
        message: `run again for backward, the function saves ${what}`,
        hint: "It must compute the same each time: no state of its own, no random numbers but the default generator's",
      });
    const fill: Keeper = (_, t) => {
      const slot = this.#slots[i++];
      if (slot === undefined) throw differs(`more than ${this.#slots.length} tensors`);
      if (slot?.refill(t) === false) throw differs(`another tensor in place of number ${i}`);
      if (i >= this.#missing) throw ENOUGH;
      return nothing;
    };
    const now = defaultGenerator.getState();
    defaultGenerator.setState(this.#random);
    // The function is the caller's, who may keep any tensor that it makes: backward must not free them.
    const register = swapRegister(null);
    const grad = swapGrad(true);
    try {
      kept(fill, this.#run);
    } catch (e) {
      if (e !== ENOUGH) throw e;
    } finally {
      swapGrad(grad);
      swapRegister(register);
      defaultGenerator.setState(now);
    }
    if (i < this.#missing) throw differs(`${i} tensors, needed ${this.#missing}`);
  }
}
const nothing = (): void => {};

function kept(keeper: Keeper, fn: () => unknown): unknown {
  const outer = swapKeeper(keeper);
  try {
    return fn();
  } finally {
    swapKeeper(outer);
  }
}

/**
 * `fn(...args)`, without keeping what it saves for backward: it runs once more when backward comes to it, with the default generator in the state of the
 * first run, so that dropout drops the same. Memory falls from all of `fn`'s intermediate results to its arguments, for one more forward pass.
 * As PyTorch's `torch.utils.checkpoint` with `use_reentrant=False`.
 * @throws AutogradError in backward, when `fn` computes something else the second time
 * @example
 * const x = tensor([0.5, 1], { requiresGrad: true });
 * utils.checkpoint((x) => x.exp().sin(), x).sum().backward();
 * x.grad // => [-0.1283, -2.4783]
 */
export function checkpoint<A extends unknown[], R>(fn: (...args: A) => R, ...args: A): R {
  need("checkpoint", "fn: function", fn);
  if (!isGradEnabled()) return fn(...args);
  return new Frame(() => fn(...args)).forward() as R;
}

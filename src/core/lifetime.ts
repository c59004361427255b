// Who frees tensors before the collector does: while a register is set, every new tensor joins it. Backward passes register
// what they make for themselves, `scope` what its function makes.

/** Receives every new tensor while it is set. */
export interface Register {
  push(tensor: object): unknown;
  /** Takes in a gradient, which must live as long as the tensor that it belongs to. */
  adopt?(gradient: object, owner: object): void;
}

/** @internal Where new tensors go at present; read in the Tensor's constructor. */
export let register: Register | null = null;
/** @internal Sets the register and returns the old one. */
export function swapRegister(next: Register | null): Register | null {
  const old = register;
  register = next;
  return old;
}

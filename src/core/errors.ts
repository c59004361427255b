// Every error that Firebrand throws on bad input: a class per kind, the facts as data, the text derived from them.

/** The facts of an error: what was given, what was needed, one hint. */
export interface ErrorFacts {
  /** The public operation that refused, as the user spells it: `matmul`, `Tensor.view`. */
  readonly op?: string;
  /** What was wrong, with the given values (shapes always). */
  readonly message: string;
  /** One short sentence that names the remedy. */
  readonly hint?: string;
  /** Further lines, below the hint. */
  readonly details?: string;
  /** Machine-readable details: shapes, dtypes, offsets, keys. */
  readonly data?: Readonly<Record<string, unknown>>;
  readonly cause?: unknown;
}

/**
 * Base class of all errors thrown by Firebrand.
 * @example
 * const e = new FirebrandError({ op: "view", message: "shape [2, 3] has 6 elements, [4] needs 4" });
 * e.message // => "view: shape [2, 3] has 6 elements, [4] needs 4"
 */
export class FirebrandError extends Error {
  /** The operation that was called. */
  op: string | undefined;
  /** The remedy in one sentence, where there is one. */
  hint: string | undefined;
  /** Machine-readable details. */
  readonly data: Readonly<Record<string, unknown>>;
  readonly #what: string;
  readonly #details: string | undefined;
  // What `within` has told: the deeper op that refused, and the operands of the call.
  #inner = "";
  #operands = "";

  constructor(facts: ErrorFacts | string) {
    const f = typeof facts === "string" ? { message: facts } : facts;
    super(textOf(f.op, f.message, f.hint, f.details), f.cause === undefined ? undefined : { cause: f.cause });
    this.name = new.target.name;
    this.op = f.op;
    this.hint = f.hint;
    this.data = f.data ?? {};
    this.#what = f.message;
    this.#details = f.details;
  }

  /** @internal The same error as seen by the caller of `op`: the operands are told unless a shape of theirs is, `hint` where there is none. */
  within(op: string, operands: readonly { readonly text: string; readonly shape: string }[], hint?: string): this {
    const before = this.message;
    const own = this.op === undefined ? op : camel(this.op.slice(this.op.lastIndexOf(".") + 1));
    if (own !== op && `${own}_` !== op && this.#inner === "") this.#inner = `${own}: `;
    else if (this.#inner === `${op}: `) this.#inner = "";
    if (operands.length > 0 && this.#operands === "" && !operands.some((o) => this.#what.includes(o.shape)))
      this.#operands = ` (given ${operands
        .slice(0, 4)
        .map((o) => o.text)
        .join(", ")}${operands.length > 4 ? ", …" : ""})`;
    this.op = op;
    this.hint ??= hint;
    this.message = textOf(op, this.#inner + this.#what + this.#operands, this.hint, this.#details);
    if (this.stack) this.stack = this.stack.replace(before, () => this.message); // it was captured with the message of that time
    return this;
  }
}
const textOf = (op: string | undefined, what: string, hint: string | undefined, details: string | undefined): string =>
  (op ? `${op}: ` : "") + what + (hint ? `. ${hint}` : "") + (details ? `\n${details}` : "");
const camel = (name: string): string => name.replace(/(?<=.)_(\w)/g, (_, c: string) => c.toUpperCase());

/**
 * Shapes, sizes or dimensions that do not fit each other.
 * @example
 * let error;
 * try { ones(2).add(ones(3)); } catch (e) { error = e; }
 * error.name // => "ShapeError"
 */
export class ShapeError extends FirebrandError {}
/**
 * A dimension or an index outside its range.
 * @example
 * let error;
 * try { ones(2).sum(3); } catch (e) { error = e; }
 * error.name // => "IndexError"
 */
export class IndexError extends FirebrandError {}
/**
 * A dtype that the operation does not take, or a lossy implicit conversion.
 * @example
 * let error;
 * try { tensor([1, 2]).mean(); } catch (e) { error = e; }
 * error.name // => "DTypeError"
 */
export class DTypeError extends FirebrandError {}
/**
 * Operands on different devices, or a device that is not there.
 * @example
 * let error;
 * try { ones(2, { device: "abacus" }); } catch (e) { error = e; }
 * error.name // => "DeviceError"
 */
export class DeviceError extends FirebrandError {}
/**
 * A value outside its domain: a negative size, a probability above one, a NaN count.
 * @example
 * let error;
 * try { arange(0, 1, 0); } catch (e) { error = e; }
 * error.name // => "ValueError"
 */
export class ValueError extends FirebrandError {}
/**
 * An argument of the wrong kind, or an unknown option.
 * @example
 * let error;
 * try { ones(2).sum({ axis: 0 }); } catch (e) { error = e; }
 * error.name // => "ArgumentError"
 */
export class ArgumentError extends FirebrandError {}
/**
 * Misuse of the graph: stale saved tensors, a leaf written in place, a second backward.
 * @example
 * let error;
 * try { ones(2, { requiresGrad: true }).add_(1); } catch (e) { error = e; }
 * error.name // => "AutogradError"
 */
export class AutogradError extends FirebrandError {}
/**
 * A file that is truncated, corrupt or of another format.
 * @example await loadSafetensors(new Uint8Array([1, 2, 3])).catch((e) => e.name) // => "FormatError"
 */
export class FormatError extends FirebrandError {}
/**
 * A file that wants a class or function called that is not known to be harmless; `data.global` names it.
 * @example new UnsafeGlobalError({ op: "load", message: "os.system" }).message // => "load: os.system"
 */
export class UnsafeGlobalError extends FormatError {}
/**
 * The file system refuses: no space left, no permission, no such folder. What stood there before is intact.
 * @example await io.saveSafetensors({}, "no/such/folder/x.safetensors").catch((e) => e.name) // => "FileError"
 */
export class FileError extends FirebrandError {}
/**
 * The device has no memory left for the request.
 * @example
 * let error;
 * try { zeros(2 ** 50); } catch (e) { error = e; }
 * error.name // => "OutOfMemoryError"
 */
export class OutOfMemoryError extends FirebrandError {}
/**
 * Use of a tensor that was freed by hand: by `scope`, `using` or `[Symbol.dispose]()`.
 * @example
 * let leaked, error;
 * scope(() => { leaked = ones(2); });
 * try { leaked.add(1); } catch (e) { error = e; }
 * error.name // => "DisposedError"
 */
export class DisposedError extends FirebrandError {}
/**
 * A matrix that is singular or not positive definite, an iteration that did not converge.
 * @example
 * let error;
 * try { linalg.inv(zeros(2, 2)); } catch (e) { error = e; }
 * error.name // => "LinAlgError"
 */
export class LinAlgError extends FirebrandError {}
/**
 * The backend has no kernel for this request.
 * @example new UnsupportedError({ op: "sort", message: "no kernel" }).message // => "sort: no kernel"
 */
export class UnsupportedError extends FirebrandError {}

/** Shapes in messages read like PyTorch's lists: `[2, 3]`. */
export const showShape = (shape: readonly number[]): string => `[${shape.join(", ")}]`;

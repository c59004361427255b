// Reads an index: basic parts become a view at once, index tensors remain.
import { checkTensor, given } from "../../core/arguments.ts";
import { ArgumentError, IndexError, showShape } from "../../core/errors.ts";
import { sameShape } from "../../core/layout.ts";
import { isTensor, type Tensor } from "../../core/tensor.ts";
import { tensor } from "../create.ts";
import { select, sliceDim, unsqueeze } from "../shape/index.ts";
import { checkIndex } from "./kernel.ts";
import { nonzeroParts } from "./nonzero.ts";
import { Slice, type Index } from "./slice.ts";

interface Parsed {
  view: Tensor;
  indices: (Tensor | null)[];
}

function parseText(text: string): Index[] {
  return text.split(",").map((part): Index => {
    const p = part.trim();
    if (p === "...") return "...";
    if (p === "None" || p === "null") return null;
    if (/^[+-]?\d+$/.test(p)) return Number(p);
    const m = /^([+-]?\d+)?\s*:\s*([+-]?\d+)?\s*(?::\s*([+-]?\d+)?)?$/.exec(p);
    if (!m) throw new ArgumentError({ op: "index", message: `cannot read "${p}"`, hint: 'Write like "1:3, ..., ::2"' });
    const num = (s: string | undefined): number | null => (s === undefined ? null : Number(s));
    return new Slice(num(m[1]), num(m[2]), num(m[3]));
  });
}

/** @internal Basic parts become a view; index tensors remain, one place a dimension of the view. */
export function parse(op: string, x: Tensor, args: readonly Index[]): Parsed {
  checkTensor(op, "input", x);
  const items = args.flatMap((a): Index[] => (typeof a === "string" ? parseText(a) : [a]));
  const tensors = items.map((a) => (Array.isArray(a) ? tensor(a as number[], { device: x.device }) : a));
  const used = tensors.reduce(
    (n: number, a) =>
      n +
      (a === null || a === "..." || typeof a === "boolean" ? 0 : isTensor(a) && (a.dtype === "bool" || a.dtype === "uint8") ? a.ndim : 1),
    0,
  );
  if (used > x.ndim)
    throw new IndexError({ op: "index", message: `${used} indices for shape ${showShape(x.shape)}`, hint: "At most one a dimension" });
  if (tensors.filter((a) => a === "...").length > 1)
    throw new IndexError({ op: "index", message: "more than one ellipsis", hint: "One stands for all dimensions not named" });
  if (!tensors.includes("...")) tensors.push("...");
  let view = x;
  let d = 0;
  const indices: (Tensor | null)[] = [];
  for (const a of tensors) {
    if (a === null) {
      view = unsqueeze(view, d++);
      indices.push(null);
    } else if (a === "...") {
      const skip = x.ndim - used;
      d += skip;
      for (let i = 0; i < skip; i++) indices.push(null);
    } else if (typeof a === "number") view = select(view, d, a);
    else if (typeof a === "boolean") {
      view = unsqueeze(view, d);
      indices.push(tensor(a ? [0] : [], { dtype: "int64", device: x.device }));
      d++;
    } else if (a instanceof Slice) {
      view = sliceDim(view, d++, a.start, a.stop, a.step);
      indices.push(null);
    } else if (isTensor(a) && (a.dtype === "bool" || a.dtype === "uint8")) {
      const at = view.shape.slice(d, d + a.ndim);
      if (!sameShape(at, a.shape))
        throw new IndexError({
          op: "index",
          message: `mask ${showShape(a.shape)} does not fit ${showShape(x.shape)} at dimension ${d}`,
          hint: "A mask has the sizes of the dimensions that it covers",
        });
      if (a.ndim === 0) {
        view = unsqueeze(view, d);
        indices.push(tensor(a.itemSync() ? [0] : [], { dtype: "int64", device: x.device }));
        d++;
      } else
        for (const part of nonzeroParts(a)) {
          indices.push(part);
          d++;
        }
    } else if (isTensor(a)) {
      indices.push(checkIndex("index", a));
      d++;
    } else
      throw new ArgumentError({
        op: "index",
        message: `cannot index with ${given(a)}`,
        hint: "Use numbers, slice(…), null, ellipsis, masks or integer tensors",
      });
  }
  return { view, indices };
}

// Complex numbers as pairs of real ones.
import { ShapeError, showShape, DTypeError } from "../../core/errors.ts";
import { layoutOf } from "../../core/layout.ts";
import { Tensor } from "../../core/tensor.ts";
import { toComplex, toReal, isComplex } from "../../core/dtype.ts";
import { composite, type Op, viewOf } from "../define.ts";

/**
 * A complex tensor as a real one with a last dimension [re, im], on the same memory.
 * @throws DTypeError for real tensors
 * @example viewAsReal(zeros(2, { dtype: "complex64" })).shape // => [2, 2]
 */
export const viewAsReal: Op<[]> = /*@__PURE__*/ composite({
  torch: "view_as_real",
  params: ["input"],
  forward: (x: Tensor) => {
    if (!isComplex(x.dtype))
      throw new DTypeError({ op: "viewAsReal", message: `got ${x.dtype}`, hint: "Only complex tensors have two parts" });
    const l = x.layout;
    const out = new Tensor(x.storage, layoutOf([...l.shape, 2], [...l.strides.map((s) => s * 2), 1], l.offset * 2), toReal(x.dtype));
    return linkView(out, x, (g) => viewAsComplex(g.contiguous()));
  },
});
/**
 * A real tensor (float32, float64) whose last dimension is [re, im] as a complex one, on the same memory.
 * @throws ShapeError when the pairs do not lie together
 * @example viewAsComplex(ones(3, 2)).dtype // => "complex64"
 */
export const viewAsComplex: Op<[]> = /*@__PURE__*/ composite({
  torch: "view_as_complex",
  params: ["input"],
  forward: (x: Tensor) => {
    const l = x.layout;
    const d = l.shape.length - 1;
    if ((x.dtype !== "float32" && x.dtype !== "float64") || l.shape[d] !== 2)
      throw new ShapeError({
        op: "viewAsComplex",
        message: `${x.dtype} of shape ${showShape(l.shape)}`,
        hint: "It needs float32 or float64 with a last dimension of 2",
      });
    if (l.strides[d] !== 1 || l.offset % 2 || l.strides.slice(0, d).some((s) => s % 2))
      throw new ShapeError({
        op: "viewAsComplex",
        message: `strides ${showShape(l.strides)} do not pair up`,
        hint: "Call contiguous() first",
      });
    const out = new Tensor(
      x.storage,
      layoutOf(
        l.shape.slice(0, d),
        l.strides.slice(0, d).map((s) => s / 2),
        l.offset / 2,
      ),
      toComplex(x.dtype),
    );
    return linkView(out, x, (g) => viewAsReal(g.contiguous()));
  },
});
function linkView(out: Tensor, x: Tensor, grad: (g: Tensor) => Tensor): Tensor {
  const v = viewOf("ViewAs", x, x.layout, grad);
  out.node = v.node;
  out.outputIndex = v.outputIndex;
  return out;
}

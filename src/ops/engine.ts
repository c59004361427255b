// What the autograd engine asks of the ops: it computes with gradients and knows no op by name.
import { provideArithmetic } from "../autograd/arithmetic.ts";
import * as copies from "./copy.ts";
import * as creation from "./create.ts";
import * as elementwise from "./pointwise/index.ts";
import { asStridedBackward } from "./shape/strided.ts";

provideArithmetic({
  add: (a, b) => elementwise.add(a, b),
  accumulate_: (into, g) => {
    elementwise.add.op.inplace!(into, g.detach());
  },
  clone: (t) => copies.rawCopy(t),
  onesLike: (t) => copies.rawFull(t.shape, 1, t.dtype, t.device),
  zerosLike: (t) => creation.zerosLike(t),
  fit: (g, like) => copies.fitTo(g, like.shape, like.dtype),
  asStridedBackward: (g, base, part) => asStridedBackward(g, base.layout, part.layout),
  window: (g, base, part) => {
    // The gradient laid out with the base's strides in a buffer of its own, so that the window can be found in it.
    const l = base.layout;
    let low = l.offset;
    let high = l.offset;
    l.shape.forEach((n, d) => {
      const span = (n - 1) * l.strides[d]!;
      if (span < 0) low += span;
      else high += span;
    });
    const flat = creation.zeros([high - low + 1], { dtype: g.dtype, device: g.device });
    const whole = flat.asStrided(l.shape, l.strides, l.offset - low);
    whole.copy_(g);
    return { whole, part: flat.asStrided(part.layout.shape, part.layout.strides, part.layout.offset - low) };
  },
  copy_: (into, from) => {
    copies.copy_(into, from);
  },
  hasNaN: (t) => elementwise.isnan(t.detach()).any().itemSync<boolean>(),
});

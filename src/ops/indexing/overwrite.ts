// A tensor takes over what another holds.
import { rebaseHistory } from "../../autograd/graph.ts";
import type { Tensor } from "../../core/tensor.ts";
import { rawCopy } from "../copy.ts";
import { launch } from "../launch.ts";

/** @internal Makes `x` hold what `result` holds, history included: the in-place form of any out-of-place op of self. */
export function overwrite(x: Tensor, result: Tensor): Tensor {
  launch("copy_", { kind: "copy" }, [x], [result.dtype === x.dtype ? result : rawCopy(result, x.dtype)]);
  x.storage.version.value++;
  if (result.node) rebaseHistory(x, result.node as never);
  return x;
}

// The identity, with a look at the gradients that come back through it.
import { primitive } from "./define.ts";
import type { Tensor } from "../core/tensor.ts";

/** Sees all gradients at once (null where none came), and may replace them. */
export type Watcher = (grads: (Tensor | null)[]) => readonly (Tensor | null)[] | void;

/** @internal The same tensors as one node of the graph, whose gradients pass by `see`. */
export const watch: (tensors: readonly Tensor[], see: Watcher) => Tensor[] = /*@__PURE__*/ primitive<
  (tensors: readonly Tensor[], see: Watcher) => Tensor[],
  [readonly Tensor[], Watcher]
>({
  torch: "_watch",
  params: ["tensors", "see"],
  forward: (_ctx, tensors) => [...tensors],
  backward: (ctx, ...grads) => [...(ctx.args[1](grads) ?? grads)],
});

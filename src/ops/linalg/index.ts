// torch.linalg for real and complex matrices. Factorisations run on the host; their gradients are written in ops.
export { solve, inv } from "./solve.ts";
export * from "./det.ts";
export * from "./cholesky.ts";
export * from "./qr.ts";
export { eigh, eigvalsh } from "./eigh.ts";
export * from "./svd.ts";
export * from "./norm.ts";
export { matmul } from "../matmul.ts";

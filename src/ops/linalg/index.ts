// torch.linalg for real matrices. Factorisations run on the host; their gradients are written in ops.
export { solve, inv } from "./solve.ts";
export * from "./det.ts";
export * from "./cholesky.ts";
export * from "./qr.ts";
export * from "./eigen.ts";
export * from "./norm.ts";

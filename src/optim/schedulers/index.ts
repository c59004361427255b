// Learning-rate schedulers, torch.optim.lr_scheduler.
export { LRScheduler } from "./base.ts";
export * from "./decay.ts";
export * from "./onecycle.ts";
export * from "./sequential.ts";

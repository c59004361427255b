// Normalisations of torch.nn.functional.
export * from "./channels.ts";
export * from "./rows.ts";

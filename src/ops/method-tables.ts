// Methods that are made of other methods. The tables serve the types (method-types.ts) and the prototype (methods.ts) alike.

/** PyTorch's second names; each also has its form that ends in `_`. */
export const ALIASES = {
  multiply: "mul",
  subtract: "sub",
  divide: "div",
  trueDivide: "div",
  absolute: "abs",
  negative: "neg",
  arccos: "acos",
  arcsin: "asin",
  arctan: "atan",
  arctan2: "atan2",
  arccosh: "acosh",
  arcsinh: "asinh",
  arctanh: "atanh",
  notEqual: "ne",
  less: "lt",
  lessEqual: "le",
  greater: "gt",
  greaterEqual: "ge",
  clip: "clamp",
  fix: "trunc",
} as const;

/** Ops that are no formulas: their form that ends in `_` computes aside, then takes the result over with its history. */
export const COMPUTED_ASIDE = [
  "scatter",
  "scatterAdd",
  "indexAdd",
  "indexFill",
  "indexCopy",
  "cumsum",
  "cumprod",
  "tril",
  "triu",
  "addmm",
  "addmv",
  "baddbmm",
  "addbmm",
  "addr",
] as const;

/** Views whose form that ends in `_` points the tensor itself elsewhere. */
export const VIEWS_IN_PLACE = ["squeeze", "unsqueeze", "t", "transpose", "swapaxes", "swapdims"] as const;

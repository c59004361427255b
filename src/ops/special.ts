// torch.special: special functions under their own names.
export {
  digamma,
  digamma as psi,
  erf,
  erfc,
  erfinv,
  exp2,
  expm1,
  lgamma as gammaln,
  log1p,
  logit,
  round,
  sigmoid as expit,
  xlogy,
} from "./pointwise/index.ts";
export { logsumexp } from "./reduce/index.ts";
export { logSoftmax, softmax } from "./softmax.ts";

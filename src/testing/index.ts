// firebrand/testing.
export { gradcheck, gradgradcheck, type GradcheckOptions } from "./gradcheck.ts";
export { registry, type OpInfo } from "../ops/define.ts";

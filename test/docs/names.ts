// The names that documentation examples may use without saying where they come from: everything the package exports.
import * as autograd from "../../src/autograd/index.ts";
import * as mode from "../../src/core/mode.ts";
import * as data from "../../src/data/index.ts";
import * as generation from "../../src/generation/index.ts";
import * as torch from "../../src/index.ts";
import * as io from "../../src/io/index.ts";
import * as kernel from "../../src/kernel/fused.ts";
import * as finetune from "../../src/finetune/index.ts";
import * as functional from "../../src/nn/functional.ts";
import * as hub from "../../src/hub/index.ts";
import * as models from "../../src/models/index.ts";
import * as init from "../../src/nn/init.ts";
import * as nn from "../../src/nn/index.ts";
import * as optim from "../../src/optim/index.ts";
import * as pipeline from "../../src/pipeline/index.ts";
import * as serving from "../../src/serve/index.ts";
import * as tokenizers from "../../src/tokenizers/index.ts";
import * as testing from "../../src/testing/index.ts";

/** Name to value; the main entry wins where two have the same name. */
export const names: Readonly<Record<string, unknown>> = {
  ...kernel,
  ...init,
  ...nn,
  ...functional,
  ...optim,
  ...data,
  ...io,
  ...hub,
  ...models,
  ...generation,
  ...finetune,
  ...serving,
  ...testing,
  ...tokenizers,
  ...pipeline,
  ...autograd,
  ...mode,
  ...torch,
  torch,
};

// Prints the peak of the tensors' memory in MB while a deep model computes gradients; checkpointed where the argument says "true".
import * as torch from "firebrand";
import { LlamaForCausalLM } from "firebrand/models";

torch.setNumThreads(1);
const model = new LlamaForCausalLM({
  vocabSize: 64,
  hiddenSize: 64,
  intermediateSize: 256,
  numHiddenLayers: 12,
  numAttentionHeads: 4,
}).train();
if (process.argv[2] === "true") model.gradientCheckpointingEnable();
const ids = torch.randint(0, 64, [8, 256]);
const before = process.memoryUsage.rss();
let peak = 0;
for (let i = 0; i < 2; i++) {
  model.zeroGrad();
  const { loss } = model.forward(ids, { labels: ids });
  peak = Math.max(peak, process.memoryUsage.rss());
  loss!.backward();
  peak = Math.max(peak, process.memoryUsage.rss());
}
console.log(Math.round((peak - before) / 1e6));

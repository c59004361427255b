// firebrand/models.
export { AutoConfig, AutoModel, AutoModelForCausalLM, type AutoClass } from "./auto.ts";
export { CausalModel, type BaseOutput, type CausalOptions, type CausalOutput, nextTokenLoss } from "./causal.ts";
export type { CommonConfig, ConfigReader } from "./config.ts";
export { folderFiles, givenFiles, type ModelFiles } from "./sources/files.ts";
export { type FromPretrainedOptions, PreTrainedModel } from "./pretrained.ts";
export { CacheBatch, type CacheSizes, KeyValueCache } from "./shared/cache.ts";
export { Conv1D, type GPT2Config, gpt2Config, GPT2LMHeadModel, GPT2Model } from "./gpt2.ts";
export { type LlamaConfig, llamaConfig, LlamaForCausalLM, LlamaModel } from "./llama.ts";
export { type MistralConfig, mistralConfig, MistralForCausalLM, MistralModel } from "./mistral.ts";
export { type Qwen2Config, qwen2Config, Qwen2ForCausalLM, Qwen2Model } from "./qwen2.ts";
export { type Qwen3Config, qwen3Config, Qwen3ForCausalLM, Qwen3Model } from "./qwen3.ts";
export { type Phi3Config, phi3Config, Phi3ForCausalLM, Phi3Model } from "./phi3.ts";
export { type Gemma2Config, gemma2Config, Gemma2ForCausalLM, Gemma2Model } from "./gemma2.ts";
export { type Gemma3TextConfig, gemma3TextConfig, Gemma3ForCausalLM, Gemma3TextModel } from "./gemma3.ts";

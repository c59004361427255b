"""Tiny models of every architecture with random weights, made by transformers, and what it computes with them.

python tools/record/language-models.py [NAME …]   writes test/models/recorded/NAME/{config.json,model.safetensors,expected.safetensors}
"""

import json
import os
import sys

import torch
import transformers as t
from safetensors.torch import load_file, save_file

OUT = os.path.join(os.path.dirname(__file__), "..", "..", "test", "models", "recorded")
VOCAB = 64
small = dict(
    vocab_size=VOCAB,
    hidden_size=16,
    intermediate_size=24,
    num_hidden_layers=2,
    num_attention_heads=4,
    num_key_value_heads=2,
    max_position_embeddings=128,
    initializer_range=0.3,
    bos_token_id=1,
    eos_token_id=2,
    pad_token_id=0,
)
rope = lambda kind, **more: dict(rope_parameters=dict(rope_type=kind, rope_theta=10000.0, **more))
CAUSAL = {
    "gpt2": lambda: t.GPT2Config(
        vocab_size=VOCAB, n_positions=128, n_embd=16, n_layer=2, n_head=4, initializer_range=0.3, bos_token_id=1, eos_token_id=2
    ),
    "llama": lambda: t.LlamaConfig(
        **small,
        **rope("llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=32),
    ),
    "llama-linear": lambda: t.LlamaConfig(
        **{**small, "num_key_value_heads": 4}, attention_bias=True, mlp_bias=True, tie_word_embeddings=True, **rope("linear", factor=2.0)
    ),
    "llama-yarn": lambda: t.LlamaConfig(**small, **rope("yarn", factor=4.0, original_max_position_embeddings=32)),
    "mistral": lambda: t.MistralConfig(**small, sliding_window=5),
    "qwen2": lambda: t.Qwen2Config(**small, use_sliding_window=True, sliding_window=6, max_window_layers=1, tie_word_embeddings=True),
    "qwen3": lambda: t.Qwen3Config(**small, head_dim=8),
    "phi3": lambda: t.Phi3Config(
        **{**small, "hidden_size": 32},
        original_max_position_embeddings=40,
        rope_parameters=dict(
            rope_type="longrope",
            rope_theta=10000.0,
            partial_rotary_factor=0.5,
            original_max_position_embeddings=40,
            short_factor=[1.0, 1.1],
            long_factor=[1.5, 2.5],
        ),
    ),
    "gemma2": lambda: t.Gemma2Config(**small, head_dim=8, sliding_window=5, query_pre_attn_scalar=8),
    "gemma3": lambda: t.Gemma3TextConfig(
        **small, head_dim=8, sliding_window=5, query_pre_attn_scalar=8, layer_types=["sliding_attention", "full_attention"]
    ),
}


def randomise(model):
    # Norms and biases too, so that none is left at 0 or 1.
    torch.manual_seed(1)
    with torch.no_grad():
        for name, p in model.named_parameters():
            if p.ndim == 1:
                p.add_(torch.randn_like(p) * 0.1)


def causal(name, config):
    torch.manual_seed(0)
    config._attn_implementation = "eager"
    model = t.AutoModelForCausalLM.from_config(config, attn_implementation="eager").eval()
    randomise(model)
    folder = os.path.join(OUT, name)
    model.save_pretrained(folder)
    os.path.exists(os.path.join(folder, "generation_config.json")) and os.remove(os.path.join(folder, "generation_config.json"))
    g = torch.Generator().manual_seed(2)
    ids = torch.randint(3, VOCAB, (2, 12), generator=g)
    out = {"ids": ids}
    r = model(ids, output_hidden_states=True, labels=ids)
    out["logits"] = r.logits
    for i, h in enumerate(r.hidden_states):
        out[f"hidden.{i}"] = h
    out["loss"] = r.loss
    r.loss.backward()
    for key, p in model.named_parameters():
        out[f"grad.{key}"] = p.grad
    greedy = dict(max_new_tokens=64, do_sample=False, eos_token_id=None, pad_token_id=0)
    with torch.no_grad():
        out["greedy"] = model.generate(ids[:1], attention_mask=torch.ones(1, 12, dtype=torch.long), **greedy)
        # The second row is 5 shorter: padding on the left.
        mask = torch.ones(2, 12, dtype=torch.long)
        mask[1, :5] = 0
        padded = ids.masked_fill(mask == 0, 0)
        out["padded.ids"], out["padded.mask"] = padded, mask
        out["padded.greedy"] = model.generate(padded, attention_mask=mask, **{**greedy, "max_new_tokens": 16})
    save_file({k: v.detach().contiguous() for k, v in out.items()}, os.path.join(folder, "expected.safetensors"))


def meta():
    """The tiny LLaMA as Meta publishes: two files, each with half of every matrix, rows of queries and keys interleaved."""
    source = os.path.join(OUT, "llama-linear")
    state = load_file(os.path.join(source, "model.safetensors"))
    config = json.load(open(os.path.join(source, "config.json")))
    heads, width = config["num_attention_heads"], config["hidden_size"]

    def interleaved(w):  # the inverse of `permute` in transformers' convert_llama_weights_to_hf.py
        return w.view(heads, 2, w.shape[0] // heads // 2, w.shape[1]).transpose(1, 2).reshape(w.shape)

    names = {
        "self_attn.q_proj": ("attention.wq", 0),
        "self_attn.k_proj": ("attention.wk", 0),
        "self_attn.v_proj": ("attention.wv", 0),
        "self_attn.o_proj": ("attention.wo", 1),
        "mlp.gate_proj": ("feed_forward.w1", 0),
        "mlp.down_proj": ("feed_forward.w2", 1),
        "mlp.up_proj": ("feed_forward.w3", 0),
        "input_layernorm": ("attention_norm", None),
        "post_attention_layernorm": ("ffn_norm", None),
    }
    folder = os.path.join(OUT, "..", "meta")
    os.makedirs(folder, exist_ok=True)
    shards = [{}, {}]

    def put(name, w, dim):
        for shard, part in zip(shards, [w, w] if dim is None else w.chunk(2, dim)):
            shard[name] = part.clone().to(torch.bfloat16)

    put("tok_embeddings.weight", state["model.embed_tokens.weight"], 1)
    put("output.weight", state["model.embed_tokens.weight"], 0)
    put("norm.weight", state["model.norm.weight"], None)
    for i in range(config["num_hidden_layers"]):
        for theirs, (ours, dim) in names.items():
            w = state[f"model.layers.{i}.{theirs}.weight"]
            put(f"layers.{i}.{ours}.weight", interleaved(w) if "wq" in ours or "wk" in ours else w, dim)
    for i, shard in enumerate(shards):
        torch.save(shard, os.path.join(folder, f"consolidated.{i:02}.pth"))
    params = dict(dim=width, n_layers=2, n_heads=heads, vocab_size=-1, multiple_of=4, norm_eps=config["rms_norm_eps"])
    json.dump(params, open(os.path.join(folder, "params.json"), "w"))
    # The same without biases, which Meta's layout has not, in bfloat16 as it is published.
    plain = t.LlamaConfig(**{**small, "num_key_value_heads": 4}, tie_word_embeddings=True)
    model = t.AutoModelForCausalLM.from_config(plain, attn_implementation="eager").eval()
    model.load_state_dict({k: v.to(torch.bfloat16).float() for k, v in state.items() if not k.endswith("bias")}, strict=False)
    ids = torch.arange(3, 15).unsqueeze(0)
    save_file({"ids": ids, "logits": model(ids).logits.detach()}, os.path.join(folder, "expected.safetensors"))


def nanogpt():
    """The tiny GPT-2 as nanoGPT's training script saves it: matrices [out, in], the names of torch.compile."""
    state = load_file(os.path.join(OUT, "gpt2", "model.safetensors"))
    config = json.load(open(os.path.join(OUT, "gpt2", "config.json")))
    linear = ("attn.c_attn.weight", "attn.c_proj.weight", "mlp.c_fc.weight", "mlp.c_proj.weight")
    model = {f"_orig_mod.{k}": v.t().contiguous() if k.endswith(linear) else v for k, v in state.items()}
    model["_orig_mod.lm_head.weight"] = state["transformer.wte.weight"]
    args = dict(n_layer=2, n_head=4, n_embd=16, block_size=config["n_positions"], bias=True, vocab_size=VOCAB, dropout=0.0)
    torch.save({"model": model, "model_args": args, "iter_num": 7}, os.path.join(OUT, "..", "nanogpt.pt"))


wanted = sys.argv[1:]
for name, config in CAUSAL.items():
    if not wanted or name in wanted:
        causal(name, config())
        print(name)
if not wanted or "meta" in wanted:
    meta()
if not wanted or "nanogpt" in wanted:
    nanogpt()

"""Records what transformers' logits processors and generate give:
python tools/record/generation.py   (writes test/generation/*.json and *.safetensors)"""
import json
import pathlib

import torch
from safetensors.torch import save_file
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM
from transformers.generation import logits_process as lp

here = pathlib.Path(__file__).resolve().parents[2] / "test" / "generation"
torch.set_num_threads(1)


def numbers(t):
    return [None if x == -float("inf") else x for x in t.flatten().tolist()]


def rounded(t):
    return [None if x == -float("inf") else round(x, 5) for x in t.flatten().tolist()]


def processors():
    torch.manual_seed(0)
    scores = torch.randn(3, 40) * 3
    ids = torch.randint(0, 40, (3, 12))
    ids[0, 5:9] = ids[0, 0:4]  # so that n-grams repeat
    ids[1, -2:] = ids[1, 1:3]
    some = scores.masked_fill(torch.rand(3, 40) < 0.5, -float("inf"))
    made = {
        "temperature": lp.TemperatureLogitsWarper(0.7),
        "topK": lp.TopKLogitsWarper(5),
        "topK keep": lp.TopKLogitsWarper(2, min_tokens_to_keep=3),
        "topP": lp.TopPLogitsWarper(0.8),
        "topP low": lp.TopPLogitsWarper(0.05),
        "topP keep": lp.TopPLogitsWarper(0.05, min_tokens_to_keep=4),
        "minP": lp.MinPLogitsWarper(0.1),
        "minP keep": lp.MinPLogitsWarper(0.9, min_tokens_to_keep=3),
        "typical": lp.TypicalLogitsWarper(0.6),
        "typical keep": lp.TypicalLogitsWarper(0.1, min_tokens_to_keep=3),
        "repetition": lp.RepetitionPenaltyLogitsProcessor(1.3),
        "repetition less": lp.RepetitionPenaltyLogitsProcessor(0.5),
        "ngram 1": lp.NoRepeatNGramLogitsProcessor(1),
        "ngram 3": lp.NoRepeatNGramLogitsProcessor(3),
        "badWords": lp.NoBadWordsLogitsProcessor([[3], [7], ids[1, -2:].tolist() + [9], ids[2, -1:].tolist() + [0]], eos_token_id=7),
        "suppress": lp.SuppressTokensLogitsProcessor([0, 39, 5]),
        "minNewTokens": lp.MinNewTokensLengthLogitsProcessor(8, 5, [2, 4]),
        "minNewTokens over": lp.MinNewTokensLengthLogitsProcessor(8, 4, [2, 4]),
    }
    return {
        "ids": ids.tolist(),
        "scores": numbers(scores),
        "some": numbers(some),
        "cases": {name: {"all": numbers(p(ids, scores)), "some": numbers(p(ids, some))} for name, p in made.items()},
    }


CASES = {
    "greedy": {},
    "greedy to eos": dict(eos_token_id=[11, 40], max_new_tokens=30),
    "greedy repetition": dict(repetition_penalty=1.5),
    "greedy ngram": dict(no_repeat_ngram_size=2),
    "greedy min": dict(eos_token_id=[11, 40], min_new_tokens=8),
    "greedy bad words": dict(bad_words_ids=[[27], [58, 11]], suppress_tokens=[1, 2]),
    "sample": dict(do_sample=True),
    "sample all": dict(do_sample=True, top_k=0),
    "sample warm": dict(do_sample=True, temperature=1.7, top_k=12),
    "sample top p": dict(do_sample=True, top_k=0, top_p=0.7, temperature=0.8),
    "sample top k p": dict(do_sample=True, top_k=20, top_p=0.9),
    "sample min p": dict(do_sample=True, min_p=0.05, top_k=0),
    "sample typical": dict(do_sample=True, typical_p=0.5),
    "sample several": dict(do_sample=True, num_return_sequences=3, eos_token_id=[11, 40]),
    "beams": dict(num_beams=3),
    "beams eos": dict(num_beams=4, eos_token_id=[11, 40, 7, 20], num_return_sequences=3, max_new_tokens=14),
    "beams short": dict(num_beams=3, eos_token_id=[11, 40, 7], length_penalty=-1.0, max_new_tokens=14),
    "beams long": dict(num_beams=3, eos_token_id=[11, 40, 7, 20, 33], length_penalty=2.0, early_stopping="never", max_new_tokens=14),
    "beams early": dict(num_beams=4, eos_token_id=[11, 40, 7, 20, 33], early_stopping=True, num_return_sequences=2, max_new_tokens=14),
    "beams ngram": dict(num_beams=3, no_repeat_ngram_size=2, repetition_penalty=1.2),
    "beams sample": dict(num_beams=3, do_sample=True, temperature=1.3, eos_token_id=[11, 40], num_return_sequences=2),
}


SIZES = dict(vocab_size=64, initializer_range=0.35, bos_token_id=None, eos_token_id=None)
MODELS = {
    "gpt2": lambda: GPT2LMHeadModel(GPT2Config(n_positions=48, n_embd=16, n_layer=2, n_head=2, **SIZES)),
    "llama": lambda: LlamaForCausalLM(
        LlamaConfig(
            max_position_embeddings=48,
            hidden_size=16,
            intermediate_size=32,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            **SIZES,
        )
    ),
}


def generations(architecture):
    torch.manual_seed(0)
    model = MODELS[architecture]().eval()
    weights = {k: v.contiguous().half() for k, v in model.state_dict().items() if not (architecture == "gpt2" and k == "lm_head.weight")}
    save_file(weights, here / f"{architecture}.safetensors")
    for p in model.parameters():
        p.data = p.data.half().float()
    one = torch.tensor([[3, 14, 15, 9, 2, 6]])
    ids = torch.tensor([[3, 14, 15, 9, 2, 6], [0, 0, 0, 27, 18, 28], [31, 41, 59, 26, 53, 58]])
    mask = torch.tensor([[1] * 6, [0] * 3 + [1] * 3, [1] * 6])
    out = {"logits": numbers(model(one).logits[:, -1]), "cases": []}
    for name, options in CASES.items():
        for prompt, attention in ((one, torch.ones_like(one)), (ids, mask)):
            torch.manual_seed(7)
            o = {"max_new_tokens": 10, "pad_token_id": 63, **options}
            made = model.generate(prompt, attention_mask=attention, return_dict_in_generate=True, output_scores=True, **o)
            case = {"name": name, "options": o, "padded": len(prompt) > 1, "sequences": made.sequences[:, 6:].tolist()}
            if o.get("num_beams", 1) > 1:
                case["scores"] = made.sequences_scores.tolist()
            else:
                case["logprobs"] = rounded(model.compute_transition_scores(made.sequences, made.scores, normalize_logits=True))
            out["cases"].append(case)
    return out


def dump(name, value):
    text = json.dumps(value, separators=(",", ":")).replace("-Infinity", "null")
    (here / name).write_text(text + "\n")


dump("processors.json", processors())
for architecture in MODELS:
    dump(f"{architecture}.json", generations(architecture))

"""LoRA as PEFT computes it: losses of training runs, adapters as PEFT saves them, and what it computes with them.

python tools/record/finetune.py   writes test/finetune/recorded/; the base models are those of tools/record/language-models.py
"""

import json
import os
import shutil

import peft
import torch
import transformers as t
from safetensors.torch import load_file, save_file

HERE = os.path.dirname(__file__)
MODELS = os.path.join(HERE, "..", "..", "test", "models", "recorded")
OUT = os.path.join(HERE, "..", "..", "test", "finetune", "recorded")
STEPS, BATCH, LENGTH = 60, 4, 16
# Any text will do: its characters are tokens, modulo the vocabulary of 64.
TEXT = (
    "It is a truth universally acknowledged, that a single man in possession of a good fortune, must be in want of a wife. However little known the "
    "feelings or views of such a man may be on his first entering a neighbourhood, this truth is so well fixed in the minds of the surrounding "
    "families, that he is considered the rightful property of some one or other of their daughters."
)
data = torch.tensor([ord(c) % 64 for c in TEXT])
ids = torch.tensor([[ord(c) % 64 for c in "a good fortune"], [ord(c) % 64 for c in "the rightful p"]])
# The options of LoraConfig as JSON of either library has them; `null` stands for PEFT's own choice.
RUNS = {
    "linear": ("llama", dict(r=4, lora_alpha=8, target_modules="all-linear")),
    "dropout": ("llama", dict(r=2, lora_alpha=4, lora_dropout=0.2, target_modules=["q_proj", "v_proj", "down_proj"])),
    "stable": ("llama", dict(r=4, lora_alpha=8, use_rslora=True, init_lora_weights="gaussian", target_modules=r".*\.mlp\.(up|gate)_proj")),
    "patterns": (
        "llama",
        dict(r=4, lora_alpha=8, target_modules=["q_proj", "k_proj"], rank_pattern={"k_proj": 2}, alpha_pattern={"0.self_attn.q_proj": 16}, layers_to_transform=[0, 1]),
    ),
    "conv1d": ("gpt2", dict(r=4, lora_alpha=8, target_modules=None, fan_in_fan_out=True, bias="lora_only")),
    "whole": ("gpt2", dict(r=2, lora_alpha=4, target_modules=["c_fc"], fan_in_fan_out=True, bias="all", modules_to_save=["ln_f"])),
}
# Dropout of the base model is left out: the curves are to show the adapters'.
PLAIN = dict(attn_implementation="eager", resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0)


def base(name):
    options = PLAIN if name == "gpt2" else dict(attn_implementation="eager")
    return t.AutoModelForCausalLM.from_pretrained(os.path.join(MODELS, name), **options)


shutil.rmtree(OUT, ignore_errors=True)
os.makedirs(OUT)
curves = {}
for run, (name, options) in RUNS.items():
    model = base(name)
    torch.manual_seed(7)
    model = peft.get_peft_model(model, peft.LoraConfig(**options))
    initial = {k: v.clone() for k, v in peft.get_peft_model_state_dict(model).items()}
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=1e-2)
    order = torch.Generator().manual_seed(1337)
    losses = []
    model.train()
    for _ in range(STEPS):
        starts = torch.randint(0, len(data) - LENGTH + 1, (BATCH,), generator=order)
        x = torch.stack([data[s : s + LENGTH] for s in starts])
        loss = model(x, labels=x).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(round(loss.item(), 6))
    model.eval()
    folder = os.path.join(OUT, run)
    model.save_pretrained(folder, safe_serialization=run != "stable")
    if run == "stable":  # Newer versions of PEFT write safetensors only; the old format is a pickled state dict.
        if not os.path.exists(os.path.join(folder, "adapter_model.bin")):
            torch.save(load_file(os.path.join(folder, "adapter_model.safetensors")), os.path.join(folder, "adapter_model.bin"))
            os.remove(os.path.join(folder, "adapter_model.safetensors"))
    os.remove(os.path.join(folder, "README.md"))
    config = json.load(open(os.path.join(folder, "adapter_config.json")))
    json.dump({**config, "base_model_name_or_path": name}, open(os.path.join(folder, "adapter_config.json"), "w"), indent=2, sort_keys=True)
    with torch.no_grad():
        logits = model(ids).logits
    save_file({"ids": ids, "logits": logits, **{f"initial.{k}": v.contiguous() for k, v in initial.items() if "lora_A" in k}}, os.path.join(folder, "expected.safetensors"))
    trainable, total = model.get_nb_trainable_parameters()
    options = {k: v for k, v in options.items() if v is not None}
    curves[run] = dict(model=name, options=options, losses=losses, trainable=trainable, total=total)
    print(run, losses[0], losses[-1], sum(os.path.getsize(os.path.join(folder, f)) for f in os.listdir(folder)))

# Two adapters added up.
model = peft.PeftModel.from_pretrained(base("llama"), os.path.join(OUT, "linear"), adapter_name="a")
torch.manual_seed(8)
model.add_adapter("b", peft.LoraConfig(r=4, lora_alpha=4, target_modules="all-linear", init_lora_weights=False))
save_file({k: v.contiguous() for k, v in peft.get_peft_model_state_dict(model, adapter_name="b").items()}, os.path.join(OUT, "b.safetensors"))
out = {"ids": ids}
with torch.no_grad():
    for kind in ("linear", "cat"):
        model.add_weighted_adapter(["a", "b"], [0.7, -0.4], kind, combination_type=kind)
        model.set_adapter(kind)
        out[kind] = model(ids).logits
    model.base_model.set_adapter(["a", "b"])
    out["stacked"] = model(ids).logits
save_file(out, os.path.join(OUT, "weighted.safetensors"))
json.dump(dict(peft=peft.__version__, torch=torch.__version__, text=TEXT, batch=BATCH, length=LENGTH, curves=curves), open(os.path.join(OUT, "curves.json"), "w"), indent=1)

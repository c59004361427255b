"""PEFT's part of tools/peft/main.ts: trains the same adapter, and computes with the adapters that Firebrand saved. Called with a folder."""

import json
import os
import sys

import peft
import torch
import transformers
from safetensors.torch import save_file

folder = sys.argv[1]
job = json.load(open(os.path.join(folder, "job.json")))
ids, data = torch.tensor(job["ids"]), torch.tensor(job["data"])
base = lambda: transformers.AutoModelForCausalLM.from_pretrained(os.path.join(folder, "base"), attn_implementation="eager")
out = {}
for name in ("ours", "ours-bin"):
    model = peft.PeftModel.from_pretrained(base(), os.path.join(folder, name))
    with torch.no_grad():
        out[name] = model(ids).logits
        out[name + ".merged"] = model.merge_and_unload()(ids).logits

torch.manual_seed(job["seed"])
model = base()
model = peft.get_peft_model(model, peft.LoraConfig(r=job["r"], lora_alpha=job["alpha"], lora_dropout=job["dropout"], target_modules="all-linear"))
optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=job["lr"])
order = torch.Generator().manual_seed(job["seed"])
losses = []
model.train()
for _ in range(job["steps"]):
    starts = torch.randint(0, len(data) - job["length"] + 1, (job["batch"],), generator=order)
    x = torch.stack([data[s : s + job["length"]] for s in starts])
    loss = model(x, labels=x).loss
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    losses.append(loss.item())
model.eval()
model.save_pretrained(os.path.join(folder, "theirs"))
with torch.no_grad():
    out["theirs"] = model(ids).logits
out["losses"] = torch.tensor(losses)
save_file({k: v.contiguous() for k, v in out.items()}, os.path.join(folder, "out.safetensors"))
print(f"PEFT {peft.__version__}, transformers {transformers.__version__}, PyTorch {torch.__version__}")

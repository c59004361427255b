"""What transformers generates with an encoder-decoder whose folder has a generation_config.json.

python tools/record/seq2seq-generation.py   writes test/models/seq2seq-generation.json: the files and the tokens, for the models of
test/models/seq2seq (tools/record/encoder-models.py makes these).
"""

import json
import os
import shutil
import tempfile

import torch
import transformers as t
from safetensors.torch import load_file

ROOT = os.path.join(os.path.dirname(__file__), "..", "..", "test", "models")
CONFIGS = {
    "length": dict(max_length=9, decoder_start_token_id=0, eos_token_id=1, pad_token_id=0),
    "start": dict(max_new_tokens=6, decoder_start_token_id=5, eos_token_id=[1, 7], pad_token_id=0),
    "beams": dict(
        num_beams=3, max_length=11, min_length=5, length_penalty=0.6, early_stopping=True, no_repeat_ngram_size=2, repetition_penalty=1.4,
        decoder_start_token_id=4, eos_token_id=1, pad_token_id=0,
    ),
}

out = {}
for name in ("t5", "t5-v1.1"):
    source = os.path.join(ROOT, "seq2seq", name)
    recorded = load_file(os.path.join(source, "expected.safetensors"))
    for label, config in CONFIGS.items():
        with tempfile.TemporaryDirectory() as folder:
            for file in ("config.json", "model.safetensors"):
                shutil.copy(os.path.join(source, file), folder)
            with open(os.path.join(folder, "generation_config.json"), "w") as f:
                json.dump(config, f)
            model = t.T5ForConditionalGeneration.from_pretrained(folder).eval()
            with torch.no_grad():
                given = dict(inputs=recorded["input_ids"], attention_mask=recorded["attention_mask"])
                ids = model.generate(**given)
                bounded = model.generate(**given, max_new_tokens=3, num_beams=1)
                out[f"{name} {label}"] = dict(model=name, config=config, sequences=ids.tolist(), bounded=bounded.tolist())
with open(os.path.join(ROOT, "seq2seq-generation.json"), "w") as f:
    json.dump(out, f)

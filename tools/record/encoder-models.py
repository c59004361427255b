"""Tiny encoders and encoder-decoders with random weights, made by transformers, and what it computes with them.

python tools/record/encoder-models.py [NAME …]   writes test/models/encoders/NAME or test/models/seq2seq/NAME:
config.json, model.safetensors, expected.safetensors. An encoder's file holds the weights of all its heads at once.
"""

import os
import sys

import torch
import transformers as t
from safetensors.torch import load_file, save_file

ROOT = os.path.join(os.path.dirname(__file__), "..", "..", "test", "models")
VOCAB = 40
labels = dict(id2label={0: "NEGATIVE", 1: "POSITIVE"}, label2id={"NEGATIVE": 0, "POSITIVE": 1})
small = dict(
    vocab_size=VOCAB,
    hidden_size=8,
    intermediate_size=12,
    num_hidden_layers=2,
    num_attention_heads=2,
    max_position_embeddings=24,
    initializer_range=0.5,
    **labels,
)
ENCODERS = {
    "bert": lambda: t.BertConfig(**small),
    "roberta": lambda: t.RobertaConfig(**small, type_vocab_size=1, layer_norm_eps=1e-5),
    "distilbert": lambda: t.DistilBertConfig(
        vocab_size=VOCAB, dim=8, hidden_dim=12, n_layers=2, n_heads=2, max_position_embeddings=24, initializer_range=0.5, **labels
    ),
}
t5 = dict(
    vocab_size=VOCAB,
    d_model=12,
    d_kv=4,
    d_ff=16,
    num_layers=2,
    num_heads=3,
    relative_attention_num_buckets=8,
    relative_attention_max_distance=12,
    decoder_start_token_id=0,
)
SEQ2SEQ = {
    "t5": lambda: t.T5Config(**t5, initializer_factor=1.5),
    "t5-v1.1": lambda: t.T5Config(**t5, num_decoder_layers=1, feed_forward_proj="gated-gelu", tie_word_embeddings=False),
}


def randomise(model, seed=1):
    # Norms and biases too, so that none is left at 0 or 1.
    torch.manual_seed(seed)
    with torch.no_grad():
        for _, p in model.named_parameters():
            if p.ndim == 1:
                p.add_(torch.randn_like(p) * 0.2)


def write(folder, out):
    save_file({k: v.detach().clone().contiguous() for k, v in out.items()}, os.path.join(folder, "expected.safetensors"))


def graded(out, name, model, loss):
    out[f"{name}.loss"] = loss
    loss.backward()
    for key, p in model.named_parameters():
        if p.grad is not None:
            out[f"{name}.grad.{key}"] = p.grad


def encoder(name, config):
    folder = os.path.join(ROOT, "encoders", name)
    state = {}
    classes = dict(
        base=t.AutoModel,
        mlm=t.AutoModelForMaskedLM,
        sequence=t.AutoModelForSequenceClassification,
        token=t.AutoModelForTokenClassification,
        answer=t.AutoModelForQuestionAnswering,
    )
    models = {}
    for i, (kind, cls) in enumerate(classes.items()):
        torch.manual_seed(i)
        m = cls.from_config(config, attn_implementation="eager").eval()
        randomise(m, i + 1)
        prefix = f"{m.base_model_prefix}." if kind == "base" else ""
        mine = {prefix + k: v for k, v in m.state_dict().items()}
        fresh = {k: v.clone() for k, v in mine.items() if k not in state}
        # The first that has a tensor says what it is.
        m.load_state_dict({k[len(prefix) :]: state.get(k, v) for k, v in mine.items()})
        state.update(fresh)
        models[kind] = m
    models["mlm"].save_pretrained(folder)
    tied = [k for k in models["mlm"].state_dict() if k not in load_file(os.path.join(folder, "model.safetensors"))]
    save_file({k: v.contiguous() for k, v in state.items() if k not in tied}, os.path.join(folder, "model.safetensors"), metadata={"format": "pt"})

    g = torch.Generator().manual_seed(2)
    ids = torch.randint(5, VOCAB, (2, 11), generator=g)
    mask = torch.ones(2, 11, dtype=torch.long)
    mask[1, 7:] = 0
    ids = ids.masked_fill(mask == 0, config.pad_token_id)
    both = dict(input_ids=ids, attention_mask=mask)
    if name == "bert":
        types = torch.zeros(2, 11, dtype=torch.long)
        types[:, 4:] = 1
        both["token_type_ids"] = types
    out = dict(both)
    r = models["base"](**both, output_hidden_states=True)
    for i, h in enumerate(r.hidden_states):
        out[f"hidden.{i}"] = h
    if getattr(r, "pooler_output", None) is not None:
        out["pooled"] = r.pooler_output
    want = ids.clone()
    want[torch.rand(2, 11, generator=g) < 0.5] = -100
    want[mask == 0] = -100
    classes = torch.randint(0, 2, (2, 11), generator=g).masked_fill(mask == 0, -100)
    for kind, given in dict(
        mlm=dict(labels=want),
        sequence=dict(labels=torch.tensor([1, 0])),
        token=dict(labels=classes),
        # The second answer lies outside and is left out of the loss.
        answer=dict(start_positions=torch.tensor([2, 1]), end_positions=torch.tensor([5, 30])),
    ).items():
        r = models[kind](**both, **given)
        for k, v in given.items():
            out[f"{kind}.{k}"] = v
        for k in ("logits", "start_logits", "end_logits"):
            if k in r:
                out[f"{kind}.{k}"] = r[k]
        graded(out, kind, models[kind], r.loss)
    for problem, given in dict(
        regression=torch.tensor([[0.3, -1.0], [2.0, 0.5]]), multi_label_classification=torch.tensor([[1.0, 0.0], [1.0, 1.0]])
    ).items():
        models["sequence"].config.problem_type = problem
        out[f"{problem}.labels"] = given
        out[f"{problem}.loss"] = models["sequence"](**both, labels=given).loss
    write(folder, out)


def seq2seq(name, config):
    folder = os.path.join(ROOT, "seq2seq", name)
    torch.manual_seed(0)
    model = t.T5ForConditionalGeneration(config).eval()
    model.set_attn_implementation("eager")
    randomise(model)
    if name == "t5-v1.1":
        # A head of its own.
        model.lm_head.weight = torch.nn.Parameter(torch.randn_like(model.shared.weight))
    model.save_pretrained(folder)
    os.remove(os.path.join(folder, "generation_config.json"))
    g = torch.Generator().manual_seed(2)
    ids = torch.randint(3, VOCAB, (2, 20), generator=g)
    mask = torch.ones(2, 20, dtype=torch.long)
    mask[1, 9:] = 0
    ids = ids.masked_fill(mask == 0, 0)
    want = torch.randint(3, VOCAB, (2, 14), generator=g)
    want[1, 6:] = -100
    out = dict(input_ids=ids, attention_mask=mask, labels=want)
    r = model(input_ids=ids, attention_mask=mask, labels=want, output_hidden_states=True)
    out["logits"] = r.logits
    for i, h in enumerate(r.encoder_hidden_states):
        out[f"encoder.{i}"] = h
    for i, h in enumerate(r.decoder_hidden_states):
        out[f"decoder.{i}"] = h
    graded(out, "lm", model, r.loss)
    model.generation_config.eos_token_id = None
    greedy = dict(do_sample=False, pad_token_id=0, decoder_start_token_id=0)
    with torch.no_grad():
        out["greedy"] = model.generate(ids[:1], max_new_tokens=64, **greedy)
        out["padded.greedy"] = model.generate(ids, attention_mask=mask, max_new_tokens=16, **greedy)
        model.generation_config.eos_token_id = 1
        out["beams"] = model.generate(
            ids, attention_mask=mask, max_new_tokens=16, num_beams=3, num_return_sequences=2, eos_token_id=1, **greedy
        )
    attention = type(model.encoder.block[0].layer[0].SelfAttention)
    distances = torch.arange(-300, 301)  # buckets are recorded for these
    for bidirectional in (True, False):
        for buckets, longest in ((32, 128), (8, 12), (20, 77)):
            out[f"buckets.{bidirectional}.{buckets}.{longest}"] = attention._relative_position_bucket(
                distances, bidirectional, buckets, longest
            ).to(torch.uint8)
    if name != "t5":
        out = {k: v for k, v in out.items() if not k.startswith("buckets")}
    write(folder, out)


wanted = sys.argv[1:]
for kinds, make in ((ENCODERS, encoder), (SEQ2SEQ, seq2seq)):
    for name, config in kinds.items():
        if not wanted or name in wanted:
            make(name, config())
            print(name)

"""What transformers' pipelines give with random models and real vocabularies.

python tools/record/pipelines.py FOLDER   FOLDER holds bert_base_uncased_vocab.txt, gpt2_bpe_encoder.json, gpt2_bpe_vocab.bpe and
t5_tokenizer_base.model; writes test/pipeline/expected.json. Version 5 of transformers has no pipelines for question answering, summarization
and translation: what a version has is written over what is there, so run it with version 4 (4.57.1) first and then with 5.

Weights are drawn with PyTorch's generator, parameter by parameter in the order of their names: the test draws the same.
"""

import json
import os
import sys

import torch
import transformers as t

folder = sys.argv[1]
OUT = os.path.join(os.path.dirname(__file__), "..", "..", "test", "pipeline", "expected.json")
at = lambda name: os.path.join(folder, name)


def drawn(model, seed, scale):
    torch.manual_seed(seed)
    with torch.no_grad():
        for _, p in sorted(model.named_parameters()):
            p.copy_(torch.randn(p.shape) * scale)
    return model.eval()


vocab = {line.rstrip("\n"): i for i, line in enumerate(open(at("bert_base_uncased_vocab.txt"), encoding="utf8"))}
bert_tokenizer = t.BertTokenizerFast(at("bert_base_uncased_vocab.txt")) if t.__version__ < "5" else t.BertTokenizer(vocab=vocab)
bert_tokenizer.model_max_length = 64
tags = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]
bert = lambda **more: t.BertConfig(
    hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=2, max_position_embeddings=64, **more
)
texts = [
    "Hello, I'm Ada Lovelace from London; my colleague Ångström-Müller lives in Zürich.",
    "The quick brown fox!",
    "Unbelievably, 東京 is 3rd ☃ of 12.5 cities, isn't it?",
]
made = json.load(open(OUT)) if os.path.exists(OUT) else {}
versions = made.setdefault("versions", {})


def record(task, run):
    made[task] = run()
    versions[task] = t.__version__


def classification():
    names = {0: "LABEL_0", 1: "LABEL_1", 2: "LABEL_2"}
    model = drawn(t.BertForSequenceClassification(bert(id2label=names)), 1, 1.0)
    pipe = t.pipeline("text-classification", model=model, tokenizer=bert_tokenizer)
    out = dict(one=pipe(texts[0]), several=pipe(texts), top=pipe(texts, top_k=2), all=pipe(texts[0], top_k=None))
    out["sigmoid"] = pipe(texts, top_k=None, function_to_apply="sigmoid")
    out["raw"] = pipe(texts[1], function_to_apply="none")
    out["pair"] = pipe(dict(text=texts[1], text_pair=texts[2]))
    out["pair"] = out["pair"] if isinstance(out["pair"], list) else [out["pair"]]
    return out


def tokens():
    model = drawn(t.BertForTokenClassification(bert(id2label=dict(enumerate(tags)))), 2, 0.8)
    with torch.no_grad():
        # Tokens decide, not biases.
        for name, p in model.named_parameters():
            if p.ndim == 1:
                p.fill_(1.0 if name.endswith("LayerNorm.weight") else 0.0)
    out = {}
    for strategy in ("none", "simple", "first"):
        pipe = t.pipeline("token-classification", model=model, tokenizer=bert_tokenizer, aggregation_strategy=strategy)
        out[strategy] = [pipe(x) for x in texts]
    return out


def masks():
    model = drawn(t.BertForMaskedLM(bert()), 3, 0.4)
    pipe = t.pipeline("fill-mask", model=model, tokenizer=bert_tokenizer)
    one, two = "Paris is the [MASK] of France.", "The [MASK] sat on the [MASK]."
    return dict(
        one=pipe(one),
        two=pipe(two, top_k=2),
        several=pipe([one, two], top_k=3),
        targets=pipe(one, targets=["capital", "city", "unbelievably"]),
    )


def features():
    model = drawn(t.BertModel(bert()), 4, 0.4)
    pipe = t.pipeline("feature-extraction", model=model, tokenizer=bert_tokenizer)
    return dict(several=[[[round(v, 5) for v in row] for row in pipe(x)[0]] for x in texts[:2]])


context = (
    "Ada Lovelace was an English mathematician, chiefly known for her work on Charles Babbage's proposed general-purpose computer. "
    "She was the first to recognise that the machine had applications beyond pure calculation. Her father, the poet Lord Byron, left "
    "England when she was a month old and died in Greece in 1824; she never knew him. Her mother promoted Ada's interest in mathematics."
)


def questions():
    model = drawn(t.BertForQuestionAnswering(bert()), 5, 1.0)
    pipe = t.pipeline("question-answering", model=model, tokenizer=bert_tokenizer)
    q = "Who was Ada's father?"
    short = context[:120]
    return dict(
        short=pipe(question=q, context=short),
        windows=pipe(question=q, context=context, max_seq_len=40, doc_stride=10),
        top=pipe(question=q, context=context, top_k=4),
        parts=pipe(question=q, context=context, top_k=3, align_to_words=False, max_answer_len=4),
        impossible=pipe(question=q, context=short, top_k=3, handle_impossible_answer=True),
    )


if t.__version__ < "5":
    gpt2_tokenizer = t.GPT2TokenizerFast(at("gpt2_bpe_encoder.json"), at("gpt2_bpe_vocab.bpe"))
else:
    merges = [tuple(l.rstrip("\n").split(" ")) for l in open(at("gpt2_bpe_vocab.bpe"), encoding="utf8") if not l.startswith("#version")]
    gpt2_tokenizer = t.GPT2Tokenizer(vocab=json.load(open(at("gpt2_bpe_encoder.json"))), merges=[m for m in merges if len(m) == 2])


def going_on():
    model = drawn(t.GPT2LMHeadModel(t.GPT2Config(n_embd=16, n_layer=2, n_head=2, n_positions=64)), 6, 0.3)
    pipe = t.pipeline("text-generation", model=model, tokenizer=gpt2_tokenizer)
    o = dict(max_new_tokens=10, do_sample=False)
    prompts = ["Once upon a time", "Hello — naïve 東京"]
    out = dict(one=pipe(prompts[0], **o), new=pipe(prompts[0], return_full_text=False, **o), several=[pipe(p, **o) for p in prompts])
    return out


def rewriting():
    tokenizer = t.T5Tokenizer(at("t5_tokenizer_base.model"))
    config = t.T5Config(d_model=16, d_kv=8, d_ff=24, num_layers=2, num_heads=2, decoder_start_token_id=0)
    model = drawn(t.T5ForConditionalGeneration(config), 7, 0.5)
    o = dict(max_new_tokens=10, do_sample=False)
    s = t.pipeline("summarization", model=model, tokenizer=tokenizer)
    tr = t.pipeline("translation_en_to_de", model=model, tokenizer=tokenizer)
    greedy = dict(num_beams=1, **o)
    return dict(
        summary=s("summarize: " + context[:100], **greedy),
        beams=s([context[:100], texts[1]], num_beams=3, **o),
        translation=tr(["How old are you?", texts[0]], **greedy),
    )


def offsets():
    hard = [*texts, "Ünïcödé  ﬁne — “quotes”…\tTabs\nlines 𝒳 😀👍🏽 don't e\u0301te\u0301 ##hash"]
    encode = lambda tokenizer, x: tokenizer(x, add_special_tokens=False, return_offsets_mapping=True)
    out = dict(texts=hard, bert=[encode(bert_tokenizer, x)["offset_mapping"] for x in hard])
    # Byte-level tokens count the space before a word as theirs; ours do not.
    tight = lambda x, a, b: (a + len(x[a:b]) - len(x[a:b].lstrip()), b) if x[a:b].strip() else (a, b)
    out["gpt2"] = [[tight(x, a, b) for a, b in encode(gpt2_tokenizer, x)["offset_mapping"]] for x in hard]
    return out


record("offsets", offsets)
record("text-classification", classification)
record("token-classification", tokens)
record("fill-mask", masks)
record("feature-extraction", features)
record("text-generation", going_on)
if t.__version__ < "5":
    record("question-answering", questions)
    record("text-to-text", rewriting)
made["texts"], made["context"] = texts, context
os.makedirs(os.path.dirname(OUT), exist_ok=True)
json.dump(made, open(OUT, "w"), default=float, ensure_ascii=False)
print(versions)

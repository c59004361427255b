# Records what the reference tokenizers give, into test/tokenizers/ (pip install tokenizers transformers sentencepiece tiktoken).
# The vocabularies are those of ../shared/data/tokenizers; run in the repository's root.
import base64
import hashlib
import json
import struct
import sys

import sentencepiece
import tiktoken
from tiktoken.load import load_tiktoken_bpe
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import BertTokenizer, CLIPTokenizer, GPT2Tokenizer

DATA = "../shared/data/tokenizers/"
OUT = "test/tokenizers/"
S = {
    "words": "the of and to in is it that was for He She's they've I'll don't WE'RE you'd Hello world transformer tokenization naïve café Straße "
    "über señor façade Σίσυφος ΟΔΥΣΣΕΥΣ İstanbul ıstanbul ſecond it'ſ O'Neill's isn't can't A.B.C. e.g. 3.14 1,000,000 x86_64 snake_case camelCase "
    "ALLCAPS iPhone antidisestablishmentarianism".split(" "),
    "emoji": ["😀", "👍🏽", "👨‍👩‍👧‍👦", "🏳️‍🌈", "🇩🇪🇫🇷", "❤️", "☃", "🤦🏿‍♀️", "1️⃣", "🧑‍💻", "✨✨", " 🔥", "🫠"],
    "code": [
        "def f(x):\n    return x ** 2\n", "for (let i = 0; i < n; i++) { a[i] += b[i]; }\n", "#include <stdio.h>\r\n\tint main(void) {}\r\n", "SELECT * FROM t WHERE a='b';",
        "https://example.com/a?b=c&d=%20#e", "<div class=\"x\">&amp;</div>", "\\alpha_{i}^{2}", "x=>x?.y??z", "    \t    if __name__ == '__main__':\n", "/* c */ // d\n", "$HOME/.bashrc", "0xDEADBEEF",
    ],
    "spaces": [" ", " ", "\n", "\t", "\r\n", "\u00a0", "\u2003", "\u3000", "\u0085", "\u2028", "\ufeff", "\u200b", "\u202f", "\u1680", "\u200d", "\u00ad"],
    "odd": ["ﬁ", "ﬀ", "Ⅷ", "²", "½", "①", "㍿", "ｶﾞ", "Ａｂｃ", "㌔", "ǅ", "ŉ", "ẞ", "ΐ", "e\u0301", "\u1e9b\u0323", "가", "\u1100\u1161\u11a8", "क्षि", "\u2581", "\u2581\u2581a", "Ġ", "Ċ", "\ufffd", "\ue000", "\ufdd0", "…", "—", "「」", "°C", "K", "Å", "ª", "\u007f", "\u009f", "\u202e", "\u0600", "ₐ", "ℵ", "∑", "→", "▓", "᠎", "ـ", "\u1160", "〜", "~", "´", "΄", "\u0345", "ά", "Ω", "ﷺ", "¨", "lower", "</w>", "##ing"],
    "scripts": [
        [0x41, 0x5A], [0x61, 0x7A], [0xC0, 0xD6], [0x100, 0x17F], [0x391, 0x3A1], [0x3B1, 0x3C9], [0x410, 0x44F], [0x561, 0x586], [0x5D0, 0x5EA], [0x621, 0x63A], [0x64B, 0x652],
        [0x905, 0x939], [0x93E, 0x94C], [0x995, 0x9A8], [0xB95, 0xB95], [0xE01, 0xE2E], [0xE81, 0xE82], [0x10D0, 0x10F0], [0x1100, 0x1112], [0x1200, 0x1246], [0x13A0, 0x13F4],
        [0x1780, 0x17A2], [0x1820, 0x1842], [0x1E00, 0x1EFF], [0x1F00, 0x1F07], [0x2200, 0x22FF], [0x2460, 0x24FF], [0x2500, 0x257F], [0x2E80, 0x2E99], [0x3041, 0x3096], [0x30A1, 0x30FA],
        [0x3105, 0x312F], [0x3400, 0x3430], [0x4E00, 0x4E80], [0x5B57, 0x5C00], [0xAC00, 0xAD00], [0xA000, 0xA050], [0xF900, 0xF930], [0xFF01, 0xFF5E], [0xFF66, 0xFF9D], [0x660, 0x669],
        [0x966, 0x96F], [0x10330, 0x1034A], [0x10400, 0x1044F], [0x1D400, 0x1D454], [0x1F600, 0x1F64F], [0x20000, 0x20040], [0x2F800, 0x2F810], [0x1F1E6, 0x1F1FF], [0xE0061, 0xE0065],
    ],
}


def torture(a, size, seed=1):
    x = seed

    def r(n):
        nonlocal x
        x = (x * 1664525 + 1013904223) & 0xFFFFFFFF
        return (x >> 8) % n

    pick = lambda l: l[r(len(l))]
    parts, total = [], 0
    while total < size:
        kind = r(16)
        if kind < 4:
            s = ("" if r(8) == 0 else " ") + pick(a["words"])
        elif kind < 7:
            low, high = pick(a["scripts"])
            s = "" if r(3) == 0 else " "
            for _ in range(1 + r(9)):
                s += chr(low + r(high - low + 1))
        elif kind == 7:
            s = pick(a["emoji"])
        elif kind == 8:
            s = pick(a["code"])
        elif kind == 9:
            s = pick(a["spaces"])
            s *= 1 + r(6)
        elif kind == 10:
            s = chr(r(32))
        elif kind == 11:
            s = pick(a["words"])[:1]
            for _ in range(1 + r(4)):
                s += chr(0x300 + r(0x70))
        elif kind == 12:
            s = "".join(chr(48 + r(10)) for _ in range(1 + r(9)))
        elif kind == 13:
            s = "".join("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"[r(32)] for _ in range(1 + r(5)))
        elif kind == 14:
            s = pick(a["odd"])
        else:
            s = pick(a["words"])[:2]
            s *= 1 + r(12)
        parts.append(s)
        total += len(s.encode())
    return "".join(parts)


STRINGS = [
    "", " ", "  ", "a", "Hello, world!", " Hello", "Hello  world ", "\n\n\n", "\t tabs\tand\r\nlines \n", "It's they've I'LL don'T we'RE", "'s's 'S it'ſ", "12345678901 3.14 1,000", "x" * 200, "ab" * 60,
    "日本語のテキスト、漢字。", "한국어 텍스트", "العربية نص", "עברית", "हिन्दी क्षि", "ไทยภาษา", "Привет, мир!", "Ελληνικά ΟΔΥΣΣΕΥΣ Σ", "İstanbul ıI ß ẞ ŉ ǅ", "naïve café e\u0301 Å Å", "ﬁ ﬀ Ⅷ ² ½ ① ㍿ ｶﾞ Ａｂｃ",
    "👨‍👩‍👧‍👦 👍🏽 🏳️‍🌈🇩🇪", "a\u0300\u0301\u0302b\u0315", "\u0000\u0001\u001f\u007f\u0085\u009f", "a\u200bb\u200dc\ufeffd\u00ade", "\u00a0\u2003\u3000x\u2028y", "\u2581\u2581a \u2581", "Ġthe Ċ", "def f(x):\n    return x ** 2\n",
    "https://example.com/a?b=c&d=%20#e", "{\"a\": [1, 2.5e-3, null]}", "\\frac{1}{2} $x^2$", "𝒜𝓑 𐐀𐌰 𠀀", "\ue000\uf8ff \ufdd0 \ufffd", "unaffable unbreakable", "[brackets] ##ing </w>", "A.B.C. e.g. O'Neill's", "  leading and trailing  ",
    "a" + " " * 50 + "b", "!!!???...---", "snake_case camelCase ALLCAPS x86_64", "1st 2nd 3½", "ـــ\u0600\u202e abc", "tokenization transformers", "한글\u1100\u1161\u11a8가각", "\r\r\n\n \r", "e\u0323\u0307 \u1e9b\u0323 ﷺ",
]
PAIRS = [["Hello world", "How are you?"], ["a b c d e f g h", "x"], ["one", "one two three four five six seven"], ["", "b"]]


def sha(ids):
    return hashlib.sha256(struct.pack(f"<{len(ids)}i", *ids)).hexdigest()


def text_sha(s):
    return hashlib.sha256(s.encode("utf-8", "surrogatepass")).hexdigest()


TEXT = torture(S, 1_000_000)


def record(encode, decode):
    ids = encode(TEXT)
    out = {"count": len(ids), "sha256": sha(ids), "decoded": text_sha(decode(ids)), "strings": [encode(s) for s in STRINGS]}
    out["texts"] = [d if (d := decode(ids)) != s else None for s, ids in zip(STRINGS, out["strings"])]
    print(len(ids), file=sys.stderr)
    return out


def hf(t):
    out = record(lambda s: t.encode(s, add_special_tokens=False), lambda ids: t.decode(ids))
    out["special"] = [t.encode(s) for s in STRINGS[:8]]
    # In UTF-16 units, as JavaScript counts.
    unit = lambda s, i: len(s[:i].encode("utf-16-le")) // 2
    out["offsets"] = [[[unit(s, a), unit(s, b)] for a, b in t(s, return_offsets_mapping=True)["offset_mapping"]] for s in STRINGS]
    kinds = [dict(), dict(truncation=True, max_length=8), dict(truncation=True, max_length=5), dict(truncation="only_second", max_length=12)]
    out["pairs"] = []
    for a, b in PAIRS:
        for k in kinds:
            try:
                e = t(a, b, return_token_type_ids=True, **k)
                out["pairs"].append([a, b, k, e["input_ids"], e["token_type_ids"]])
            except Exception:
                pass
    return out


def jsonl(f):
    return json.load(open(DATA + f, encoding="utf8"))


def merges(f):
    return [tuple(l.split(" ")) for l in open(DATA + f, encoding="utf8").read().split("\n")[1:] if l]


def tik(f, pattern):
    ranks = load_tiktoken_bpe(DATA + f)
    e = tiktoken.Encoding("x", pat_str=pattern, mergeable_ranks=ranks, special_tokens={"<|endoftext|>": len(ranks)})
    out = record(e.encode_ordinary, e.decode)
    lone = ["a\ud800b", "\udc00", "x\ud83d", "\ud83d\ud83d\ude00"]
    out["lone"] = [[s, e.encode_ordinary(s)] for s in lone]
    out["special"] = [["a<|endoftext|>b <|endoftext|>", e.encode("a<|endoftext|>b <|endoftext|>", allowed_special="all")]]
    return out


def spm(f):
    p = sentencepiece.SentencePieceProcessor(model_file=DATA + f)
    return record(lambda s: p.encode(s), lambda ids: p.decode(ids))


GPT2 = r"""'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s"""
LLAMA3 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
QWEN2 = LLAMA3.replace("{1,3}", "")
O200K = "|".join([
    r"""[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?""",
    r"""[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?""",
    r"""\p{N}{1,3}""", r""" ?[^\s\p{L}\p{N}]+[\r\n/]*""", r"""\s*[\r\n]+""", r"""\s+(?!\S)""", r"""\s+""",
])
TEKKEN = O200K.replace("(?i:'s|'t|'re|'ve|'m|'ll|'d)?", "").replace("{1,3}", "")

def llama2_json():
    """LLaMA 2 as tokenizer.json has it: merges by pairs, made of the scores as transformers' converter makes them."""
    p = sentencepiece.SentencePieceProcessor(model_file=DATA + "llama2_tokenizer.model")
    scores = [(p.id_to_piece(i), p.get_score(i)) for i in range(p.get_piece_size())]
    vocab = {t: i for i, (t, _) in enumerate(scores)}
    pairs = []
    for t, score in scores:
        local = [(t[:i], t[i:], score) for i in range(1, len(t)) if t[:i] in vocab and t[i:] in vocab]
        pairs += sorted(local, key=lambda x: (vocab[x[0]], vocab[x[1]]))
    pairs = [(a, b) for a, b, _ in sorted(pairs, key=lambda x: x[2], reverse=True)]
    t = Tokenizer(models.BPE(vocab=vocab, merges=pairs, fuse_unk=True, byte_fallback=True, unk_token="<unk>"))
    t.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="first", split=False)
    t.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    t.post_processor = processors.TemplateProcessing(single="<s> $A", pair="<s> $A <s>:1 $B:1", special_tokens=[("<s>", 1)])
    t.add_special_tokens(["<unk>", "<s>", "</s>"])
    return t


def small_bpe():
    """A small vocabulary of LLaMA 3's kind with every kind of added token, kept in the repository."""
    t = Tokenizer(models.BPE(ignore_merges=True))
    t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(LLAMA3), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    t.decoder = decoders.ByteLevel()
    special = ["<|begin|>", "<|end|>", "<|user|>", "<|assistant|>", "<|pad|>"]
    t.train_from_iterator([TEXT[:60000], " ".join(S["words"] * 20)], trainers.BpeTrainer(vocab_size=420, special_tokens=special, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
    t.add_tokens([AddedToken("<mask>", lstrip=True, normalized=False), AddedToken("<r>", rstrip=True, normalized=False), AddedToken("word", single_word=True, normalized=False)])
    t.post_processor = processors.TemplateProcessing(single="<|begin|> $A", pair="<|begin|> $A $B:1 <|end|>:1", special_tokens=[("<|begin|>", 0), ("<|end|>", 1)])
    return t


def small_unigram():
    t = Tokenizer(models.Unigram())
    t.normalizer = normalizers.NFKC()
    t.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")
    t.decoder = decoders.Metaspace(replacement="▁", prepend_scheme="always")
    t.train_from_iterator([" ".join(S["words"] * 3)], trainers.UnigramTrainer(vocab_size=150, special_tokens=["<unk>", "</s>"], unk_token="<unk>", show_progress=False))
    t.post_processor = processors.TemplateProcessing(single="$A </s>", pair="$A </s> $B </s>", special_tokens=[("</s>", 1)])
    return t


def small_models():
    """SentencePiece models with what the real ones lack: a user's own pieces, spaces behind words, no dummy prefix."""
    import io

    base = dict(vocab_size=120, character_coverage=0.98, normalization_rule_name="identity", minloglevel=2, num_threads=1)
    own = ["<tool>", "▁▁", "\n", "<tool><tool>", "don'"]
    kinds = {
        "bpe_own": dict(model_type="bpe", byte_fallback=True, vocab_size=370, user_defined_symbols=own, remove_extra_whitespaces=False, add_dummy_prefix=False),
        "bpe_suffix": dict(model_type="bpe", treat_whitespace_as_suffix=True),
        "unigram_own": dict(model_type="unigram", hard_vocab_limit=False, user_defined_symbols=own, remove_extra_whitespaces=False),
        "unigram_suffix": dict(model_type="unigram", treat_whitespace_as_suffix=True, byte_fallback=True, vocab_size=370, hard_vocab_limit=False),
    }
    text = [" ".join(S["words"][i:] + S["code"][:3]) for i in range(30)]
    out = {}
    for name, o in kinds.items():
        model = io.BytesIO()
        sentencepiece.SentencePieceTrainer.train(sentence_iterator=iter(text), model_writer=model, **{**base, **o})
        p = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
        texts = STRINGS + ["a<tool>b", "<tool><tool><tool>", "  x   y\n\n z", "I don't don' ", "▁▁▁ a", "<tool> x", " "]
        ids = [p.encode(t) for t in texts]
        out[name] = {"model": base64.b64encode(model.getvalue()).decode(), "cases": [[t, i, p.decode(i)] for t, i in zip(texts, ids)]}
    return out


ADDED = ["a <mask> b", "a  <mask>b<mask>", "x<r>   y <r>", "word words aword word.", "<|user|>Hello<|end|>\n<|assistant|>", "<|end|><|end|>", "word", "<|pad|x"]


TEMPLATES = {
    "llama3": "{% set loop_messages = messages %}{% for message in loop_messages %}{% set content = '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n'+ message['content'] | trim + '<|eot_id|>' %}{% if loop.index0 == 0 %}{% set content = bos_token + content %}{% endif %}{{ content }}{% endfor %}{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}",
    "chatml": "{%- for message in messages %}{{- '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>' + '\n' }}{%- endfor %}{%- if tools %}{{- tools | tojson }}{%- endif %}{%- if add_generation_prompt %}{{- '<|im_start|>assistant\n' }}{%- if enable_thinking is defined and enable_thinking is false %}{{- '<think>\n\n</think>\n\n' }}{%- endif %}{%- endif %}",
    "llama2": "{% if messages[0]['role'] == 'system' %}{% set system_message = messages[0]['content'] %}{% set messages = messages[1:] %}{% endif %}{% for message in messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}{% if loop.index0 == 0 and system_message is defined %}{% set content = '<<SYS>>\n' + system_message + '\n<</SYS>>\n\n' + message['content'] %}{% else %}{% set content = message['content'] %}{% endif %}{% if message['role'] == 'user' %}{{ bos_token + '[INST] ' + content.strip() + ' [/INST]' }}{% elif message['role'] == 'assistant' %}{{ ' '  + content.strip() + ' ' + eos_token }}{% endif %}{% endfor %}",
}
MESSAGES = [{"role": "system", "content": "Be brief. "}, {"role": "user", "content": " What is 2+2? 😀"}, {"role": "assistant", "content": "It is 4."}, {"role": "user", "content": "Thanks <b>&</b>"}]
TOOLS = [{"type": "function", "function": {"name": "add", "description": "Adds \"a\" and b: é", "parameters": {"type": "object", "properties": {"a": {"type": "number"}, "b": {"type": "number"}}, "required": ["a", "b"]}}}]


def chats():
    t = GPT2Tokenizer(vocab=jsonl("gpt2_bpe_encoder.json"), merges=merges("gpt2_bpe_vocab.bpe"), bos_token="<|endoftext|>")
    out = []
    for name, template in TEMPLATES.items():
        for o in [{}, {"add_generation_prompt": True}, {"tools": TOOLS}, {"enable_thinking": False, "add_generation_prompt": True}]:
            out.append([name, o, t.apply_chat_template(MESSAGES, chat_template=template, tokenize=False, **o)])
        out.append([name, {"continue_final_message": True}, t.apply_chat_template(MESSAGES[:3], chat_template=template, tokenize=False, continue_final_message=True)])
    return {"templates": TEMPLATES, "messages": MESSAGES, "tools": TOOLS, "rendered": out}


def skeleton(t):
    j = json.loads(t.to_str())
    return {**j, "model": {**j["model"], "vocab": None, "merges": None}}


if __name__ == "__main__":
    bert = BertTokenizer(vocab={l.rstrip("\n"): i for i, l in enumerate(open(DATA + "bert_base_uncased_vocab.txt", encoding="utf8"))})
    cased = BertTokenizer(vocab={l.rstrip("\n"): i for i, l in enumerate(open(DATA + "bert_base_uncased_vocab.txt", encoding="utf8"))}, do_lower_case=False)
    clip = CLIPTokenizer(vocab=jsonl("clip_encoder.json"), merges=merges("clip_vocab.bpe"))
    gpt2 = GPT2Tokenizer(vocab=jsonl("gpt2_bpe_encoder.json"), merges=merges("gpt2_bpe_vocab.bpe"))
    vocabularies = {
        "bert": hf(bert), "cased": hf(cased), "clip": hf(clip), "gpt2": hf(gpt2),
        "llama2": spm("llama2_tokenizer.model"), "spm_test": spm("sentencepiece_test_model.model"), "spm_example": spm("spm_example.model"), "t5": spm("t5_tokenizer_base.model"),
        "whisper_gpt2": tik("whisper_gpt2.tiktoken", GPT2), "whisper_multilingual": tik("whisper_multilingual.tiktoken", GPT2),
        "cl100k": tik("whisper_multilingual.tiktoken", LLAMA3), "qwen2": tik("whisper_multilingual.tiktoken", QWEN2),
        "o200k": tik("whisper_multilingual.tiktoken", O200K), "tekken": tik("whisper_multilingual.tiktoken", TEKKEN),
    }
    llama = llama2_json()
    files = {}
    for t in (gpt2, bert, clip):
        t._tokenizer.no_truncation()
    for name, t in [("gpt2", gpt2._tokenizer), ("bert", bert._tokenizer), ("clip", clip._tokenizer), ("llama2", llama)]:
        files[name] = {"skeleton": skeleton(t), "count": len(ids := t.encode(TEXT, add_special_tokens=False).ids), "sha256": sha(ids), "pair": t.encode("Hello world", "How?").ids}
    small = {}
    for name, t in [("small_bpe", small_bpe()), ("small_unigram", small_unigram())]:
        t.save(OUT + name + ".json", pretty=False)
        texts = STRINGS[:30] + ADDED if name == "small_bpe" else [s for s in STRINGS if s.isprintable() and s.strip()]
        encoded = [t.encode(s) for s in texts]
        pair = t.encode(*PAIRS[0])
        small[name] = [[s, e.ids, t.decode(e.ids, skip_special_tokens=False), t.decode(e.ids)] for s, e in zip(texts, encoded)] + [[PAIRS[0], pair.ids, pair.type_ids]]
    with open(OUT + "files.json", "w", encoding="utf8") as f:
        json.dump({"files": files, "small": small, "chats": chats(), "models": small_models()}, f, ensure_ascii=True, separators=(",", ":"))
    with open(OUT + "torture.json", "w", encoding="utf8") as f:
        json.dump({"alphabet": S, "strings": STRINGS, "bytes": len(TEXT.encode()), "sha256": text_sha(TEXT), "vocabularies": vocabularies}, f, ensure_ascii=True, separators=(",", ":"))

# Records which characters the reference BERT normalizer drops, which it takes for accents, spaces and punctuation
# (pip install tokenizers; run in the repository's root). Its tables are of Unicode 8, so they cannot be had from a property.
import json
import unicodedata

from tokenizers import normalizers, pre_tokenizers

clean = normalizers.BertNormalizer(clean_text=True, handle_chinese_chars=False, strip_accents=False, lowercase=False)
strip = normalizers.BertNormalizer(clean_text=False, handle_chinese_chars=False, strip_accents=True, lowercase=False)
words = pre_tokenizers.BertPreTokenizer()
kinds = {"assigned": [], "dropped": [], "spaces": [], "accents": [], "punctuation": []}


def put(kind, c):
    ranges = kinds[kind]
    if ranges and ranges[-1][1] == c - 1:
        ranges[-1][1] = c
    else:
        ranges.append([c, c])


for c in range(0x110000):
    ch = chr(c)
    if 0xD800 <= c < 0xE000 or unicodedata.category(ch) == "Cn":
        continue
    put("assigned", c)
    cleaned = clean.normalize_str("a" + ch + "b")
    if cleaned == "ab":
        put("dropped", c)
    if cleaned == "a b":
        put("spaces", c)
    if strip.normalize_str("a" + ch) == "a":
        put("accents", c)
    if len(words.pre_tokenize_str("a" + ch + "b")) == 3:
        put("punctuation", c)
# Ranges as differences of bounds, in turn: they are small.
out = {}
for kind, ranges in kinds.items():
    flat = [x for r in ranges for x in r]
    out[kind] = [x - y for x, y in zip(flat, [0] + flat)]
with open("test/tokenizers/bert_characters.json", "w") as f:
    json.dump(out, f, separators=(",", ":"))

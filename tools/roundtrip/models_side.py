"""transformers' side of the models' round trip: reads `[[class, original, saved], ...]` and says of each in what they differ."""

import json
import sys

import torch
import transformers as t

t.logging.set_verbosity_error()
t.logging.disable_progress_bar()


def difference(kind, original, saved):
    cls = getattr(t, kind)
    a, _ = cls.from_pretrained(original, output_loading_info=True)
    b, info = cls.from_pretrained(saved, output_loading_info=True)
    for what in ("missing_keys", "unexpected_keys", "mismatched_keys"):
        if info.get(what):
            return f"{what}: {sorted(info[what])}"
    if type(a) is not type(b):
        return f"{type(a).__name__} became {type(b).__name__}"
    x, y = a.state_dict(), b.state_dict()
    if x.keys() != y.keys():
        return f"keys: {sorted(x.keys() ^ y.keys())}"
    for key in x:
        if x[key].dtype != y[key].dtype or not torch.equal(x[key], y[key]):
            return key
    g = torch.Generator().manual_seed(0)
    ids = torch.randint(5, 40, (2, 9), generator=g)
    more = dict(decoder_input_ids=ids[:, :4]) if kind == "AutoModelForSeq2SeqLM" else {}
    with torch.no_grad():
        p, q = (m.eval()(input_ids=ids, **more) for m in (a, b))
    for name in ("logits", "start_logits", "last_hidden_state"):
        if name in p and not torch.equal(p[name], q[name]):
            return f"{name}: {(p[name] - q[name]).abs().max()}"
    for name in ("id2label", "label2id", "problem_type", "tie_word_embeddings", "pad_token_id", "eos_token_id"):
        if getattr(a.config, name, None) != getattr(b.config, name, None):
            return f"config.{name}: {getattr(a.config, name, None)} became {getattr(b.config, name, None)}"
    return ""


def tried(*each):
    try:
        return difference(*each)
    except Exception as e:
        return f"{type(e).__name__}: {str(e)[-300:]}"


results = [tried(*each) for each in json.load(sys.stdin)]
print(json.dumps({"version": t.__version__, "results": results}))

"""PyTorch's side of bench/llm.ts: prints seconds for the prompt, seconds a token, and the peak of memory."""
import json
import resource
import sys
import time

import torch
import transformers as t

kind, dtype, sizes, threads, prompt, new = sys.argv[1:]
torch.set_num_threads(int(threads))
prompt, new, sizes = int(prompt), int(new), json.loads(sizes)
if kind == "gpt2":
    config = t.GPT2Config()
else:
    snake = {"".join("_" + c.lower() if c.isupper() else c for c in k): v for k, v in sizes.items()}
    config = t.LlamaConfig(**snake, tie_word_embeddings=True, max_position_embeddings=8192, rope_theta=5e5)
model = t.AutoModelForCausalLM.from_config(config, dtype=getattr(torch, dtype)).eval()
ids = torch.randint(300, 32000, (1, prompt))
best = [1e9, 1e9]
with torch.inference_mode():
    for _ in range(3):
        cache = t.DynamicCache()

        def step(x):
            token = model(x, past_key_values=cache, use_cache=True, logits_to_keep=1).logits[:, -1].argmax(-1, keepdim=True)
            token.tolist()
            return token

        start = time.perf_counter()
        token = step(ids)
        read = time.perf_counter()
        for _ in range(new):
            token = step(token)
        best = [min(best[0], read - start), min(best[1], (time.perf_counter() - read) / new)]
print(json.dumps({"prefill": best[0], "decode": best[1], "rss": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}))

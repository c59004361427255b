// POST /v1/embeddings: texts as vectors of length 1, by a model of sentences, or as the mean of a language model's last hidden states.
import { Fields } from "./fields.ts";
import { completed, type Receiver } from "./exchange.ts";
import { idsOf } from "./completionOrder.ts";
import { invalid } from "./httpError.ts";
import type { Service } from "./service.ts";
import { EmbeddingWork } from "./work.ts";

/** Answers a request. @throws HttpError */
export async function embeddings(service: Service, json: unknown, receiver: Receiver): Promise<object> {
  const body = new Fields(json, ["model", "input", "encoding_format", "dimensions"]);
  service.checkModel(body);
  body.only("dimensions", undefined, "vectors are as wide as the model");
  const format = body.word("encoding_format", ["float", "base64"] as const) ?? "float";
  if ([body.raw("input")].flat().includes("")) throw invalid("input", "input has an empty text.", "empty_prompt");
  const inputs = idsOf(service, body, "input", 2048);
  for (const ids of inputs) service.checkPrompt("input", ids);
  const deadline = service.deadline();
  const works = inputs.map((ids) => new EmbeddingWork(ids, deadline));
  const vectors: Float32Array[] = [];
  for (const [i, w] of works.entries()) w.onVector = (v) => void (vectors[i] = v);
  // Texts of like length wait side by side: a batch is as long as its longest.
  await completed(
    service,
    works.toSorted((a, b) => b.prompt.length - a.prompt.length),
    receiver,
  );
  const tokens = inputs.reduce((n, ids) => n + ids.length, 0);
  return {
    object: "list",
    data: vectors.map((v, index) => ({
      object: "embedding",
      index,
      embedding: format === "float" ? Array.from(v) : Buffer.from(v.buffer, v.byteOffset, v.byteLength).toString("base64"),
    })),
    model: service.parts.name,
    usage: { prompt_tokens: tokens, total_tokens: tokens },
  };
}

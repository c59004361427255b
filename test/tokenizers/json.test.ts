// tokenizer.json: real vocabularies in it give the reference library's ids, and small files kept here show every part of the format.
import assert from "node:assert/strict";
import { test } from "node:test";
import "../../src/index.ts";
import { AutoTokenizer } from "../../src/tokenizers/index.ts";
import { readMerges } from "../../src/tokenizers/gpt2.ts";
import { SentencePiece } from "../../src/tokenizers/sentencepiece.ts";
import { readSpm } from "../../src/tokenizers/spmModel.ts";
import { readWordPiece } from "../../src/tokenizers/wordpiece.ts";
import { bytesOf, file, files, fixture, hashIds, needsData, recorded, type Torture } from "./support.ts";
import { torture } from "./torture.ts";

interface Skeleton {
  readonly model: object;
}
const R = recorded<{
  readonly files: Readonly<
    Record<string, { readonly skeleton: Skeleton; readonly count: number; readonly sha256: string; readonly pair: readonly number[] }>
  >;
  readonly models: Readonly<
    Record<string, { readonly model: string; readonly cases: readonly (readonly [string, readonly number[], string])[] }>
  >;
  readonly small: Readonly<Record<string, readonly (readonly [string, readonly number[], string, string])[]>>;
}>("files.json");

const parsed = (name: string): object => JSON.parse(new TextDecoder().decode(bytesOf(name))) as object;
const FILLED: Readonly<Record<string, () => object>> = {
  gpt2: () => ({ vocab: parsed("gpt2_bpe_encoder.json"), merges: readMerges(bytesOf("gpt2_bpe_vocab.bpe"), "") }),
  clip: () => ({ vocab: parsed("clip_encoder.json"), merges: readMerges(bytesOf("clip_vocab.bpe"), "") }),
  bert: () => ({ vocab: Object.fromEntries(readWordPiece(bytesOf("bert_base_uncased_vocab.txt"), "")) }),
  llama2: () => {
    const { pieces } = readSpm(bytesOf("llama2_tokenizer.model"), "");
    const ids = new Map(pieces.map((p, id) => [p.piece, id]));
    const pairs = pieces.flatMap(({ piece, score }) => {
      const cuts = [...piece].map((_, i, all) => [all.slice(0, i).join(""), all.slice(i).join("")] as const);
      return cuts
        .filter(([a, b]) => ids.has(a) && ids.has(b))
        .sort((x, y) => ids.get(x[0])! - ids.get(y[0])! || ids.get(x[1])! - ids.get(y[1])!)
        .map((pair) => ({ pair, score }));
    });
    return { vocab: Object.fromEntries(ids), merges: pairs.sort((a, b) => b.score - a.score).map((p) => p.pair) };
  },
};

for (const [name, want] of Object.entries(R.files))
  test(`tokenizer.json of ${name}`, needsData, async () => {
    const t = await AutoTokenizer.fromPretrained(
      files({ "tokenizer.json": file({ ...want.skeleton, model: { ...want.skeleton.model, ...FILLED[name]!() } }) }),
    );
    const text = torture(recorded<Torture>("torture.json").alphabet, 1_000_000);
    const ids = t.encode(text, { addSpecialTokens: false });
    assert.equal(ids.length, want.count);
    assert.equal(hashIds(ids), want.sha256);
    assert.deepEqual(t.encode("Hello world", { textPair: "How?" }), want.pair);
  });

// A user's own pieces, spaces behind words, no dummy prefix: what no real vocabulary here has.
for (const [name, { model, cases }] of Object.entries(R.models))
  test(`SentencePiece model in the repository: ${name}`, () => {
    const scheme = new SentencePiece(readSpm(Uint8Array.from(Buffer.from(model, "base64")), name));
    for (const [text, ids, back] of cases) {
      const out: number[] = [];
      scheme.encode(text, out, true);
      assert.deepEqual(out, ids, JSON.stringify(text));
      const d = scheme.decoder();
      assert.equal(ids.map((id) => d.id(id)).join("") + d.end(), back, JSON.stringify(text));
    }
  });

for (const [name, cases] of Object.entries(R.small))
  test(`tokenizer.json in the repository: ${name}`, async () => {
    const t = await AutoTokenizer.fromPretrained(files({ "tokenizer.json": fixture(`${name}.json`) }));
    for (const [text, ids, all, skipped] of cases) {
      if (Array.isArray(text)) {
        const [a, b] = text as unknown as [string, string];
        const batch = t.call(a, { textPair: b, returnTokenTypeIds: true });
        assert.deepEqual([batch.inputIds.toArraySync(), batch.tokenTypeIds!.toArraySync()], [[ids], [all]]);
        continue;
      }
      assert.deepEqual(t.encode(text), ids, JSON.stringify(text));
      assert.equal(t.decode(ids), all);
      assert.equal(t.decode(ids, { skipSpecialTokens: true }), skipped);
    }
  });

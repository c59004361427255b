// `pipeline("token-classification")`: the classes of tokens, and what they make together: names of people, places, organisations.
import type { TokenClassifier } from "../models/index.ts";
import { offsetsOf, type Span, type Spelling, spellingOf } from "./offsets.ts";
import { encoded, inBatches, optionsOf, type Parts, type PerText, perText, textsOf } from "./parts.ts";

/** A token and its class. Places are UTF-16 units of the text: `text.slice(start, end)`. */
export interface TokenEntity extends Span {
  readonly entity: string;
  readonly score: number;
  /** Which token of the text, special ones counted. */
  readonly index: number;
  readonly word: string;
}
/** Neighbours of one class. */
export interface EntityGroup extends Span {
  readonly entityGroup: string;
  /** The mean of theirs. */
  readonly score: number;
  readonly word: string;
}
/** `none`: tokens; `simple`: neighbours of a class together; `first`: words have their first token's class, then as `simple`. */
export type AggregationStrategy = "none" | "simple" | "first";
/** Options of a call. */
export interface TokenClassificationOptions<A extends AggregationStrategy = "none"> {
  /** Tokens, or what they make together. Default `none`. */
  readonly aggregationStrategy?: A;
  /** Classes that are left out. Default ["O"]. */
  readonly ignoreLabels?: readonly string[];
  /** Texts at once. Default 8. */
  readonly batchSize?: number;
}
/** A text → entities; several texts → an array of that. */
export type TokenClassification = <I extends string | readonly string[], A extends AggregationStrategy = "none">(
  input: I,
  options?: TokenClassificationOptions<A>,
) => Promise<PerText<I, A extends "none" ? TokenEntity[] : EntityGroup[]>>;

/** A token before it is aggregated. */
interface Token extends Span {
  readonly id: number;
  readonly index: number;
  readonly word: string;
  readonly scores: readonly number[];
  readonly continues: boolean;
}
/** Tokens that have one class. */
interface Unit extends Span {
  readonly entity: string;
  readonly score: number;
  readonly tokens: readonly Token[];
}
const best = (scores: readonly number[]): number => scores.indexOf(Math.max(...scores));
const mean = (v: readonly number[]): number => v.reduce((a, b) => a + b, 0) / v.length;
/** `B-PER` → ["B", "PER"]; what has no prefix goes on. */
const tagOf = (name: string): readonly [string, string] => (/^[BI]-/.test(name) ? [name[0]!, name.slice(2)] : ["I", name]);

/** Makes the pipeline. */
export function tokenClassification(parts: Parts<TokenClassifier>): TokenClassification {
  const op = "token-classification";
  const { model, tokenizer } = parts;
  const { id2label } = model.config;
  const spelling = spellingOf(tokenizer);
  const special = new Set(tokenizer.allSpecialIds);

  const wordOf = (tokens: readonly Token[]): Unit => {
    const label = best(tokens[0]!.scores);
    const span = { start: tokens[0]!.start, end: tokens.at(-1)!.end };
    return { ...span, entity: id2label[label]!, score: tokens[0]!.scores[label]!, tokens };
  };
  // Tokens as text, unknown ones as they stand there.
  const written = (tokens: readonly Token[]): string => {
    const unknown = tokens.filter((t) => t.id === tokenizer.unkTokenId).map((t) => t.word);
    const text = tokenizer.decode(tokens.map((t) => t.id));
    return unknown.length === 0 ? text : text.split(tokenizer.unkToken!).reduce((before, after, i) => before + unknown[i - 1]! + after);
  };
  const groups = (units: readonly Unit[]): EntityGroup[] => {
    const runs: Unit[][] = [];
    for (const unit of units) {
      const [begins, tag] = tagOf(unit.entity);
      const last = runs.at(-1)?.at(-1);
      if (last && begins !== "B" && tagOf(last.entity)[1] === tag) runs.at(-1)!.push(unit);
      else runs.push([unit]);
    }
    return runs.map((run) => ({
      entityGroup: run[0]!.entity.replace(/^[^-]*-/, ""),
      score: mean(run.map((u) => u.score)),
      word: written(run.flatMap((u) => u.tokens)),
      start: run[0]!.start,
      end: run.at(-1)!.end,
    }));
  };
  return (async (input: string | readonly string[], options: TokenClassificationOptions<AggregationStrategy> = {}) => {
    const texts = textsOf(op, input);
    const o = optionsOf(op, ["aggregationStrategy?: none|simple|first", "ignoreLabels?: texts"], options);
    const [strategy, ignored] = [o.aggregationStrategy ?? "none", new Set(o.ignoreLabels ?? ["O"])];
    const all = inBatches(texts, o.batchSize, (part) => {
      const { inputIds, attentionMask, ...rest } = encoded(parts, part);
      const scores = model
        .forward(inputIds, { attentionMask, ...rest })
        .logits.to("float32")
        .softmax(-1)
        .toArraySync() as number[][][];
      const [rows, masks] = [inputIds.toArraySync() as number[][], attentionMask.toArraySync() as number[][]];
      return part.map((text, b) => {
        const places = rows[b]!.flatMap((id, i) => (masks[b]![i] === 1 && !(special.has(id) && id !== tokenizer.unkTokenId) ? [i] : []));
        const spans = offsetsOf(
          text,
          places.map((i) => rows[b]![i]!),
          tokenizer,
        );
        const tokens = places.map((index, k): Token => {
          const [id, span] = [rows[b]![index]!, spans[k]!];
          const known = id !== tokenizer.unkTokenId;
          const piece = tokenizer.convertIdsToTokens([id])[0]!;
          const word = known ? piece : text.slice(span.start, span.end);
          return { ...span, id, index, word, scores: scores[b]![index]!, continues: known && continues(spelling, piece, text, span) };
        });
        if (strategy === "none")
          return tokens
            .map((t): TokenEntity => {
              const label = best(t.scores);
              return { entity: id2label[label]!, score: t.scores[label]!, index: t.index, word: t.word, start: t.start, end: t.end };
            })
            .filter((e) => !ignored.has(e.entity));
        const words: Token[][] = [];
        for (const t of tokens)
          if (strategy === "first" && t.continues && words.length) words.at(-1)!.push(t);
          else words.push([t]);
        return groups(words.map(wordOf)).filter((g) => !ignored.has(g.entityGroup));
      });
    });
    return perText(input, all);
  }) as TokenClassification;
}

/** Does a token go on with the word before it? */
function continues(spelling: Spelling, written: string, text: string, { start, end }: Span): boolean {
  if (spelling === "wordpiece") return written.length !== end - start;
  return start > 0 && !text.slice(start - 1, start + 1).includes(" ");
}

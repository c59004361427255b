// `pipeline("question-answering")`: where in a text the answer to a question stands. Long texts are read in windows that overlap.
import { given } from "../core/arguments.ts";
import { ArgumentError, ValueError } from "../core/errors.ts";
import { tensor } from "../ops/create.ts";
import type { Tensor } from "../core/tensor.ts";
import type { QuestionAnswerer } from "../models/index.ts";
import { offsetsOf, type Span, spellingOf, wordsOf } from "./offsets.ts";
import { inBatches, optionsOf, type Parts, roomOf } from "./parts.ts";

/** A question and the text that answers it. */
export interface Question {
  readonly question: string;
  readonly context: string;
}
/** An answer: `context.slice(start, end)`; empty where the text has none. */
export interface FoundAnswer extends Span {
  readonly score: number;
  readonly answer: string;
}
/** Options of a call. */
export interface QuestionAnsweringOptions<K extends number | undefined = undefined> {
  /** How many answers, the likeliest first, as an array. Without it, the likeliest alone. */
  readonly topK?: K;
  /** Most tokens of an answer. Default 15. */
  readonly maxAnswerLen?: number;
  /** Most tokens of question and text together; longer texts are read in windows. Default 384, or what the model takes. */
  readonly maxSeqLen?: number;
  /** Tokens that windows have in common. Default 128, or half of `maxSeqLen`. */
  readonly docStride?: number;
  /** May there be no answer? Default false. */
  readonly handleImpossibleAnswer?: boolean;
  /** Whole words only? Default true. */
  readonly alignToWords?: boolean;
  /** Windows at once. Default 8. */
  readonly batchSize?: number;
}
/** A question → its answer; several → an array of them; with `topK`, an array for each. */
export type QuestionAnswering = <Q extends Question | readonly Question[], K extends number | undefined = undefined>(
  input: Q,
  options?: QuestionAnsweringOptions<K>,
) => Promise<
  Q extends Question ? (K extends undefined ? FoundAnswer : FoundAnswer[]) : (K extends undefined ? FoundAnswer : FoundAnswer[])[]
>;

const OPTIONS = [
  "topK?: positive",
  "maxAnswerLen?: positive",
  "maxSeqLen?: positive",
  "docStride?: count",
  "handleImpossibleAnswer?: flag",
  "alignToWords?: flag",
];
/** A stretch of a text's tokens as the model sees it. */
interface Window {
  readonly ids: readonly number[];
  readonly types: readonly number[];
  /** The place of the text's first token in `ids`, which token that is, and how many there are. */
  readonly at: number;
  readonly from: number;
  readonly count: number;
}
const OP = "question-answering";

/** Makes the pipeline. */
export function questionAnswering(parts: Parts<QuestionAnswerer>): QuestionAnswering {
  const { model, tokenizer } = parts;
  const spelling = spellingOf(tokenizer);
  const answer = (q: Question, o: QuestionAnsweringOptions<number | undefined> & { batchSize: number }): FoundAnswer[] => {
    const { topK = 1, maxAnswerLen = 15, handleImpossibleAnswer = false, alignToWords = true } = o;
    const maxSeqLen = Math.min(o.maxSeqLen ?? 384, roomOf(model, tokenizer));
    const { ids, windows } = windowsOf(parts, q, maxSeqLen, o.docStride ?? Math.min(Math.floor(maxSeqLen / 2), 128));
    const spans = offsetsOf(q.context, ids, tokenizer);
    const words = alignToWords ? wordsOf(q.context, spelling) : [];
    const wordAt = (s: Span): Span => words.find((w) => w.start <= s.start && s.end <= w.end) ?? s;
    const logits = inBatches(windows, o.batchSize, (part) => logitsOf(parts, part));
    const found = new Map<string, FoundAnswer>();
    let none = Number.POSITIVE_INFINITY;
    windows.forEach((w, i) => {
      // The first token stands for "no answer": it takes its share of the probability.
      const cls = tokenizer.clsTokenId === null ? -1 : w.ids.indexOf(tokenizer.clsTokenId);
      const open = (place: number): boolean => place === cls || (place >= w.at && place < w.at + w.count);
      const [start, end] = logits[i]!.map((l) => shares(l.slice(0, w.ids.length), open)) as [number[], number[]];
      none = Math.min(none, start[0]! * end[0]!);
      start[0] = 0;
      end[0] = 0;
      for (const { s, e, score } of likeliest(start, end, alignToWords ? topK * 2 + 10 : topK, maxAnswerLen)) {
        if (!open(s) || !open(e) || s < w.at || e < w.at) continue;
        const [first, last] = [spans[w.from + s - w.at]!, spans[w.from + e - w.at]!].map((x) => (alignToWords ? wordAt(x) : x)) as [
          Span,
          Span,
        ];
        const text = q.context.slice(first.start, last.end);
        const before = found.get(text.toLowerCase());
        found.set(
          text.toLowerCase(),
          before ? { ...before, score: before.score + score } : { score, start: first.start, end: last.end, answer: text },
        );
      }
    });
    const all = [...found.values()];
    if (handleImpossibleAnswer) all.push({ score: none, start: 0, end: 0, answer: "" });
    return all.sort((a, b) => b.score - a.score).slice(0, topK);
  };
  return (async (input: Question | readonly Question[], options: QuestionAnsweringOptions<number | undefined> = {}) => {
    const o = optionsOf(OP, OPTIONS, options);
    const all = questionsOf(input).map((q) => {
      const answers = answer(q, o);
      return o.topK === undefined ? answers[0] : answers;
    });
    return Array.isArray(input) ? all : all[0];
  }) as QuestionAnswering;
}

function questionsOf(input: unknown): readonly Question[] {
  const list: readonly unknown[] = Array.isArray(input) ? input : [input];
  for (const q of list) {
    const { question, context } = (q ?? {}) as Partial<Question>;
    if (typeof question !== "string" || typeof context !== "string" || question.trim() === "" || context.trim() === "")
      throw new ArgumentError({ op: OP, message: `a question is ${given(q)}`, hint: "Give { question, context }, neither empty" });
  }
  if (list.length === 0) throw new ArgumentError({ op: OP, message: "no questions", hint: "Give { question, context }" });
  return list as readonly Question[];
}

/** Question and text as the model takes them, the text in windows of what room there is. */
function windowsOf({ tokenizer }: Parts, q: Question, maxSeqLen: number, stride: number): { ids: readonly number[]; windows: Window[] } {
  const plain = (text: string): number[] => tokenizer.encode(text, { addSpecialTokens: false });
  const [question, ids] = [plain(q.question), plain(q.context)];
  const batch = tokenizer.call([q.question], { textPair: [q.context], returnTokenTypeIds: true });
  const [whole, types] = [batch.inputIds, batch.tokenTypeIds!].map((t) => (t.toArraySync() as number[][])[0]!) as [number[], number[]];
  // Special tokens are what stands before, between and after the two.
  const between = (from: number, part: readonly number[]): number => {
    for (let at = from; at + part.length <= whole.length; at++) if (part.every((id, i) => whole[at + i] === id)) return at;
    throw new ValueError({
      op: OP,
      message: `${tokenizer.name} writes pairs otherwise than single texts`,
      hint: "Use the model's own tokenizer",
    });
  };
  const at = between(between(0, question) + question.length, ids);
  const [head, tail] = [whole.slice(0, at), whole.slice(at + ids.length)];
  const room = maxSeqLen - head.length - tail.length;
  if (room <= stride && room < ids.length)
    throw new ValueError({
      op: OP,
      message: `the question takes ${head.length + tail.length} of ${maxSeqLen} tokens, windows of ${room} overlap by ${stride}`,
      hint: "Give a shorter question, a larger maxSeqLen or a smaller docStride",
    });
  const windows: Window[] = [];
  for (let from = 0; ; from += room - stride) {
    const count = Math.min(room, ids.length - from);
    const part = ids.slice(from, from + count);
    const kinds = [...types.slice(0, at), ...part.map(() => types[at]!), ...types.slice(at + ids.length)];
    windows.push({ ids: [...head, ...part, ...tail], types: kinds, at, from, count });
    if (from + count >= ids.length) return { ids, windows };
  }
}

/** Logits of first and last tokens of windows, padded to the longest. */
function logitsOf({ model, tokenizer }: Parts<QuestionAnswerer>, part: readonly Window[]): (readonly [start: number[], end: number[]])[] {
  const length = Math.max(...part.map((w) => w.ids.length));
  const table = (row: (w: Window) => readonly number[], filler: number): Tensor =>
    tensor(
      part.map((w) => [...row(w), ...new Array<number>(length - w.ids.length).fill(filler)]),
      { dtype: "int64", device: model.device },
    );
  const inputIds = table((w) => w.ids, tokenizer.padTokenId ?? 0);
  const attentionMask = table((w) => w.ids.map(() => 1), 0);
  const types = (model.config as { typeVocabSize?: number }).typeVocabSize ?? 0;
  const out = model.forward(inputIds, { attentionMask, ...(types > 1 ? { tokenTypeIds: table((w) => w.types, 0) } : {}) });
  const [starts, ends] = [out.startLogits, out.endLogits].map((t) => t.to("float32").toArraySync() as number[][]) as [
    number[][],
    number[][],
  ];
  return part.map((_, i) => [starts[i]!, ends[i]!]);
}
/** Softmax over the open places. */
function shares(logits: readonly number[], open: (place: number) => boolean): number[] {
  const seen = logits.map((l, i) => (open(i) ? l : -10000));
  const most = Math.max(...seen);
  const e = seen.map((l) => Math.exp(l - most));
  const sum = e.reduce((a, b) => a + b, 0);
  return e.map((x) => x / sum);
}
/** The `count` likeliest pairs of first and last token, at most `longest` apart, as `start[s] · end[e]` has it. */
function likeliest(
  start: readonly number[],
  end: readonly number[],
  count: number,
  longest: number,
): { s: number; e: number; score: number }[] {
  const all = start.flatMap((p, s) => end.slice(s, s + longest).map((q, i) => ({ s, e: s + i, score: p * q })));
  return all.sort((a, b) => b.score - a.score).slice(0, count);
}

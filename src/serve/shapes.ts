// The objects that OpenAI's API answers with: chat completions and text completions, whole and in chunks.
import type { TextService } from "./service.ts";
import type { TokenPiece } from "./work.ts";

/** A token with its log-probability. */
interface Scored {
  readonly token: string;
  /** Of its text: a part of a character has bytes that the text does not tell. */
  readonly bytes: readonly number[];
  readonly logprob: number;
}
/** A token of an answer, and the likeliest in its place. */
export interface TokenText extends Scored {
  readonly top: readonly Scored[];
  /** Where its text begins in the answer. */
  readonly offset: number;
}
/** An answer that is complete. */
export interface WholeChoice {
  readonly index: number;
  readonly text: string;
  readonly tokens: readonly TokenText[] | null;
  readonly finishReason: string;
}
/** How the choices of one kind of answer look. */
export interface Shape {
  readonly prefix: string;
  readonly wholeObject: string;
  readonly chunkObject: string;
  /** The choice of the first chunk. */
  opening(index: number, echo: string): object | null;
  /** A piece of text. */
  piece(index: number, text: string, tokens: readonly TokenText[] | null): object;
  closing(index: number, finishReason: string): object;
  whole(choice: WholeChoice): object;
}

// JSON has no infinity; OpenAI's servers write this.
const finite = (x: number): number => Math.max(x, -9999);
const utf8 = new TextEncoder();

/** A token as clients see it. */
export function tokenText(service: TextService, { id, explained }: TokenPiece, offset: number): TokenText {
  const { tokenizer } = service.parts;
  const scored = (i: number, logprob: number): Scored => {
    const token = tokenizer.decode([i], { cleanUpTokenizationSpaces: false });
    const bytes = service.formats.vocabulary.bytes(i);
    return { token, bytes: [...(bytes.length > 0 ? bytes : utf8.encode(token))], logprob: finite(logprob) };
  };
  return { ...scored(id, explained!.logprob), top: (explained!.topLogprobs ?? []).map((t) => scored(t.id, t.logprob)), offset };
}

const chatToken = ({ token, bytes, logprob }: Scored): object => ({ token, logprob, bytes });
const chatLogprobs = (tokens: readonly TokenText[] | null): object | null =>
  tokens && { content: tokens.map((t) => ({ ...chatToken(t), top_logprobs: t.top.map(chatToken) })), refusal: null };

/** Of /v1/chat/completions. */
export const chatShape: Shape = {
  prefix: "chatcmpl-",
  wholeObject: "chat.completion",
  chunkObject: "chat.completion.chunk",
  opening: (index) => ({ index, delta: { role: "assistant", content: "", refusal: null }, logprobs: null, finish_reason: null }),
  piece: (index, content, tokens) => ({ index, delta: { content }, logprobs: chatLogprobs(tokens), finish_reason: null }),
  closing: (index, finish_reason) => ({ index, delta: {}, logprobs: null, finish_reason }),
  whole: ({ index, text, tokens, finishReason }) => ({
    index,
    message: { role: "assistant", content: text, refusal: null },
    logprobs: chatLogprobs(tokens),
    finish_reason: finishReason,
  }),
};

const textLogprobs = (tokens: readonly TokenText[] | null): object | null =>
  tokens && {
    tokens: tokens.map((t) => t.token),
    token_logprobs: tokens.map((t) => t.logprob),
    top_logprobs: tokens.map((t) => Object.fromEntries(t.top.map((o) => [o.token, o.logprob]))),
    text_offset: tokens.map((t) => t.offset),
  };

/** Of /v1/completions. */
export const completionShape: Shape = {
  prefix: "cmpl-",
  wholeObject: "text_completion",
  chunkObject: "text_completion",
  opening: (index, text) => (text === "" ? null : { index, text, logprobs: null, finish_reason: null }),
  piece: (index, text, tokens) => ({ index, text, logprobs: textLogprobs(tokens), finish_reason: null }),
  closing: (index, finish_reason) => ({ index, text: "", logprobs: null, finish_reason }),
  whole: ({ index, text, tokens, finishReason }) => ({ index, text, logprobs: textLogprobs(tokens), finish_reason: finishReason }),
};

// Conversations as training examples: the model learns what the assistant says, not what it is told.
import { checkOptions, given, need } from "../core/arguments.ts";
import { ArgumentError, UnsupportedError } from "../core/errors.ts";
import type { Document } from "./packing.ts";

/** One message of a conversation. */
export interface Message {
  readonly role: string;
  readonly content?: unknown;
  readonly [field: string]: unknown;
}
/** What a tokenizer does for it: those of `firebrand/tokenizers` do. */
export interface ChatTokenizer {
  /** The tokens of a conversation by the model's template; with `addGenerationPrompt`, up to where the assistant begins to speak. */
  applyChatTemplate(messages: readonly never[], options?: { readonly addGenerationPrompt?: boolean }): Promise<number[]>;
}
/** Options of `chatExample`. */
export interface ChatExampleOptions {
  /** Whose messages are learnt (default `assistant`). */
  readonly role?: string;
  /** Only the last of them? Default false. */
  readonly lastOnly?: boolean;
}

/**
 * The tokens of a conversation, with labels at the assistant's tokens only (-100 elsewhere): from behind the template's opening of its turn to the end of the
 * turn, the closing token with it. Where a turn lies is found by rendering the conversation up to its beginning and up to its end.
 * @throws ArgumentError when the assistant says nothing; UnsupportedError for templates that write earlier turns otherwise once there are later ones
 * @example
 * const tokenizer = { applyChatTemplate: async (messages, o) => [...messages.flatMap((m) => [m.role === "user" ? 1 : 2, ...m.content, 0]), ...(o?.addGenerationPrompt ? [2] : [])] };
 * const { inputIds, labels } = await chatExample(tokenizer, [{ role: "user", content: [7] }, { role: "assistant", content: [8, 9] }]);
 * inputIds // => [1, 7, 0, 2, 8, 9, 0]
 * labels // => [-100, -100, -100, -100, 8, 9, 0]
 */
export async function chatExample(
  tokenizer: ChatTokenizer,
  messages: readonly Message[],
  options: ChatExampleOptions = {},
): Promise<Required<Document>> {
  const op = "chatExample";
  need(op, "messages: objects", messages);
  const { role = "assistant", lastOnly = false } = checkOptions(op, ["role?: text", "lastOnly?: flag"], options);
  const render = (count: number, addGenerationPrompt: boolean): Promise<number[]> =>
    tokenizer.applyChatTemplate(messages.slice(0, count) as Message[] as never, { addGenerationPrompt });
  const turns = messages.flatMap((m, i) => (m.role === role ? [i] : []));
  if (turns.length === 0)
    throw new ArgumentError({
      op,
      message: `no message is of ${given(role)}`,
      hint: `The roles are ${[...new Set(messages.map((m) => m.role))].join(", ") || "none"}`,
    });
  const inputIds = await render(messages.length, false);
  const labels = new Array<number>(inputIds.length).fill(-100);
  const begins = (whole: readonly number[], part: readonly number[]): boolean =>
    part.length <= whole.length && part.every((t, i) => t === whole[i]);
  for (const i of lastOnly ? turns.slice(-1) : turns) {
    const [before, after] = [await render(i, true), i === messages.length - 1 ? inputIds : await render(i + 1, false)];
    if (!begins(after, before) || !begins(inputIds, after))
      throw new UnsupportedError({
        op,
        message: `the template writes message ${i} otherwise when it stands alone, so its tokens cannot be found`,
        hint: "Train on the last turn with { lastOnly: true }, or give labels of your own",
        data: { message: i },
      });
    for (let t = before.length; t < after.length; t++) labels[t] = inputIds[t]!;
  }
  return { inputIds, labels };
}

// `pipeline("text-generation")`: texts and conversations go on.
import { given } from "../core/arguments.ts";
import { ArgumentError } from "../core/errors.ts";
import { generate, type GenerateOptions } from "../generation/index.ts";
import type { CausalModel } from "../models/index.ts";
import type { ChatMessage } from "../tokenizers/index.ts";
import type { Parts } from "./parts.ts";

/** A conversation. */
export type Chat = readonly ChatMessage[];
/** Options of a call: those of `generate`, greedy and with at most 256 new tokens unless they say otherwise, and what is given back. */
export interface TextGenerationOptions extends Omit<GenerateOptions, "attentionMask" | "tokenizer"> {
  /** Give the prompt too? Default true. */
  readonly returnFullText?: boolean;
  /** Special tokens around texts? Default: as the tokenizer has it. */
  readonly addSpecialTokens?: boolean;
}
/** A text that goes on, or a conversation with another message. */
export interface Generated<I> {
  readonly generatedText: I extends string ? string : ChatMessage[] | string;
}
/** A text or conversation → its continuations; several → an array for each. */
export type TextGeneration = <I extends string | readonly string[] | Chat | readonly Chat[]>(
  input: I,
  options?: TextGenerationOptions,
) => Promise<I extends string | Chat ? Generated<I>[] : Generated<I extends readonly (infer E)[] ? E : never>[][]>;

const isText = (x: unknown): x is string => typeof x === "string";
const isChat = (x: unknown): x is Chat =>
  Array.isArray(x) && x.length > 0 && x.every((m) => typeof m === "object" && m !== null && typeof (m as ChatMessage).role === "string");

/** Does a conversation end with words of the assistant's, which then go on? */
const opens = (chat: Chat): boolean => chat.at(-1)!.role === "assistant";
const answered = (chat: Chat, text: string): ChatMessage[] => {
  const last = chat.at(-1)!;
  return opens(chat)
    ? [...chat.slice(0, -1), { ...last, content: `${String(last.content)}${text}` }]
    : [...chat, { role: "assistant", content: text }];
};

/** Makes the pipeline. */
export function textGeneration({ model, tokenizer }: Parts<CausalModel>): TextGeneration {
  const op = "text-generation";
  return (async (input: unknown, options: TextGenerationOptions = {}) => {
    const one = isText(input) || isChat(input);
    const list: readonly unknown[] = one ? [input] : Array.isArray(input) ? input : [];
    const odd = list.find((x) => !isText(x) && !isChat(x));
    if (list.length === 0 || odd !== undefined)
      throw new ArgumentError({
        op,
        message: `the input is ${given(odd ?? input)}`,
        hint: "Give a text, a conversation [{ role, content }], or an array of them",
      });
    const { returnFullText = true, addSpecialTokens, ...o } = options;
    const prompts: number[][] = [];
    for (const x of list as readonly (string | Chat)[])
      prompts.push(
        isText(x)
          ? tokenizer.encode(x, addSpecialTokens === undefined ? {} : { addSpecialTokens })
          : await tokenizer.applyChatTemplate(x, opens(x) ? { continueFinalMessage: true } : { addGenerationPrompt: true }),
      );
    const length = o.maxNewTokens === undefined && o.maxLength === undefined ? { maxNewTokens: 256 } : {};
    const { newIds } = await generate(model, prompts, { ...length, ...o, tokenizer });
    const copies = newIds.length / prompts.length;
    const all = (list as readonly (string | Chat)[]).map((x, i) =>
      newIds.slice(i * copies, (i + 1) * copies).map((ids) => {
        // Together with the prompt: how a token reads may depend on the one before.
        const whole = tokenizer.decode([...prompts[i]!, ...ids], { skipSpecialTokens: true });
        const fresh = whole.slice(tokenizer.decode(prompts[i]!, { skipSpecialTokens: true }).length);
        if (!returnFullText) return { generatedText: fresh };
        return { generatedText: isText(x) ? x + fresh : answered(x, fresh) };
      }),
    );
    return one ? all[0] : all;
  }) as TextGeneration;
}

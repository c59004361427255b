// Conversations as text: the model's Jinja template, rendered by @huggingface/jinja.
import { ArgumentError, FormatError, FirebrandError, UnsupportedError } from "../core/errors.ts";

/** A part of a message that is no plain text. */
export interface ContentPart {
  readonly type: string;
  readonly [field: string]: unknown;
}
/** One message of a conversation. Templates may read more fields: `name`, `tool_calls`, `reasoning_content`. */
export interface ChatMessage {
  /** "system", "user", "assistant", "tool", … */
  readonly role: string;
  readonly content?: string | readonly ContentPart[] | null;
  readonly [field: string]: unknown;
}
/** How a conversation is rendered. */
export interface ChatTemplateOptions {
  /** Ends with the opening of the assistant's turn. Default false. */
  readonly addGenerationPrompt?: boolean;
  /** Leaves the last message open, to be continued. Default false. */
  readonly continueFinalMessage?: boolean;
  /** Functions that the model may call, as JSON schemas. */
  readonly tools?: readonly object[];
  /** Texts to answer from, `{ title, text }`. */
  readonly documents?: readonly object[];
  /** A template, or the name of one of the tokenizer's, instead of its default. */
  readonly chatTemplate?: string;
  /** Further variables of the template: `{ enable_thinking: false }`. */
  readonly variables?: Readonly<Record<string, unknown>>;
  /** Ids (default) or text. */
  readonly tokenize?: boolean;
}
/** The options, for checks. @internal */
export const CHAT_OPTIONS: readonly string[] = [
  "addGenerationPrompt: flag",
  "continueFinalMessage: flag",
  "tools: objects",
  "documents: objects",
  "chatTemplate: text",
  "variables: object",
  "tokenize: flag",
];

/** The template of that name or text. @throws ArgumentError where there is none @internal */
export function chooseTemplate(templates: Readonly<Record<string, string>>, o: ChatTemplateOptions): string {
  const asked = o.chatTemplate;
  if (asked !== undefined) return Object.hasOwn(templates, asked) ? templates[asked]! : asked;
  const name = o.tools && Object.hasOwn(templates, "tool_use") ? "tool_use" : "default";
  if (Object.hasOwn(templates, name)) return templates[name]!;
  const names = Object.keys(templates);
  throw new ArgumentError({
    op: "applyChatTemplate",
    message: names.length
      ? `the tokenizer has the chat templates ${names.join(", ")}, none of them is the default`
      : "the tokenizer has no chat template",
    hint: "Give { chatTemplate }",
  });
}

/** The text of a conversation. @throws FormatError for a template that cannot be parsed, ArgumentError for what the template refuses @internal */
export async function render(
  source: string,
  messages: readonly ChatMessage[],
  o: ChatTemplateOptions,
  tokens: Readonly<Record<string, string>>,
): Promise<string> {
  const op = "applyChatTemplate";
  if (o.continueFinalMessage && o.addGenerationPrompt)
    throw new ArgumentError({ op, message: "continueFinalMessage and addGenerationPrompt are both true", hint: "Give one of them" });
  const { Template } = await import("@huggingface/jinja").catch((cause: unknown) => {
    throw new UnsupportedError({ op, message: "@huggingface/jinja is not installed", hint: "npm install @huggingface/jinja", cause });
  });
  let template: InstanceType<typeof Template>;
  try {
    template = new Template(source);
  } catch (cause) {
    throw new FormatError({
      op,
      message: `the chat template: ${(cause as Error).message}`,
      hint: "Give another as { chatTemplate }",
      cause,
    });
  }
  let text: string;
  try {
    text = template.render({
      messages,
      tools: o.tools ?? null,
      documents: o.documents ?? null,
      add_generation_prompt: o.addGenerationPrompt ?? false,
      ...tokens,
      ...o.variables,
    });
  } catch (cause) {
    if (cause instanceof FirebrandError) throw cause;
    throw new ArgumentError({
      op,
      message: `the chat template refuses: ${(cause as Error).message}`,
      hint: "Check roles and their order",
      cause,
    });
  }
  return o.continueFinalMessage ? open(text, messages) : text;
}
// Cuts what the template puts behind the last message.
function open(text: string, messages: readonly ChatMessage[]): string {
  const { content } = messages.at(-1)!;
  const last = typeof content === "string" ? content : content?.findLast((p) => typeof p["text"] === "string")?.["text"];
  const words = typeof last === "string" ? last.trim() : "";
  const at = words === "" ? -1 : text.lastIndexOf(words);
  if (at < 0)
    throw new ArgumentError({
      op: "applyChatTemplate",
      message: "the last message's content does not show in the rendered text",
      hint: "Render without continueFinalMessage",
    });
  // Space that ends the message belongs to it, where the template leaves it.
  const end = at + words.length;
  const tail = (last as string).slice((last as string).trimEnd().length);
  return text.slice(0, text.startsWith(tail, end) ? end + tail.length : end);
}

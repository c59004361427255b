// Reads the body of POST /v1/chat/completions.
import { given } from "../core/arguments.ts";
import type { ChatMessage } from "../tokenizers/index.ts";
import { Fields } from "./fields.ts";
import { clientsFault, invalid } from "./httpError.ts";
import { COMMON, type Order, orderOf } from "./order.ts";
import type { TextService } from "./service.ts";

const KNOWN = [
  ...COMMON,
  "messages",
  "max_completion_tokens",
  "logprobs",
  "top_logprobs",
  "tools",
  "tool_choice",
  "functions",
  "function_call",
  "modalities",
  "audio",
  "prediction",
  "web_search_options",
];

/** @throws HttpError 400, 404 */
export async function chatOrder(service: TextService, json: unknown): Promise<Order> {
  const body = new Fields(json, KNOWN);
  service.checkModel(body);
  const noTools = "the model's text is given as it is";
  for (const name of ["tools", "functions", "audio", "prediction", "web_search_options"]) body.only(name, undefined, noTools);
  for (const name of ["tool_choice", "function_call"]) body.only(name, body.raw(name) === "auto" ? "auto" : "none", noTools);
  if ((body.list("modalities") ?? []).some((m) => m !== "text"))
    throw invalid("modalities", 'modalities may be ["text"].', "unsupported_parameter");

  const messages = messagesOf(body);
  service.checkText(
    "messages",
    messages.reduce((n, m) => n + (m.content as string).length, 0),
  );
  const logprobs = body.flag("logprobs") ?? false;
  const topLogprobs = body.number("top_logprobs", { min: 0, max: 20, whole: true });
  if (topLogprobs !== undefined && !logprobs) throw invalid("top_logprobs", "top_logprobs needs logprobs: true.");
  const most = { min: 1, whole: true };
  const { tokenizer, chatTemplate } = service.parts;
  const prompt = await clientsFault("messages", () =>
    tokenizer.applyChatTemplate(messages, { addGenerationPrompt: true, ...(chatTemplate !== null && { chatTemplate }) }),
  );
  return orderOf(service, body, {
    prompts: [prompt],
    param: "messages",
    maxTokens: body.number("max_completion_tokens", most) ?? body.number("max_tokens", most),
    defaultMaxTokens: service.defaults.maxNewTokens ?? null,
    logprobs,
    topLogprobs: topLogprobs ?? 0,
    echo: null,
  });
}

function messagesOf(body: Fields): ChatMessage[] {
  const list = body.list("messages");
  if (list === undefined || list.length === 0) throw invalid("messages", "messages is missing or empty.", "missing_field");
  return list.map((m, i) => {
    const at = `messages[${i}]`;
    const message = new Fields(m, ["role", "content", "name", "refusal", "tool_calls", "tool_call_id"], at);
    const role = message.word("role", ["system", "developer", "user", "assistant", "tool"] as const);
    if (role === undefined) throw invalid(`${at}.role`, `${at}.role is missing.`, "missing_field");
    message.only("tool_calls", undefined, "tools are not");
    const name = message.text("name");
    return { role: role === "developer" ? "system" : role, content: contentOf(message), ...(name !== undefined && { name }) };
  });
}
function contentOf(message: Fields): string {
  const content = message.raw("content");
  if (typeof content === "string") return content;
  const at = message.at("content");
  if (!Array.isArray(content)) throw invalid(at, `${at} is ${given(content)}, expected a string or an array of parts.`, "invalid_type");
  return content
    .map((p: unknown, i) => {
      const kind = typeof p === "object" && p !== null ? (p as { type?: unknown }).type : p;
      if (kind !== "text")
        throw invalid(`${at}[${i}]`, `${at}[${i}] is of type ${given(kind)}, the model reads text only.`, "unsupported_content");
      return new Fields(p, ["type", "text"], `${at}[${i}]`).text("text") ?? "";
    })
    .join("");
}

// Reads the body of POST /v1/completions.
import { given } from "../core/arguments.ts";
import { Fields } from "./fields.ts";
import { HttpError, invalid } from "./httpError.ts";
import { COMMON, type Order, orderOf } from "./order.ts";
import type { Service, TextService } from "./service.ts";

/** Reads texts or token ids, one or several of either. @throws HttpError 400 */
export function idsOf(service: Service, body: Fields, name: string, most: number): readonly (readonly number[])[] {
  const value = body.raw(name);
  if (value === undefined) throw new HttpError({ status: 400, message: `${name} is missing.`, param: name, code: "missing_field" });
  const isIds = (x: unknown): x is number[] => Array.isArray(x) && x.length > 0 && x.every((id) => typeof id === "number");
  const list: readonly unknown[] = Array.isArray(value) && !isIds(value) ? value : [value];
  if (list.length === 0) throw invalid(name, `${name} is empty.`, "empty_prompt");
  if (list.length > most) throw invalid(name, `${name} has ${list.length} entries, ${most} are allowed.`);
  return list.map((x) => {
    if (isIds(x)) return x;
    if (typeof x !== "string")
      throw invalid(name, `${name} is ${given(value)}, expected a string, an array of strings, or token ids.`, "invalid_type");
    service.checkText(name, x.length);
    return service.encode(x);
  });
}

/** @throws HttpError 400, 404 */
export async function completionOrder(service: TextService, json: unknown): Promise<Order> {
  const body = new Fields(json, [...COMMON, "prompt", "logprobs", "echo", "best_of", "suffix"]);
  service.checkModel(body);
  body.only("best_of", body.raw("n") ?? 1, "ask for n answers and choose among them");
  body.only("suffix", "", "the model writes forwards");
  const logprobs = body.number("logprobs", { min: 0, max: 20, whole: true });
  const echo = body.flag("echo") ?? false;
  if (echo && logprobs !== undefined) throw invalid("echo", "echo together with logprobs is not supported.", "unsupported_parameter");
  const prompts = idsOf(service, body, "prompt", service.parts.maxChoices);
  return orderOf(service, body, {
    prompts,
    param: "prompt",
    maxTokens: body.number("max_tokens", { min: 1, whole: true }),
    defaultMaxTokens: 16,
    logprobs: logprobs !== undefined,
    topLogprobs: logprobs ?? 0,
    echo: echo ? prompts.map((ids) => service.parts.tokenizer.decode(ids, { skipSpecialTokens: true })) : null,
  });
}

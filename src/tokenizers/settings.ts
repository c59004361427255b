// What stands beside a vocabulary: tokenizer_config.json, special_tokens_map.json, added_tokens.json, the chat template.
import { shown } from "../io/damage.ts";
import type { AddedToken } from "./added.ts";
import type { Side } from "./batch.ts";
import { type Files, isRecord, readJson, readText, unfit } from "./files.ts";
import type { Scheme } from "./scheme.ts";
import type { Template } from "./template.ts";
import { Tokenizer, type SpecialRole } from "./tokenizer.ts";

/** The roles, in the order in which transformers adds missing tokens. */
export const ROLES: readonly SpecialRole[] = ["bos", "eos", "unk", "sep", "pad", "cls", "mask"];

/** What the files say. */
export interface Settings {
  readonly name: string;
  /** `LlamaTokenizerFast` without what follows the model's name: `Llama`; "" where nothing says. */
  readonly family: string;
  readonly special: Readonly<Partial<Record<SpecialRole, string | null>>>;
  readonly added: readonly AddedToken[];
  /** Special tokens that may have no id yet. */
  readonly additional: readonly string[];
  readonly chatTemplates: Readonly<Record<string, string>>;
  /** A switch of the configuration, undefined where it is not told. */
  readonly flag: (key: string) => boolean | undefined;
  readonly modelMaxLength: number | undefined;
  readonly paddingSide: Side | undefined;
  readonly truncationSide: Side | undefined;
  readonly config: Readonly<Record<string, unknown>>;
  /** The files read so far, as they are. */
  readonly files: Record<string, Uint8Array>;
}

const CONFIG = "tokenizer_config.json";

/** Reads what of them is there. @throws FormatError that names file and key */
export async function readSettings(source: Files): Promise<Settings> {
  const files: Record<string, Uint8Array> = {};
  const json = async (file: string): Promise<Readonly<Record<string, unknown>>> => {
    if (!(await source.has(file))) return {};
    files[file] = await source.read(file);
    return readJson(files[file], file);
  };
  const config = await json(CONFIG);
  const map = await json("special_tokens_map.json");
  const special: Partial<Record<SpecialRole, string | null>> = {};
  for (const role of ROLES)
    for (const [file, object] of [
      ["special_tokens_map.json", map],
      [CONFIG, config],
    ] as const) {
      const key = `${role}_token`;
      if (Object.hasOwn(object, key)) special[role] = object[key] === null ? null : contentOf(object[key], file, key);
    }
  const added: AddedToken[] = [];
  for (const [content, id] of Object.entries(await json("added_tokens.json")))
    added.push({ id: idOf(id, "added_tokens.json", content), content, special: false });
  const decoder = config["added_tokens_decoder"] ?? {};
  if (!isRecord(decoder)) throw unfit(CONFIG, `added_tokens_decoder is ${shown(decoder)}, expected an object`);
  for (const [id, token] of Object.entries(decoder))
    added.push(addedOf(token, idOf(Number(id), CONFIG, `added_tokens_decoder[${id}]`), CONFIG, `added_tokens_decoder[${id}]`));
  const additional = config["additional_special_tokens"] ?? map["additional_special_tokens"] ?? [];
  if (!Array.isArray(additional)) throw unfit(CONFIG, `additional_special_tokens is ${shown(additional)}, expected an array`);
  const chatTemplates = readTemplates(config["chat_template"], CONFIG);
  const own = (await json("chat_template.json"))["chat_template"];
  Object.assign(chatTemplates, readTemplates(own, "chat_template.json"));
  if (await source.has("chat_template.jinja")) {
    files["chat_template.jinja"] = await source.read("chat_template.jinja");
    chatTemplates["default"] = readText(files["chat_template.jinja"], "chat_template.jinja");
  }
  const typed = <T>(key: string, is: (x: unknown) => x is T, what: string): T | undefined => {
    const value = config[key];
    if (value === undefined || value === null) return undefined;
    if (!is(value)) throw unfit(CONFIG, `${key} is ${shown(value)}, expected ${what}`);
    return value;
  };
  const isSide = (x: unknown): x is Side => x === "left" || x === "right";
  const longest = typed("model_max_length", (x): x is number => typeof x === "number" && x > 0, "a number");
  const className = typed("tokenizer_class", (x): x is string => typeof x === "string", "a string") ?? "";
  return {
    name: source.name,
    family: className.replace(/Tokenizer(Fast)?$/, ""),
    special,
    added,
    additional: additional.map((t) => contentOf(t, CONFIG, "additional_special_tokens")),
    chatTemplates,
    flag: (key) => typed(key, (x): x is boolean => typeof x === "boolean", "true or false"),
    // Files without a limit say 1e30.
    modelMaxLength: longest === undefined || longest > 1e15 ? undefined : longest,
    paddingSide: typed("padding_side", isSide, '"left" or "right"'),
    truncationSide: typed("truncation_side", isSide, '"left" or "right"'),
    config,
    files,
  };
}
function contentOf(token: unknown, file: string, key: string): string {
  const content = isRecord(token) ? token["content"] : token;
  if (typeof content !== "string" || content === "") throw unfit(file, `${key} is ${shown(token)}, expected a token`);
  return content;
}
function idOf(id: unknown, file: string, key: string): number {
  if (typeof id !== "number" || !Number.isInteger(id) || id < 0 || id >= 2 ** 24)
    throw unfit(file, `the id of ${shown(key)} is ${shown(id)}, expected an integer from 0 on`);
  return id;
}
/** An added token of a JSON file. @throws FormatError @internal */
export function addedOf(token: unknown, id: number, file: string, key: string): AddedToken {
  const content = contentOf(token, file, key);
  const t = token as Readonly<Record<string, unknown>>;
  return {
    id,
    content,
    special: t["special"] === true,
    lstrip: t["lstrip"] === true,
    rstrip: t["rstrip"] === true,
    singleWord: t["single_word"] === true,
  };
}
function readTemplates(template: unknown, file: string): Record<string, string> {
  if (template === undefined || template === null) return {};
  if (typeof template === "string") return { default: template };
  const refuse = (): Error => unfit(file, `chat_template is ${shown(template)}, expected a string or an array of { name, template }`);
  if (!Array.isArray(template)) throw refuse();
  return Object.fromEntries(
    template.map((t: unknown) => {
      if (!isRecord(t) || typeof t["name"] !== "string" || typeof t["template"] !== "string") throw refuse();
      return [t["name"], t["template"]];
    }),
  );
}

/** What a family of tokenizers has unless its files say otherwise. */
export interface Defaults {
  readonly scheme: Scheme;
  /** Roles; those that the vocabulary lacks do not count. */
  readonly special: Readonly<Partial<Record<SpecialRole, string>>>;
  /** Tokens found in text besides those of the roles. */
  readonly added?: readonly AddedToken[];
  /** From what the roles' ids turn out to be. */
  readonly template: (id: (role: SpecialRole) => number | null) => Template | null;
  readonly cleanUp?: boolean;
  readonly trim?: boolean;
  readonly types?: boolean;
  readonly paddingSide?: Side;
}

/** The tokenizer of a family with what its files say. Special tokens that have no id get the next, as in transformers. @throws FormatError */
export function assembleTokenizer(settings: Settings, d: Defaults): Tokenizer {
  const { scheme } = d;
  const added = [...(d.added ?? []), ...settings.added];
  const ids = new Map(added.map((t) => [t.content, t.id]));
  const idOf = (token: string): number | undefined => ids.get(token) ?? scheme.id(token);
  const special: Partial<Record<SpecialRole, string | null>> = {};
  for (const role of ROLES) {
    const usual = d.special[role];
    if (usual !== undefined && idOf(usual) !== undefined) special[role] = usual;
  }
  Object.assign(special, settings.special);
  let next = added.reduce((end, t) => Math.max(end, t.id + 1), scheme.size);
  for (const token of [...ROLES.map((r) => special[r]), ...settings.additional]) {
    if (!token) continue;
    const known = added.findLast((t) => t.content === token);
    if (known?.special) continue;
    const id = idOf(token) ?? next++;
    ids.set(token, id);
    added.push({ ...known, id, content: token, special: true });
  }
  const roleId = (role: SpecialRole): number | null => (special[role] ? (idOf(special[role]) ?? null) : null);
  const optional = <K extends string, T>(key: K, value: T | undefined): Partial<Record<K, T>> =>
    value === undefined ? {} : ({ [key]: value } as Record<K, T>);
  return new Tokenizer({
    name: settings.name,
    scheme,
    added,
    special,
    template: d.template(roleId),
    chatTemplates: settings.chatTemplates,
    files: settings.files,
    ...optional("modelMaxLength", settings.modelMaxLength),
    ...optional("paddingSide", settings.paddingSide ?? d.paddingSide),
    ...optional("truncationSide", settings.truncationSide),
    ...optional("cleanUp", settings.flag("clean_up_tokenization_spaces") ?? d.cleanUp),
    ...optional("trim", d.trim),
    ...optional("types", d.types),
  });
}

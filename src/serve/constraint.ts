// `response_format` as a processor of scores: only what may become JSON, or JSON after a schema, can be said.
import { JsonSchemaLogitsProcessor, type JsonSchema, type LogitsProcessor, Vocabulary } from "../generation/index.ts";
import type { Tokenizer } from "../tokenizers/index.ts";
import type { Fields } from "./fields.ts";
import { clientsFault, invalid } from "./httpError.ts";

/** Reads `response_format`s for a model. */
export class Formats {
  readonly #tokenizer: Tokenizer;
  readonly #eosTokenId: readonly number[];
  // Made when first needed: it looks at every token.
  #vocabulary: Vocabulary | null = null;
  // Automata grow as they are walked: a schema that comes again finds its own.
  readonly #known = new Map<string, LogitsProcessor>();

  constructor(tokenizer: Tokenizer, eosTokenId: readonly number[]) {
    this.#tokenizer = tokenizer;
    this.#eosTokenId = eosTokenId;
  }

  /** What each token adds to a text. */
  get vocabulary(): Vocabulary {
    return (this.#vocabulary ??= Vocabulary.of(this.#tokenizer));
  }
  /** The processor that keeps to a format; null where any text may come. @throws HttpError 400 */
  async processor(body: Fields): Promise<LogitsProcessor | null> {
    const format = body.object("response_format", ["type", "json_schema"]);
    const type = format?.word("type", ["text", "json_object", "json_schema"] as const);
    if (format && type === undefined) throw invalid("response_format.type", "response_format.type is missing.");
    if (type === undefined || type === "text") return null;
    if (this.#eosTokenId.length === 0) throw invalid("response_format", "The model has no token that ends a text, which JSON needs.");
    const named = format!.object("json_schema", ["name", "description", "schema", "strict"]);
    if (type === "json_schema" && named?.record("schema") === undefined)
      throw invalid("response_format.json_schema.schema", "response_format.json_schema.schema is missing.");
    const schema = (type === "json_schema" ? named!.record("schema") : { type: "object" }) as JsonSchema;
    const key = await clientsFault("response_format", () => JSON.stringify(schema));
    const known = this.#known.get(key);
    if (known) return known;
    const made = await clientsFault(
      "response_format",
      () => new JsonSchemaLogitsProcessor(schema, this.vocabulary, { eosTokenId: this.#eosTokenId }),
    );
    this.#known.set(key, made);
    if (this.#known.size > 32) this.#known.delete(this.#known.keys().next().value!);
    return made;
  }
}

// Constrained output as logits processors: only tokens that can still lead to a fitting text keep their scores.
import { ValueError } from "../../core/errors.ts";
import type { Tensor } from "../../core/tensor.ts";
import { tensor } from "../../ops/create.ts";
import { stack } from "../../ops/join.ts";
import type { LogitsProcessor, Row } from "../processor.ts";
import { tokenIds } from "../processors/tokens.ts";
import { Automaton, DEAD } from "./automaton.ts";
import { schemaNetwork } from "./jsonSchema.ts";
import { Network, type Rule } from "./network.ts";
import { parsePattern, unanchored } from "./pattern.ts";
import type { JsonSchema } from "./schema.ts";
import type { Vocabulary } from "./vocabulary.ts";

// Masks that are kept: a state that comes back, like the inside of a string, need not be looked at again.
const KEPT = 128;

/** Options of constrained output. */
export interface ConstraintOptions {
  /** The token or tokens that end the output: allowed where it is complete, and then alone if nothing can follow. */
  readonly eosTokenId: number | readonly number[];
}
/** Options of output after a JSON schema. */
export interface JsonSchemaOptions extends ConstraintOptions {
  /** A regular expression: what may stand wherever JSON allows white space. Default `" ?"`; `""` is compact, `"[ \n]*"` free. */
  readonly whitespace?: string;
}

abstract class Constraint implements LogitsProcessor {
  readonly #op: string;
  readonly #network: Network;
  readonly #root: Rule;
  #automaton: Automaton;
  readonly #vocabulary: Vocabulary;
  readonly #eos: readonly number[];
  readonly #masks = new Map<number, Tensor>();
  // How far a row was read, so that a row that has grown is not read again.
  #read = new WeakMap<Row, { count: number; state: number }>();

  constructor(op: string, grammar: { network: Network; root: Rule }, vocabulary: Vocabulary, options: ConstraintOptions) {
    this.#op = op;
    this.#network = grammar.network;
    this.#root = grammar.root;
    this.#automaton = new Automaton(op, this.#network, this.#root);
    this.#vocabulary = vocabulary;
    this.#eos = tokenIds(op, "eosTokenId", options.eosTokenId);
  }

  /** Is this text a complete output? */
  accepts(text: string): boolean {
    const state = this.#automaton.after(0, new TextEncoder().encode(text));
    return state !== DEAD && this.#automaton.accepting(state);
  }

  process(rows: readonly Row[], scores: Tensor): Tensor {
    const vocabSize = scores.shape.at(-1)!;
    const masks = rows.map((row) => {
      const state = this.#stateOf(row);
      return state === null ? null : this.#mask(state, vocabSize);
    });
    const none = (): Tensor => tensor(new Uint8Array(vocabSize)).to("bool");
    const mask = masks.length === 1 ? masks[0] : stack(masks.map((m) => m ?? none()));
    return mask ? scores.maskedFill(mask, Number.NEGATIVE_INFINITY) : scores;
  }

  // Where the answer stands; null after its end.
  #stateOf(row: Row): number | null {
    const { ids, promptLength } = row;
    if (ids.length === promptLength && this.#automaton.crowded) {
      // Other rows are read again from their start.
      this.#automaton = new Automaton(this.#op, this.#network, this.#root);
      this.#masks.clear();
      this.#read = new WeakMap();
    }
    const known = this.#read.get(row);
    let { count, state } = known && known.count <= ids.length ? known : { count: promptLength, state: 0 };
    for (; count < ids.length; count++) {
      const id = ids[count]!;
      if (this.#eos.includes(id)) return null;
      const bytes = this.#vocabulary.bytes(id);
      state = bytes.length === 0 ? DEAD : this.#automaton.after(state, bytes);
      if (state === DEAD)
        throw new ValueError({
          op: this.#op,
          message: `token ${id}, place ${count - promptLength} of the answer, does not fit the constraint`,
          hint: "Was it chosen without this processor?",
        });
    }
    this.#read.set(row, { count, state });
    return state;
  }

  // bool [vocabSize]: true at tokens that may not follow.
  #mask(state: number, vocabSize: number): Tensor {
    const old = this.#masks.get(state);
    if (old?.shape[0] === vocabSize) {
      this.#masks.delete(state); // to the end: the oldest are dropped first
      this.#masks.set(state, old);
      return old;
    }
    if (this.#vocabulary.size > vocabSize)
      throw new ValueError({
        op: this.#op,
        message: `the vocabulary has ${this.#vocabulary.size} tokens, the scores ${vocabSize}`,
        hint: "Do tokenizer and model belong together?",
      });
    const forbidden = new Uint8Array(vocabSize).fill(1);
    let count = this.#vocabulary.allow(this.#automaton, state, forbidden);
    if (this.#automaton.accepting(state))
      for (const id of this.#eos)
        if (id < vocabSize) {
          forbidden[id] = 0;
          count++;
        }
    if (count === 0)
      throw new ValueError({
        op: this.#op,
        message: "no token of the vocabulary can go on with what is written",
        hint: "Does the vocabulary have single bytes, and eosTokenId?",
      });
    const mask = tensor(forbidden).to("bool");
    this.#masks.set(state, mask);
    if (this.#masks.size > KEPT) this.#masks.delete(this.#masks.keys().next().value!);
    return mask;
  }
}

/**
 * Output that a regular expression matches from its start to its end. Written as in JavaScript, without look-around and back-references.
 * @throws FormatError for wrong syntax, UnsupportedError for what is not regular, ValueError for patterns that need too much
 * @example
 * const digits = new RegexLogitsProcessor("[0-9]{2}", new Vocabulary(["1", "23", "a", null]), { eosTokenId: 3 });
 * digits.process([{ ids: [], promptLength: 0 }], zeros(1, 4)) // => [[0, 0, -Infinity, -Infinity]]
 * digits.process([{ ids: [1], promptLength: 0 }], zeros(1, 4)) // => [[-Infinity, -Infinity, -Infinity, 0]]
 */
export class RegexLogitsProcessor extends Constraint {
  constructor(pattern: string | RegExp, vocabulary: Vocabulary, options: ConstraintOptions) {
    const op = "RegexLogitsProcessor";
    const network = new Network(op);
    const root = network.rule();
    network.pattern(root.start, root.end, unanchored(op, parsePattern(op, pattern), true), (n, from, to, set) => n.set(from, to, set));
    network.trim(root);
    super(op, { network, root }, vocabulary, options);
  }
}

/**
 * Output that is JSON and satisfies a schema (2020-12): types, properties, required, additionalProperties, items, prefixItems, lengths, patterns,
 * some formats, bounds, enum, const, anyOf, oneOf of schemas that exclude each other, allOf of schemas that can be joined, $ref within
 * the schema, recursion too. Properties come in the schema's order; ones it does not name only if it says `additionalProperties` or
 * names none.
 * @throws UnsupportedError for keywords that cannot be kept, ValueError for schemas that nothing satisfies
 * @example
 * const tokens = ['{"n":', "1", "}", "x", null];
 * const json = new JsonSchemaLogitsProcessor({ properties: { n: { type: "integer" } }, required: ["n"] }, new Vocabulary(tokens), { eosTokenId: 4 });
 * json.accepts('{"n":12}') // => true
 * json.process([{ ids: [0, 1], promptLength: 0 }], zeros(1, 5)) // => [[-Infinity, 0, 0, -Infinity, -Infinity]]
 */
export class JsonSchemaLogitsProcessor extends Constraint {
  constructor(schema: JsonSchema, vocabulary: Vocabulary, options: JsonSchemaOptions) {
    const op = "JsonSchemaLogitsProcessor";
    super(op, schemaNetwork(op, schema, options.whitespace ?? " ?"), vocabulary, options);
  }
}

// Constrained output: automata against JavaScript's RegExp, JSON against ajv. A model that chooses at random under a constraint
// must always give what fits, whatever its tokens.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Ajv2020 } from "ajv/dist/2020.js";
import {
  type JsonSchema,
  JsonSchemaLogitsProcessor,
  type LogitsProcessor,
  RegexLogitsProcessor,
  Vocabulary,
} from "../../src/generation/index.ts";
import * as torch from "../../src/index.ts";

const EOS = 256;
const words = [
  '{"',
  '":',
  '", "',
  '"}',
  '"]',
  "}}",
  "]]",
  "true",
  "false",
  "null",
  "12",
  "-0.",
  "e+",
  '\\"',
  "\\u00",
  "é",
  "日本",
  "😀",
  "abc",
  '"a"',
  '{"a":1}',
  "1,2",
  " ",
  '", ',
  "\n",
];
/** Every byte, an end, and tokens of several bytes that cut across JSON's grammar; one of half a character. */
const vocabulary = new Vocabulary([...Array.from({ length: 256 }, (_, b) => Uint8Array.of(b)), null, ...words, Uint8Array.of(0xf0, 0x9f)]);

/** A random text under a constraint; null when it has not ended after `most` tokens. */
function walk(p: LogitsProcessor, random: torch.Generator, most = 300): string | null {
  const ids: number[] = [];
  const bytes: number[] = [];
  const row = { ids, promptLength: 0 };
  const scores = torch.zeros(1, vocabulary.size);
  for (let step = 0; step < most; step++) {
    const got = p.process([row], scores).dataSync();
    const allowed = Array.from(got.keys()).filter((i) => got[i] === 0);
    assert.ok(allowed.length > 0);
    // Ends, closing characters and long tokens come more often than one in 280.
    const favoured = allowed.filter((i) => i === EOS || i > 256 || [0x22, 0x5d, 0x7d].includes(i));
    const from = favoured.length > 0 && random.double() < 0.5 ? favoured : allowed;
    const id = from[Math.floor(random.double() * from.length)]!;
    if (id === EOS) return new TextDecoder("utf-8", { fatal: true }).decode(Uint8Array.from(bytes));
    ids.push(id);
    bytes.push(...vocabulary.bytes(id));
  }
  return null;
}

const patterns = [
  "abc",
  "a*",
  "(ab|a)(c|bcd)",
  "[a-c]{2,4}",
  "a+b?c*",
  "(a|b)*abb",
  "[^a]",
  '[^\\n"]b',
  "\\d{3}-\\d{4}",
  "\\w+\\s\\w+",
  "x{0}",
  "(?:a{1,2}){2}",
  "é|日本",
  "[à-ü]+",
  "\\u0061\\x62\\u{63}",
  "[\\]\\-^]",
  "a||b",
  "()",
  "(?<year>\\d{2})-a",
  ".",
  "[\\s\\S]",
  "\\p{Lu}\\P{Lu}",
  "^a|b$",
  "(^a$)|b",
  "a{2,}?b",
  "[😀-😎]a",
  "\\/\\.\\*",
  "[a\\d]{1,3}$",
  "-",
  "a{,2}",
  "]",
];
test("automata take what RegExp takes", () => {
  const random = new torch.Generator().manualSeed(1);
  const letters = Array.from('aaabbbccd-01 \n"A/.*]^😀😎éà日本_{,}2');
  for (const p of patterns) {
    const ours = new RegexLogitsProcessor(p, vocabulary, { eosTokenId: EOS });
    const theirs = new RegExp(`^(?:${p})$`, p === "a{,2}" || p === "]" ? "" : "u");
    let matched = 0;
    const check = (text: string): void => {
      assert.equal(ours.accepts(text), theirs.test(text), `/${p}/ ${JSON.stringify(text)}`);
      matched += theirs.test(text) ? 1 : 0;
    };
    for (let i = 0; i < 300; i++)
      check(Array.from({ length: Math.floor(random.double() * 6) }, () => letters[Math.floor(random.double() * letters.length)]).join(""));
    for (let i = 0; i < 8; i++) {
      const text = walk(ours, random);
      if (text !== null) check(text);
    }
    assert.ok(matched > 0, `nothing matched /${p}/`);
  }
});

test("code points become the bytes of UTF-8", () => {
  for (const p of ["[\\0-\\u{10ffff}]", "[\\u07f0-\\u0810]", "[\\ud700-\\ue100]", "[\\ufff0-\\u{10010}]", "[^\\u0800-\\uffff]"]) {
    const ours = new RegexLogitsProcessor(p, vocabulary, { eosTokenId: EOS });
    const theirs = new RegExp(`^${p}$`, "u");
    for (let c = 0; c < 0x110000; c += c < 0x900 ? 1 : c > 0xd600 && c < 0xe200 ? 7 : 4091) {
      if (c >= 0xd800 && c < 0xe000) continue;
      const text = String.fromCodePoint(c);
      assert.equal(ours.accepts(text), theirs.test(text), `${p} ${c.toString(16)}`);
    }
  }
});

test("patterns that cannot be are typed errors", () => {
  const bad: [unknown, string][] = [
    ["(a", "FormatError"],
    ["a)", "FormatError"],
    ["[a", "FormatError"],
    ["*a", "FormatError"],
    ["a**", "FormatError"],
    ["a{3,2}", "FormatError"],
    ["[b-a]", "FormatError"],
    ["\\", "FormatError"],
    ["\\p{Nope}", "FormatError"],
    ["\\q", "FormatError"],
    ["\\u12", "FormatError"],
    ["(?=a)", "UnsupportedError"],
    ["(?<!a)b", "UnsupportedError"],
    ["(a)\\1", "UnsupportedError"],
    ["\\bword", "UnsupportedError"],
    ["a(^b)", "UnsupportedError"],
    [/a/i, "UnsupportedError"],
    [7, "ArgumentError"],
    ["[^\\s\\S]", "ValueError"],
    ["a{300000}", "ValueError"],
    ["(".repeat(9000), "UnsupportedError"],
    [`${"(a|ab)".repeat(3)}{1000}{1000}`, "FormatError"],
  ];
  for (const [p, name] of bad)
    assert.throws(
      () => new RegexLogitsProcessor(p as string, vocabulary, { eosTokenId: EOS }),
      (e: Error) => e.name === name,
      String(p),
    );
});

test("an automaton that grows without bound ends in a typed error", () => {
  const p = new RegexLogitsProcessor("(a|b)*a(a|b){18}c", vocabulary, { eosTokenId: EOS });
  const random = new torch.Generator().manualSeed(1);
  const text = Array.from({ length: 400_000 }, () => (random.double() < 0.5 ? "a" : "b")).join("");
  assert.throws(
    () => p.accepts(text),
    (e: Error) => e.name === "ValueError" && /states/.test(e.message),
  );
});

const node = {
  type: "object",
  properties: { v: { type: "integer" }, left: { $ref: "#/$defs/node" }, right: { anyOf: [{ type: "null" }, { $ref: "#/$defs/node" }] } },
  required: ["v"],
  additionalProperties: false,
};
const schemas: Record<string, JsonSchema> = {
  any: true,
  empty: {},
  object: {
    type: "object",
    properties: { a: { type: "string" }, b: { type: "number" }, c: { type: "boolean" } },
    required: ["b"],
    additionalProperties: false,
  },
  "only optional": {
    type: "object",
    properties: { a: { type: "null" }, b: { type: "null" }, c: { type: "null" } },
    additionalProperties: false,
  },
  "awkward keys": {
    type: "object",
    properties: { 'q"\\\n': { type: "integer" }, "": { type: "null" }, é: { type: "null" } },
    required: ['q"\\\n', ""],
    additionalProperties: { type: "integer" },
  },
  map: { type: "object", additionalProperties: { type: "integer" }, maxProperties: 3, minProperties: 1 },
  "one more than required": {
    type: "object",
    properties: { a: { type: "null" } },
    required: ["a"],
    additionalProperties: { type: "integer" },
    minProperties: 2,
    maxProperties: 3,
  },
  "named and others": {
    type: "object",
    properties: { a: { type: "string" }, ab: { type: "string" } },
    required: ["a", "z"],
    additionalProperties: { type: "integer" },
  },
  array: { type: "array", items: { type: "integer" }, minItems: 2, maxItems: 4 },
  "array up": { type: "array", items: { type: "boolean" }, minItems: 3 },
  "array of none": { type: "array", maxItems: 0 },
  tuple: { type: "array", prefixItems: [{ type: "string" }, { type: "integer" }], items: false, minItems: 1 },
  "tuple and rest": { type: "array", prefixItems: [{ type: "string" }], items: { type: "integer" }, minItems: 3, maxItems: 5 },
  string: { type: "string" },
  "string of length": { type: "string", minLength: 2, maxLength: 5 },
  pattern: { type: "string", pattern: "^[A-Z]{2}-\\d+$" },
  "pattern inside": { type: "string", pattern: "ab|^c" },
  "pattern of what must be escaped": { type: "string", pattern: '^["\\\\\\n\\x00-\\x1fé]{1,6}$' },
  "pattern and length": { type: "string", pattern: "^[a-z]{3}$", maxLength: 8 },
  integer: { type: "integer" },
  number: { type: "number" },
  "integer between": { type: "integer", minimum: -37, maximum: 1250 },
  "integer above": { type: "integer", exclusiveMinimum: 99 },
  "integer below": { type: "integer", maximum: -5 },
  "integers few": { type: "integer", minimum: 7.5, exclusiveMaximum: 9 },
  "number between": { type: "number", minimum: -0.25, exclusiveMaximum: 1 },
  "number above": { type: "number", exclusiveMinimum: 0.001 },
  "number below": { type: "number", maximum: -1.5, minimum: -1e3 },
  enum: { enum: ["red", 3, null, { a: [1, "x"] }, true, 'q"'] },
  const: { const: { deep: [{ er: "é" }] } },
  "enum of a type": { type: "string", enum: ["a", 1, "b"] },
  types: { type: ["string", "null", "integer"] },
  implied: { properties: { a: { minLength: 1 } }, required: ["a"] },
  anyOf: {
    anyOf: [
      { type: "string", maxLength: 3 },
      { type: "array", items: { type: "null" } },
    ],
  },
  "anyOf beside others": {
    type: "object",
    properties: { k: { type: "string", maxLength: 2 } },
    anyOf: [{ required: ["k"] }, { properties: { m: { const: 1 } }, required: ["m"] }],
  },
  oneOf: {
    oneOf: [
      { type: "object", properties: { t: { const: "a" }, x: { type: "integer" } }, required: ["t", "x"] },
      { type: "object", properties: { t: { const: "b" }, y: { type: "string" } }, required: ["t"] },
    ],
  },
  allOf: {
    allOf: [
      { type: "object", properties: { a: { type: "integer", minimum: 3 } }, required: ["a"] },
      { properties: { a: { maximum: 12 }, b: { type: "null" } }, required: ["b"] },
    ],
  },
  "$ref with others": { $ref: "#/$defs/s", maxLength: 3, $defs: { s: { type: "string", minLength: 2 } } },
  tree: { $ref: "#/$defs/node", $defs: { node } },
  "recursion of the whole": { type: "object", properties: { next: { $ref: "#" } }, additionalProperties: false },
  "an optional property that nothing satisfies": {
    type: "object",
    properties: { a: { type: "integer", minimum: 2, maximum: 1 }, b: { type: "null" } },
    required: ["b"],
  },
  date: { type: "string", format: "date" },
  "date-time": { type: "string", format: "date-time" },
  uuid: { type: "string", format: "uuid" },
  ipv4: { type: "string", format: "ipv4" },
  email: { type: "string", format: "email" },
};
const formats: Record<string, (x: string) => boolean> = {
  date: (x) => !Number.isNaN(Date.parse(x)) && new Date(x).toISOString().startsWith(x),
  "date-time": (x) => !Number.isNaN(Date.parse(x)),
  uuid: (x) => /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/.test(x),
  ipv4: (x) => x.split(".").length === 4 && x.split(".").every((b) => String(Number(b)) === b && Number(b) < 256),
  email: (x) => /^[^@\s]+@[^@\s]+\.[a-z]+$/.test(x),
};
const ajv = new Ajv2020({ strict: false, formats });

for (const [name, schema] of Object.entries(schemas))
  test(`random output satisfies the schema: ${name}`, () => {
    const valid = ajv.compile(schema as object);
    const random = new torch.Generator().manualSeed(5);
    let ended = 0;
    for (const whitespace of [undefined, "", "[ \\n]{0,2}"]) {
      const p = new JsonSchemaLogitsProcessor(schema, vocabulary, { eosTokenId: EOS, ...(whitespace === undefined ? {} : { whitespace }) });
      for (let i = 0; i < 12; i++) {
        const text = walk(p, random);
        if (text === null) continue;
        ended++;
        assert.ok(valid(JSON.parse(text)), `${text}: ${ajv.errorsText(valid.errors)}`);
        assert.ok(p.accepts(text));
      }
    }
    assert.ok(ended >= 6, `only ${ended} ended`);
  });

test("a constraint that has met many states serves on", () => {
  const p = new JsonSchemaLogitsProcessor(schemas["tree"]!, vocabulary, { eosTokenId: EOS });
  const bytes = (text: string): number[] => [...new TextEncoder().encode(text)];
  const inFlight = { ids: bytes('{"v":1,'), promptLength: 0 };
  const before = p.process([inFlight], torch.zeros(1, vocabulary.size)).toArraySync();
  // Every path through the tree has its own stack.
  for (let path = 0; path < 2048; path++) {
    const sides = Array.from({ length: 11 }, (_, i) => ((path >> i) & 1 ? "left" : "right"));
    assert.ok(p.accepts(`${sides.map((s) => `{"v":1,"${s}":`).join("")}{"v":2}${"}".repeat(11)}`));
    p.process([{ ids: [], promptLength: 0 }], torch.zeros(1, vocabulary.size));
  }
  assert.deepEqual(p.process([inFlight], torch.zeros(1, vocabulary.size)).toArraySync(), before);
});

test("bounds hold at their edges", () => {
  const cases: JsonSchema[] = [
    { type: "integer", minimum: -37, maximum: 1250 },
    { type: "integer", exclusiveMinimum: 99, maximum: 1000 },
    { type: "integer", minimum: -120, exclusiveMaximum: -9 },
    { type: "number", minimum: -0.25, exclusiveMaximum: 1 },
    { type: "number", exclusiveMinimum: 9.75, maximum: 110.5 },
  ];
  for (const schema of cases) {
    const p = new JsonSchemaLogitsProcessor(schema, vocabulary, { eosTokenId: EOS });
    const valid = ajv.compile(schema as object);
    for (let i = -1300; i <= 1300; i++)
      for (const x of [i, i / 4, i / 100]) assert.equal(p.accepts(String(x)), valid(x), `${JSON.stringify(schema)} ${x}`);
    for (const text of ["01", "-", "1.", ".5", "+1", "1e2", "--1"]) assert.equal(p.accepts(text), false, text);
  }
});

test("JSON that satisfies is taken, with and without white space", () => {
  const p = new JsonSchemaLogitsProcessor(schemas["tree"]!, vocabulary, { eosTokenId: EOS });
  assert.ok(p.accepts('{"v":1,"left":{"v":-2},"right":null}'));
  assert.ok(p.accepts('{"v": 1, "right": {"v": 0, "left": {"v": 3}}}'));
  for (const text of [
    '{"left":{"v":1}}',
    '{"v":1,}',
    '{"v":1,"right":null,"left":{"v":2}}',
    '{"v":1.5}',
    '{"v":1}}',
    "{}",
    "",
    '{"v":1,"w":2}',
  ])
    assert.equal(p.accepts(text), false, text);
  const deep = `${'{"v":1,"left":'.repeat(200)}{"v":2}${"}".repeat(200)}`;
  assert.ok(p.accepts(deep));
  const s = new JsonSchemaLogitsProcessor({ type: "string" }, vocabulary, { eosTokenId: EOS });
  for (const x of ["", 'a"b\\c\n\u0001é😀/', "\ud7ff\ue000", "\\u0041"]) assert.ok(s.accepts(JSON.stringify(x)), x);
  for (const text of ['"\n"', '"\\x"', '"\\ud800"', '"a', 'a"', '"\\u12"']) assert.equal(s.accepts(text), false, text);
});

test("schemas that cannot be kept are typed errors", () => {
  const bad: [unknown, string][] = [
    [{ type: "strin" }, "ValueError"],
    [{ not: {} }, "UnsupportedError"],
    [{ if: true }, "UnsupportedError"],
    [{ minLength: -1 }, "ValueError"],
    [7, "ArgumentError"],
    [[], "ArgumentError"],
    [false, "ValueError"],
    [{ enum: [] }, "ValueError"],
    [{ $ref: "#/$defs/none" }, "ValueError"],
    [{ $ref: "https://example.com/s" }, "UnsupportedError"],
    [{ $ref: "#" }, "ValueError"],
    [{ anyOf: [{ $ref: "#" }, { type: "null" }] }, "ValueError"],
    [{ allOf: [{ $ref: "#" }] }, "ValueError"],
    [{ oneOf: [{ type: "integer" }, { type: "number" }] }, "UnsupportedError"],
    [{ type: "array", uniqueItems: true }, "UnsupportedError"],
    [{ type: "number", multipleOf: 5 }, "UnsupportedError"],
    [{ type: "string", pattern: "(?=a)" }, "UnsupportedError"],
    [{ type: "string", pattern: "(" }, "FormatError"],
    [{ type: "string", pattern: "^a+$", maxLength: 3 }, "UnsupportedError"],
    [{ type: "string", format: "iri" }, "UnsupportedError"],
    [{ type: "integer", minimum: 1.2, maximum: 1.8 }, "ValueError"],
    [{ type: "object", properties: { a: { $ref: "#" } }, required: ["a"] }, "ValueError"],
    [{ type: "array", minItems: 3, maxItems: 2 }, "ValueError"],
    [{ type: "object", minProperties: 2 }, "UnsupportedError"],
    [{ type: "object", required: ["a"], additionalProperties: false, properties: {} }, "ValueError"],
    [{ type: "string", minLength: 5, maxLength: 4 }, "ValueError"],
    [{ type: "object", required: ["a", "b"], maxProperties: 1 }, "ValueError"],
    [{ type: "object", properties: { a: true }, required: ["a"], additionalProperties: false, minProperties: 2 }, "ValueError"],
    [{ constructor: 1 }, "UnsupportedError"],
  ];
  for (const [s, name] of bad)
    assert.throws(
      () => new JsonSchemaLogitsProcessor(s as JsonSchema, vocabulary, { eosTokenId: EOS }),
      (e: Error) => e.name === name,
      JSON.stringify(s),
    );
  assert.throws(
    () => new JsonSchemaLogitsProcessor(true, vocabulary, { eosTokenId: EOS, whitespace: "x" }),
    (e: Error) => e.name === "ValueError",
  );
  assert.throws(
    () => new Vocabulary([7] as never),
    (e: Error) => e.name === "ArgumentError",
  );
});

test("vocabularies of tokenizers: bytes in GPT-2's alphabet and in SentencePiece's", () => {
  const of = (tokens: readonly string[]): number[][] => {
    const convertIdsToTokens = (ids: readonly number[]): string[] =>
      ids.map((id) => {
        if (id === 1) throw new Error("a hole");
        return tokens[id]!;
      });
    const v = Vocabulary.of({ vocabSize: tokens.length, allSpecialIds: [0], convertIdsToTokens });
    return tokens.map((_, id) => [...v.bytes(id)]);
  };
  assert.deepEqual(of(["<s>", "?", "Ġa", "Ċ", "Ã©", "Ńĥ", "a b", "<0x0A>"]), [
    [],
    [],
    [32, 97],
    [10],
    [0xc3, 0xa9],
    [0xad, 0x83],
    [97, 32, 98],
    [60, 48, 120, 48, 65, 62],
  ]);
  assert.deepEqual(of(["<s>", "?", "▁a▁", "<0x0A>", "é"]), [[], [], [32, 97, 32], [10], [0xc3, 0xa9]]);
  assert.throws(
    () => Vocabulary.of({} as never),
    (e: Error) => e.name === "ArgumentError",
  );
});

test("rows of a batch are constrained apart, and left alone after their end", () => {
  const p = new RegexLogitsProcessor("ab", new Vocabulary(["a", "b", null]), { eosTokenId: 2 });
  const rows = [[], [0], [0, 1], [0, 1, 2]].map((ids) => ({ ids: [9, ...ids], promptLength: 1 }));
  const x = Number.NEGATIVE_INFINITY;
  assert.deepEqual(p.process(rows, torch.zeros(4, 4)).toArraySync(), [
    [0, x, x, x],
    [x, 0, x, x],
    [x, x, 0, x],
    [0, 0, 0, 0],
  ]);
  assert.throws(
    () => p.process([{ ids: [1], promptLength: 0 }], torch.zeros(1, 4)),
    (e: Error) => e.name === "ValueError",
  );
  assert.throws(
    () => p.process([{ ids: [], promptLength: 0 }], torch.zeros(1, 2)),
    (e: Error) => e.name === "ValueError",
  );
});

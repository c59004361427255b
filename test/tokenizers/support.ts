// What the tests of tokenizers share: the recorded values, the real vocabularies, hashes.
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type Files, memoryFiles } from "../../src/tokenizers/index.ts";
import type { Alphabet } from "./torture.ts";

const here = join(import.meta.dirname, "../../../test/tokenizers");
const data = join(import.meta.dirname, "../../../../shared/data/tokenizers");

/** A recorded file beside the tests. */
export const recorded = <T>(name: string): T => JSON.parse(readFileSync(join(here, name), "utf8")) as T;
/** A fixture's bytes. */
export const fixture = (name: string): Uint8Array => new Uint8Array(readFileSync(join(here, name)));
/** Where a real vocabulary is. */
export const vocabulary = (name: string): string => join(data, name);
/** Its bytes. */
export const bytesOf = (name: string): Uint8Array => new Uint8Array(readFileSync(vocabulary(name)));
/** The options of a test that needs them. */
export const needsData: { skip: string | false } = {
  skip: existsSync(data) ? false : "no shared/data/tokenizers folder beside the project",
};
/** Text as a file. */
export const file = (content: string | object): Uint8Array =>
  new TextEncoder().encode(typeof content === "string" ? content : JSON.stringify(content));
/** Files in memory; paths are real vocabularies. */
export const files = (of: Readonly<Record<string, string | Uint8Array>>): Files =>
  memoryFiles(Object.fromEntries(Object.entries(of).map(([name, f]) => [name, typeof f === "string" ? bytesOf(f) : f])));
/** Of ids as little-endian int32. */
export const hashIds = (ids: readonly number[]): string =>
  createHash("sha256")
    .update(new Uint8Array(Int32Array.from(ids).buffer))
    .digest("hex");
/** Of UTF-8. */
export const hashText = (text: string): string => createHash("sha256").update(text).digest("hex");

/** What tools/record/tokenizer_ids.py records of a vocabulary. */
export interface Recorded {
  readonly count: number;
  readonly sha256: string;
  readonly decoded: string;
  /** Ids of the short strings, and what they decode to where it is not the string. */
  readonly strings: readonly (readonly number[])[];
  readonly texts: readonly (string | null)[];
  readonly special?: readonly (readonly number[])[] | readonly (readonly [string, readonly number[]])[];
  readonly pairs?: readonly (readonly [
    string,
    string,
    { truncation?: true | "only_second"; max_length?: number },
    readonly number[],
    readonly number[],
  ])[];
  /** Where the tokens of the short strings are, with special ones around. */
  readonly offsets?: readonly (readonly (readonly [number, number])[])[];
  readonly lone?: readonly (readonly [string, readonly number[]])[];
}
/** The whole file. */
export interface Torture {
  readonly alphabet: Alphabet;
  readonly strings: readonly string[];
  readonly bytes: number;
  readonly sha256: string;
  readonly vocabularies: Readonly<Record<string, Recorded>>;
}

// Documentation that cannot rot: every exported symbol has a docstring, and every `@example` runs. A line `code // => value`
// is checked: both sides are JavaScript, tensors count as nested arrays, numbers agree to four decimals.
import assert from "node:assert/strict";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";
import * as torch from "../../src/index.ts";
import { names } from "./names.ts";

/** One `@example`: where it is and its lines. */
interface Example {
  readonly at: string;
  readonly lines: readonly string[];
}
/** Compares a value with what the documentation says. */
type Check = (at: string, got: unknown, want: unknown) => void;

const root = fileURLToPath(new URL("../../../", import.meta.url));
const work = join(root, "build", "examples-of-docs", String(process.pid));

const sources = (dir: string): string[] =>
  readdirSync(dir, { withFileTypes: true }).flatMap((e) =>
    e.isDirectory() ? sources(join(dir, e.name)) : e.name.endsWith(".ts") ? [join(dir, e.name)] : [],
  );
const lineOf = (text: string, at: number): number => text.slice(0, at).split("\n").length;

/** The examples of a file: from `@example` to the next tag or the end of the comment. */
function examples(file: string, text: string): Example[] {
  const found: Example[] = [];
  for (const doc of text.matchAll(/\/\*\*[\s\S]*?\*\//g))
    for (const m of doc[0].matchAll(/@example\s([\s\S]*?)(?=\s@[a-z]+\b|\s*\*\/$)/g)) {
      const lines = m[1]!
        .split("\n")
        .map((l) => l.replace(/^\s*\*( |$)/, ""))
        .filter((l) => l.trim() !== "");
      found.push({ at: `${file}:${lineOf(text, doc.index + m.index)}`, lines });
    }
  return found;
}

/** A module that runs one example. Written to a file and imported, so that it runs as a reader's copy of it would. */
function moduleOf(example: Example): string {
  const code = example.lines.join("\n");
  const body = example.lines.map((line) => {
    const m = /^(.*?);?\s*\/\/ => (.*)$/.exec(line);
    if (!m) return line;
    const [, expression, want] = m as unknown as [string, string, string];
    const named = /^\s*(?:const|let) (\w+) = /.exec(expression);
    return `${named ? `${expression}; ` : ""}check(${JSON.stringify(example.at)}, ${named ? named[1] : expression}, ${want});`;
  });
  const used = Object.keys(names).filter(
    (n) => new RegExp(`(?<![.\\w$])${n}\\b`).test(code) && !new RegExp(`(?:const|let|class|function) ${n}\\b`).test(code),
  );
  return `export default async ({ ${used.map((n) => (n === "var" ? "var: variance" : n)).join(", ")} }, check) => {\n${body.join("\n")}\n};\n`;
}

/** Tensors and other iterables as arrays, typed arrays as plain ones. */
function plain(x: unknown): unknown {
  if (torch.isTensor(x)) return plain(x.toArraySync());
  if (typeof x !== "object" || x === null) return x;
  if (Symbol.iterator in x) return Array.from(x as Iterable<unknown>, plain);
  return Object.fromEntries(Object.entries(x).map(([k, v]) => [k, plain(v)]));
}
function equal(a: unknown, b: unknown): boolean {
  if (typeof a === "number" && typeof b === "number") return Object.is(a, b) || Math.abs(a - b) <= 5.1e-5 * Math.max(1, Math.abs(b) * 1e-3);
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return a === b;
  const keys = Object.keys(a);
  return (
    Array.isArray(a) === Array.isArray(b) &&
    keys.length === Object.keys(b).length &&
    keys.every((k) => equal((a as Record<string, unknown>)[k], (b as Record<string, unknown>)[k]))
  );
}
const show = (x: unknown): string =>
  JSON.stringify(x, (_k, v: unknown) => (typeof v === "bigint" ? `${v}n` : typeof v === "number" && !Number.isFinite(v) ? String(v) : v));

mkdirSync(work, { recursive: true });
after(() => rmSync(work, { recursive: true, force: true }));

for (const path of sources(join(root, "src")).sort()) {
  const file = relative(root, path).replaceAll("\\", "/");
  const text = readFileSync(path, "utf8");
  const found = examples(file, text);
  if (found.length === 0) continue;
  test(`examples of ${file}`, async () => {
    const wrong: string[] = [];
    const check: Check = (at, got, want) => {
      const [a, b] = [plain(got), plain(want)];
      if (!equal(a, b)) wrong.push(`${at}: says ${show(b)}, gives ${show(a)}`);
    };
    for (const [i, example] of found.entries()) {
      const module = join(work, `${file.replaceAll("/", "-")}-${i}.mjs`);
      writeFileSync(module, moduleOf(example));
      try {
        const { default: run } = (await import(pathToFileURL(module).href)) as { default: (names: object, check: Check) => Promise<void> };
        await run(names, check);
      } catch (e) {
        wrong.push(`${example.at}: ${String(e)}`);
      }
    }
    assert.equal(wrong.length, 0, `\n${wrong.join("\n")}`);
  });
}

// Overloads share the docstring of the first.
test("every exported symbol has a docstring", () => {
  const bare: string[] = [];
  for (const path of sources(join(root, "src"))) {
    const lines = readFileSync(path, "utf8").split("\n");
    const declared = lines.map((l) =>
      /^export (?:declare )?(?:abstract )?(?:async )?(const|function\*?|class|interface|type) (\w+)/.exec(l),
    );
    const documented: boolean[] = [];
    declared.forEach((m, i) => {
      const overload = m && documented[i - 1] && declared[i - 1]?.[2] === m[2];
      documented[i] = m !== null && (/\*\/\s*$/.test(lines[i - 1] ?? "") || overload === true);
      if (m && !documented[i]) bare.push(`${relative(root, path)}:${i + 1}: ${m[2]}`);
    });
  }
  assert.equal(bare.length, 0, `\n${bare.join("\n")}`);
});

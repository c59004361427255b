// Documentation of the public surface: every symbol that the package's entries export has a docstring, every function and
// class an example with a value (test/docs runs them), every option is explained, and no signature says `any`.
// It reads the declarations that users' editors read, build/src/**/*.d.ts, and holds them against what the modules export.
import { readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { pathToFileURL } from "node:url";
import { root, setup } from "./setup.mjs";

await setup();
const built = join(root, "build");
const problems = [];
const sourceOf = (file) =>
  relative(built, file)
    .replaceAll("\\", "/")
    .replace(/\.d\.ts$/, ".ts");

// Examples run anywhere and leave nothing behind: what reads and writes files is shown by its tests instead.
const WITHOUT_EXAMPLE = /^src\/io\//;
// The compiler writes one declaration after another, each from the start of a line to the next such start.
const DECLARATION =
  /^(\/\*\*(?:(?!\*\/)[\s\S])*\*\/\n)?(export )?(?:declare )?(?:abstract )?(const|let|function|class|interface|type) ([\w$]+)([\s\S]*?)(?=^(?:\/\*\*|export |declare |interface |type |class |abstract |import |\}?$(?![\s\S])))/gm;

/** What a declaration file declares, and what it passes on. */
const files = new Map();
function read(file) {
  if (files.has(file)) return files.get(file);
  const text = readFileSync(file, "utf8");
  const declared = new Map();
  for (const [, doc, exported, kind, name, body] of text.matchAll(DECLARATION)) {
    const old = declared.get(name);
    // Overloads, and a type beside a value of the same name, count as one.
    declared.set(name, {
      name,
      file,
      kind,
      exported: !!exported || !!old?.exported,
      doc: (old?.doc ?? "") + (doc ?? ""),
      body: `${old?.body ?? ""}${body}`,
    });
  }
  const passed = [];
  const at = (path) => join(dirname(file), path.replace(/\.ts$/, ".d.ts"));
  for (const [, star, space, names, path] of text.matchAll(/^export (?:type )?(?:(\*)(?: as (\w+))?|\{([^}]*)\})(?: from "(\.[^"]+)")?;/gm))
    passed.push({
      star,
      space,
      from: path && at(path),
      names: names
        ?.split(",")
        .map((n) =>
          n
            .trim()
            .replace(/^type /, "")
            .split(" as "),
        )
        .filter(([n]) => n),
    });
  files.set(file, { declared, passed, text });
  return files.get(file);
}

/** The exports of a file: name to declaration, or to a map of exports where it is a namespace. */
const known = new Map();
function exportsOf(file) {
  if (known.has(file)) return known.get(file);
  const { declared, passed } = read(file);
  const out = new Map();
  known.set(file, out);
  for (const d of declared.values()) if (d.exported) out.set(d.name, d);
  for (const { star, space, from, names } of passed) {
    if (space) out.set(space, exportsOf(from));
    else if (star) for (const [name, d] of exportsOf(from)) out.has(name) || out.set(name, d);
    else
      for (const [name, as] of names) {
        const d = from ? exportsOf(from).get(name) : declared.get(name);
        if (d) out.set(as ?? name, d);
        else problems.push(`${sourceOf(file)}: ${name} is passed on but not declared`);
      }
  }
  return out;
}

const entries = Object.entries(JSON.parse(readFileSync(join(root, "package.json"), "utf8")).exports);
const symbols = new Map();
for (const [entry, { types, ["firebrand-source"]: module }] of entries) {
  const values = await import(pathToFileURL(join(root, module)).href);
  const walk = (path, map, value) => {
    for (const [name, d] of map) {
      if (d instanceof Map) walk(`${path}.${name}`, d, value[name]);
      else if (!symbols.has(d)) symbols.set(d, { path: `${path}.${name}`, value: value?.[name] });
    }
    for (const name of Object.keys(value))
      if (!map.has(name)) problems.push(`${path}.${name}: exported, but its declaration was not found`);
  };
  walk(`firebrand${entry.slice(1)}`, exportsOf(join(root, types)), values);
}
for (const [d, { path, value }] of symbols) {
  const where = `${sourceOf(d.file)}: ${path}`;
  if (!d.doc) problems.push(`${where} has no docstring`);
  if (/@internal/.test(d.doc)) problems.push(`${where} is @internal, but exported`);
  if (typeof value === "function" && !/@example[\s\S]*\/\/ =>/.test(d.doc) && !WITHOUT_EXAMPLE.test(sourceOf(d.file)))
    problems.push(`${where} has no @example with a value`);
  if (/\bany\b(?!")/.test(d.body.replace(/\/\*\*[\s\S]*?\*\//g, ""))) problems.push(`${where} says any`);
}
// Options: a user cannot write what has no name, nor guess what a field does.
const names = new Set([...symbols.keys()].map((d) => d.name));
for (const [d, { path }] of symbols) {
  const where = `${sourceOf(d.file)}: ${path}`;
  for (const [name] of d.body.matchAll(/\b[A-Z]\w*Options\b/g))
    if (!names.has(name)) problems.push(`${where} takes ${name}, which is not exported`);
  if (d.kind !== "interface" || !d.name.endsWith("Options")) continue;
  for (const [, doc, field] of d.body.matchAll(/^ {4}(\/\*\*(?:(?!\*\/)[\s\S])*\*\/\n {4})?(?:readonly )?(\w+)\??:/gm))
    if (!doc) problems.push(`${where}.${field} is not explained`);
}
for (const p of problems.sort()) console.error(p);
console.log(problems.length ? `${problems.length} problems of documentation` : `${symbols.size} public symbols are documented`);
process.exit(problems.length ? 1 : 0);

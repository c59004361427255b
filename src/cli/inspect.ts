// `firebrand inspect FILE`: what is in a file, without reading more of it than its header unless --stats is asked for.
import { numelOf } from "../core/layout.ts";
import { type Command, parse } from "./command.ts";
import { openFile, values } from "./files.ts";
import { type Statistics, statistics } from "./statistics.ts";
import { count, figure, shape, size, table } from "./table.ts";

const usage = "inspect FILE [--json] [--stats] [--metadata]";

/** Shows names, dtypes, shapes and sizes; with --stats also figures of the values. */
export const inspect: Command = {
  name: "inspect",
  usage,
  summary: "what is in a file: tensors, metadata, sizes",
  help: `  --json      print everything as JSON
  --stats     read the values: mean, deviation, extremes, how many are NaN or infinite
  --metadata  print long metadata whole`,
  async run(args, print) {
    const options = { json: { type: "boolean" }, stats: { type: "boolean" }, metadata: { type: "boolean" } } as const;
    const { values: o, positionals } = parse(usage, args, options, 1);
    const file = await openFile(positionals[0]!);
    try {
      const rows: { name: string; dtype: string; shape: readonly number[]; bytes: number; stats?: Statistics }[] = [];
      for (const [name, t] of file.tensors) {
        const row = { name, dtype: t.dtype, shape: t.shape, bytes: t.nbytes };
        rows.push(o.stats ? { ...row, stats: statistics(await values(t)) } : row);
      }
      const parameters = rows.reduce((n, r) => n + numelOf(r.shape), 0);
      const bytes = rows.reduce((n, r) => n + r.bytes, 0);
      if (o.json) {
        print(
          JSON.stringify({ file: file.path, format: file.format, metadata: file.metadata, tensors: rows, parameters, bytes }, plain, 2),
        );
        return 0;
      }
      print(`${file.path}: ${file.format}`);
      for (const [k, v] of Object.entries(file.metadata)) {
        const text = typeof v === "string" ? v : (JSON.stringify(v, plain) ?? "");
        print(`  ${k}: ${o.metadata || text.length <= 100 ? text : `${text.slice(0, 97)}… (${count(text.length)} characters)`}`);
      }
      const cells = rows.map((r) => [r.name, r.dtype, shape(r.shape), size(r.bytes), ...(r.stats ? figures(r.stats) : [])]);
      const head = ["name", "dtype", "shape", "size", ...(o.stats ? ["mean", "std", "min", "max", "NaN", "inf"] : [])];
      if (rows.length) print(`\n${table(head, cells, [3, 4, 5, 6, 7, 8, 9])}`);
      print(`\n${count(rows.length)} tensor${rows.length === 1 ? "" : "s"}, ${count(parameters)} parameters, ${size(bytes)}`);
      return 0;
    } finally {
      await file.close();
    }
  },
};

const figures = (s: Statistics): string[] => [s.mean, s.std, s.min, s.max].map(figure).concat([s.nan, s.inf].map(count));

// What JSON lacks, as it can.
function plain(_key: string, v: unknown): unknown {
  if (typeof v === "bigint") return v.toString();
  if (typeof v === "number" && !Number.isFinite(v)) return String(v);
  if (v instanceof Map) return Object.fromEntries(v);
  if (v instanceof Set) return [...v];
  return v;
}

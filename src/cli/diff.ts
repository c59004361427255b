// `firebrand diff A B`: which tensors two files do not have in common, and by how much the others differ.
import { isComplex } from "../core/dtype.ts";
import { ValueError } from "../core/errors.ts";
import { sameShape } from "../core/layout.ts";
import type { Tensor } from "../core/tensor.ts";
import * as torch from "../index.ts";
import { type Command, parse } from "./command.ts";
import { openFile, values } from "./files.ts";
import { count, figure, shape, table } from "./table.ts";

const usage = "diff A B [--tolerance T] [--json]";

interface Difference {
  readonly name: string;
  readonly what: "only in A" | "only in B" | "shape" | "values" | "dtype";
  readonly a?: string;
  readonly b?: string;
  /** The largest absolute difference; NaN where one side is NaN and the other is not. */
  readonly largest?: number;
  /** How many elements differ by more than the tolerance, of how many. */
  readonly elements?: readonly [number, number];
}

/** The largest difference, and how many exceed the tolerance. NaN equals NaN. */
function compare(a: Tensor, b: Tensor, tolerance: number): { largest: number; over: number } {
  return torch.noGrad(() => {
    const wide = (t: Tensor): Tensor => (isComplex(t.dtype) ? torch.viewAsReal(t) : t).to("float64");
    const [x, y] = [wide(a), wide(b)];
    if (x.numel() === 0) return { largest: 0, over: 0 };
    // Equal infinities would give NaN.
    const same = x.eq(y).logicalOr(x.isnan().logicalAnd(y.isnan()));
    const d = torch.where(same, torch.zerosLike(x), x.sub(y).abs());
    const over = d.gt(tolerance).logicalOr(d.isnan()).sum().itemSync<number>();
    return { largest: d.max().itemSync<number>(), over };
  });
}

/** Compares two files tensor by tensor; exit code 1 when they differ. */
export const diff: Command = {
  name: "diff",
  usage,
  summary: "which tensors of two files differ, and by how much",
  help: `  --tolerance T  differences up to T do not count (default 0)
  --json         print the differences as JSON
The files may be of different formats. The exit code is 0 when they are equal, 1 when they are not.`,
  async run(args, print) {
    const { values: o, positionals } = parse(usage, args, { tolerance: { type: "string" }, json: { type: "boolean" } }, 2);
    const tolerance = Number(o.tolerance ?? 0);
    if (!(tolerance >= 0)) throw new ValueError({ message: `--tolerance ${o.tolerance}`, hint: "It must be a number >= 0" });
    const a = await openFile(positionals[0]!);
    const b = await openFile(positionals[1]!).catch(async (e: unknown) => {
      await a.close();
      throw e;
    });
    try {
      const names = new Set([...a.tensors.keys(), ...b.tensors.keys()]);
      const found: Difference[] = [];
      for (const name of names) {
        const [x, y] = [a.tensors.get(name), b.tensors.get(name)];
        if (!y) found.push({ name, what: "only in A", a: `${x!.dtype} ${shape(x!.shape)}` });
        else if (!x) found.push({ name, what: "only in B", b: `${y.dtype} ${shape(y.shape)}` });
        else if (!sameShape(x.shape, y.shape)) found.push({ name, what: "shape", a: shape(x.shape), b: shape(y.shape) });
        else {
          const [u, v] = [await values(x), await values(y)];
          const { largest, over } = compare(u, v, tolerance);
          const sides = { a: x.dtype, b: y.dtype, largest };
          if (over > 0) found.push({ name, what: "values", ...sides, elements: [over, u.numel()] });
          else if (x.dtype !== y.dtype) found.push({ name, what: "dtype", ...sides });
        }
      }
      if (o.json) print(JSON.stringify({ a: a.path, b: b.path, tolerance, equal: found.length === 0, differences: found }, null, 2));
      else if (found.length === 0) print(`equal: ${count(names.size)} tensors`);
      else {
        const of = (d: Difference): string => (d.elements ? `${count(d.elements[0])} of ${count(d.elements[1])}` : "");
        const rows = found.map((d) => [d.name, d.what, d.a ?? "–", d.b ?? "–", d.largest === undefined ? "" : figure(d.largest), of(d)]);
        print(table(["name", "differs in", "A", "B", "largest", "elements"], rows, [4, 5]));
        print(`\n${count(found.length)} of ${count(names.size)} tensors differ`);
      }
      return found.length > 0 ? 1 : 0;
    } finally {
      await a.close();
      await b.close();
    }
  },
};

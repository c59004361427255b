// Text tables and sizes for the terminal.

/** Rows as aligned columns; columns in `right` are flush right. */
export function table(head: readonly string[], rows: readonly (readonly string[])[], right: readonly number[] = []): string {
  const widths = head.map((h, i) => Math.max(h.length, ...rows.map((r) => (r[i] ?? "").length)));
  const line = (cells: readonly string[]): string =>
    cells
      .map((c, i) => (right.includes(i) ? c.padStart(widths[i]!) : c.padEnd(widths[i]!)))
      .join("  ")
      .trimEnd();
  return [line(head), line(widths.map((w) => "─".repeat(w))), ...rows.map(line)].join("\n");
}
/** Bytes in words: `1.2 MB`. */
export function size(bytes: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let [x, u] = [bytes, 0];
  while (x >= 1000 && u < units.length - 1) [x, u] = [x / 1000, u + 1];
  return `${u === 0 ? x : x.toFixed(x < 10 ? 2 : x < 100 ? 1 : 0)} ${units[u]}`;
}
/** A number with thousands apart. */
export const count = (n: number): string => n.toLocaleString("en");
/** A figure of a few digits. */
export const figure = (x: number): string => (Number.isInteger(x) && Math.abs(x) < 1e6 ? String(x) : Number(x.toPrecision(4)).toString());
/** A shape as PyTorch prints it. */
export const shape = (s: readonly number[]): string => `[${s.join(", ")}]`;

// The losses of a run, drawn with characters for the terminal and with lines as SVG.
import asciichart from "asciichart";

/** Losses so far: `train[i]` after step i + 1, `val[i]` after step `valSteps[i]`. */
export type History = {
  train: number[];
  valSteps: number[];
  val: number[];
};

/** Means of `count` equal stretches of a series; shorter series stay as they are. */
function shorten(xs: readonly number[], count: number): number[] {
  if (xs.length <= count) return [...xs];
  return Array.from({ length: count }, (_, i) => {
    const part = xs.slice(Math.floor((i * xs.length) / count), Math.floor(((i + 1) * xs.length) / count));
    return part.reduce((a, b) => a + b, 0) / part.length;
  });
}

/** The training loss as text of at most `columns` characters a line. */
export function drawCurve({ train }: History, columns: number): string {
  const axis = 12; // what asciichart puts before the curve
  const points = shorten(train, Math.max(10, Math.min(72, columns - axis - 1)));
  return `${asciichart.plot(points, { height: 12 })}\n${" ".repeat(axis)}steps 1 to ${train.length}`;
}

/** Round numbers from `low` to `high`, about `count` of them. */
function ticks(low: number, high: number, count: number): number[] {
  const rough = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const unit = power * ([1, 2, 5].find((m) => m * power >= rough) ?? 10);
  const first = Math.ceil(low / unit);
  return Array.from({ length: Math.floor(high / unit) - first + 1 }, (_, i) => Number(((first + i) * unit).toPrecision(12)));
}

/** Training and validation loss of a `unit` as an SVG picture. */
export function svgCurve({ train, valSteps, val }: History, unit = "character"): string {
  const [width, height] = [720, 400];
  const [left, right, top, bottom] = [56, 700, 40, 352];
  const points = shorten(train, right - left);
  const all = [...points, ...val];
  const [low, high] = [Math.min(...all), Math.max(...all)];
  const span = high - low || 1;
  const x = (step: number): string => (left + ((right - left) * step) / train.length).toFixed(1);
  const y = (loss: number): string => (bottom - ((bottom - top) * (loss - low)) / span).toFixed(1);
  const path = (xy: readonly (readonly [number, number])[]): string => xy.map(([s, v]) => `${x(s)},${y(v)}`).join(" ");
  const validation = valSteps.map((step, i) => [step, val[i]!] as const);

  const across = ticks(low, low + span, 5).map(
    (v) => `<path d="M${left} ${y(v)}H${right}" stroke="#e5e5e5"/><text x="${left - 8}" y="${y(v)}" dy="4" text-anchor="end">${v}</text>`,
  );
  const along = ticks(0, train.length, 6).map(
    (s) => `<path d="M${x(s)} ${bottom}v5" stroke="#999"/><text x="${x(s)}" y="${bottom + 20}" text-anchor="middle">${s}</text>`,
  );
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="12" fill="#444">
<rect width="${width}" height="${height}" fill="white"/>
<text x="${left}" y="24">cross-entropy per ${unit}: <tspan fill="#5b8fc7">training</tspan>, <tspan fill="#c0392b">validation</tspan></text>
${across.join("\n")}
<path d="M${left} ${bottom}H${right}" stroke="#999"/>
${along.join("\n")}
<text x="${(left + right) / 2}" y="${height - 10}" text-anchor="middle">step</text>
<polyline fill="none" stroke="#8db4de" points="${path(points.map((v, i) => [((i + 1) * train.length) / points.length, v]))}"/>
<polyline fill="none" stroke="#c0392b" stroke-width="2" points="${path(validation)}"/>
${validation.map(([s, v]) => `<circle cx="${x(s)}" cy="${y(v)}" r="3" fill="#c0392b"/>`).join("\n")}
</svg>
`;
}

// How JSON writes strings: characters, the ways to escape them, and the keys that are none of some.
import { ALL, type CodePoints, intersect, pointsOf, union, without } from "./codePoints.ts";
import type { Network } from "./network.ts";

const CONTROL: CodePoints = [[0, 0x1f]];
/** Characters that a JSON string holds as they are. */
export const PLAIN: CodePoints = without(ALL, union(CONTROL, pointsOf('"\\')));
const SHORT: Readonly<Record<string, string>> = {
  '"': '\\"',
  "\\": "\\\\",
  "\b": "\\b",
  "\f": "\\f",
  "\n": "\\n",
  "\r": "\\r",
  "\t": "\\t",
};

/** One character out of a set, as JSON.stringify writes it. */
export function addJsonSet(network: Network, from: number, to: number, set: CodePoints): void {
  network.set(from, to, intersect(set, PLAIN));
  for (const [low, high] of without(set, PLAIN))
    for (let c = low; c <= high; c++) {
      const text = String.fromCodePoint(c);
      network.text(from, to, SHORT[text] ?? `\\u${c.toString(16).padStart(4, "0")}`);
    }
}

/** One character written in any way that JSON allows, but for halves of surrogate pairs. */
export function addAnyCharacter(network: Network, from: number, to: number): void {
  network.set(from, to, PLAIN);
  const [escape, u] = [network.node(), network.node()];
  network.text(from, escape, "\\");
  network.set(escape, to, pointsOf('"\\/bfnrt'));
  network.text(escape, u, "u");
  const HEX = pointsOf("0123456789abcdefABCDEF");
  const [two, three, d] = [network.node(), network.node(), network.node()];
  const four = network.node();
  network.set(u, two, without(HEX, pointsOf("dD")));
  network.set(u, d, pointsOf("dD"));
  network.set(d, three, pointsOf("01234567"));
  network.set(two, three, HEX);
  network.set(three, four, HEX);
  network.set(four, to, HEX);
}

/** A key, quotes included, that is none of `names`. It has no escapes: so every name is written in one way only. */
export function addOtherKey(network: Network, from: number, to: number, names: readonly string[]): void {
  const free = network.node();
  network.set(free, free, PLAIN);
  network.text(free, to, '"');
  const taken = new Set(names);
  const build = (node: number, prefix: string): void => {
    if (!taken.has(prefix)) network.text(node, to, '"');
    const next = new Set(
      names.filter((n) => n.startsWith(prefix) && n !== prefix).map((n) => String.fromCodePoint(n.codePointAt(prefix.length)!)),
    );
    network.set(node, free, without(PLAIN, pointsOf([...next].join(""))));
    for (const c of next) {
      if (intersect(pointsOf(c), PLAIN).length === 0) continue;
      const child = network.node();
      network.set(node, child, pointsOf(c));
      build(child, prefix + c);
    }
  };
  const start = network.node();
  network.text(from, start, '"');
  build(start, "");
}

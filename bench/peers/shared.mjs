// What the peers' rows share.

/** Values from -1 to 1, the same in every peer. */
export function values(n, scale = 1) {
  let s = n >>> 0;
  return Float32Array.from({ length: n }, () => {
    s = (Math.imul(s, 1664525) + 1013904223) >>> 0;
    return scale * (s / 2 ** 31 - 1);
  });
}
/** Shapes to their number of elements. */
export const size = (shape) => shape.reduce((a, b) => a * b, 1);

/** The GPT of the benchmark, as in bench/rows/wasm.ts. */
export const GPT = { V: 65, L: 4, H: 4, C: 128, T: 128, B: 4 };
/** Token numbers. */
export const tokens = (n) => Int32Array.from({ length: n }, (_, i) => (i * 7919) % GPT.V);
/** Parameters by name: shapes. */
export function gptShapes({ V, L, C, T } = GPT) {
  const shapes = { wte: [V, C], wpe: [T, C], lnw: [C], lnb: [C], head: [C, V] };
  for (let i = 0; i < L; i++)
    Object.assign(shapes, {
      [`${i}.ln1w`]: [C],
      [`${i}.ln1b`]: [C],
      [`${i}.qkvw`]: [C, 3 * C],
      [`${i}.qkvb`]: [3 * C],
      [`${i}.projw`]: [C, C],
      [`${i}.projb`]: [C],
      [`${i}.ln2w`]: [C],
      [`${i}.ln2b`]: [C],
      [`${i}.fcw`]: [C, 4 * C],
      [`${i}.fcb`]: [4 * C],
      [`${i}.outw`]: [4 * C, C],
      [`${i}.outb`]: [C],
    });
  return shapes;
}

// Dictionaries of files as JavaScript has them: plain objects where nothing is lost by it, else Maps.

const INTEGER = /^(0|[1-9]\d{0,9})$/;
// A plain object lists keys that look like array indices first: do these keys stay in order?
function keepsOrder(keys: Iterable<string>): boolean {
  let others = false;
  let last = -1;
  for (const k of keys) {
    const n = INTEGER.test(k) ? Number(k) : 2 ** 32;
    if (n >= 2 ** 32 - 1) others = true;
    else if (others || n <= last) return false;
    else last = n;
  }
  return true;
}

/** Is a dict with these entries a plain object? Not with other keys than strings, an order that objects lack, or a key `__proto__`. */
export function isPlain(map: ReadonlyMap<unknown, unknown>): boolean {
  for (const k of map.keys()) if (typeof k !== "string" || k === "__proto__") return false;
  return keepsOrder(map.keys() as Iterable<string>);
}

/** A field that is set as data, whatever its name. */
export function setField(target: object, name: string, value: unknown): void {
  Object.defineProperty(target, name, { value, enumerable: true, configurable: true, writable: true });
}

/** Entries by name as a plain object, or as a Map where `isPlain` says no. */
export const dictOf = <T>(map: Map<string, T>): Record<string, T> | Map<string, T> => (isPlain(map) ? Object.fromEntries(map) : map);

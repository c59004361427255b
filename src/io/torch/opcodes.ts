// The opcodes of Python's pickle protocols 0 to 5 and where each ends, so that a pickle's end is found without reading it.
// Source: CPython, Lib/pickletools.py.

/** What follows an opcode: so many bytes, so many lines, or a length of so many bytes and then as many bytes. */
type Argument = number | "line" | "lines" | "length1" | "length4" | "length8";

/** Name and argument by opcode. */
export const OPCODES: ReadonlyMap<number, readonly [name: string, argument: Argument]> = new Map(
  (
    [
      ["(", "MARK", 0],
      [".", "STOP", 0],
      ["0", "POP", 0],
      ["1", "POP_MARK", 0],
      ["2", "DUP", 0],
      ["F", "FLOAT", "line"],
      ["I", "INT", "line"],
      ["J", "BININT", 4],
      ["K", "BININT1", 1],
      ["L", "LONG", "line"],
      ["M", "BININT2", 2],
      ["N", "NONE", 0],
      ["P", "PERSID", "line"],
      ["Q", "BINPERSID", 0],
      ["R", "REDUCE", 0],
      ["S", "STRING", "line"],
      ["T", "BINSTRING", "length4"],
      ["U", "SHORT_BINSTRING", "length1"],
      ["V", "UNICODE", "line"],
      ["X", "BINUNICODE", "length4"],
      ["a", "APPEND", 0],
      ["b", "BUILD", 0],
      ["c", "GLOBAL", "lines"],
      ["d", "DICT", 0],
      ["}", "EMPTY_DICT", 0],
      ["e", "APPENDS", 0],
      ["g", "GET", "line"],
      ["h", "BINGET", 1],
      ["i", "INST", "lines"],
      ["j", "LONG_BINGET", 4],
      ["l", "LIST", 0],
      ["]", "EMPTY_LIST", 0],
      ["o", "OBJ", 0],
      ["p", "PUT", "line"],
      ["q", "BINPUT", 1],
      ["r", "LONG_BINPUT", 4],
      ["s", "SETITEM", 0],
      ["t", "TUPLE", 0],
      [")", "EMPTY_TUPLE", 0],
      ["u", "SETITEMS", 0],
      ["G", "BINFLOAT", 8],
      ["\x80", "PROTO", 1],
      ["\x81", "NEWOBJ", 0],
      ["\x82", "EXT1", 1],
      ["\x83", "EXT2", 2],
      ["\x84", "EXT4", 4],
      ["\x85", "TUPLE1", 0],
      ["\x86", "TUPLE2", 0],
      ["\x87", "TUPLE3", 0],
      ["\x88", "NEWTRUE", 0],
      ["\x89", "NEWFALSE", 0],
      ["\x8a", "LONG1", "length1"],
      ["\x8b", "LONG4", "length4"],
      ["B", "BINBYTES", "length4"],
      ["C", "SHORT_BINBYTES", "length1"],
      ["\x8c", "SHORT_BINUNICODE", "length1"],
      ["\x8d", "BINUNICODE8", "length8"],
      ["\x8e", "BINBYTES8", "length8"],
      ["\x8f", "EMPTY_SET", 0],
      ["\x90", "ADDITEMS", 0],
      ["\x91", "FROZENSET", 0],
      ["\x92", "NEWOBJ_EX", 0],
      ["\x93", "STACK_GLOBAL", 0],
      ["\x94", "MEMOIZE", 0],
      ["\x95", "FRAME", 8],
      ["\x96", "BYTEARRAY8", "length8"],
      ["\x97", "NEXT_BUFFER", 0],
      ["\x98", "READONLY_BUFFER", 0],
    ] as const
  ).map(([code, name, argument]) => [code.charCodeAt(0), [name, argument]]),
);

const STOP = ".".charCodeAt(0);

/** Where the opcode after the one at `at` begins, or null when `bytes` end before that. @throws RangeError for a byte that is no opcode */
function after(bytes: Uint8Array, at: number): number | null {
  const known = OPCODES.get(bytes[at]!);
  if (!known) throw new RangeError(`0x${bytes[at]!.toString(16).padStart(2, "0")} is no pickle opcode`);
  const argument = known[1];
  let end = at + 1;
  if (typeof argument === "number") end += argument;
  else if (argument === "line" || argument === "lines") {
    for (let k = argument === "line" ? 1 : 2; k > 0; k--) {
      end = bytes.indexOf(10, end) + 1;
      if (end === 0) return null;
    }
  } else {
    const width = Number(argument.slice(6));
    if (end + width > bytes.length) return null;
    let length = 0;
    for (let k = width - 1; k >= 0; k--) length = length * 256 + bytes[end + k]!;
    end += width + length;
  }
  return end <= bytes.length ? end : null;
}

/**
 * Looks for the end of the pickle that begins at `start`, from the opcode at `at` on: `{ end }` after its STOP, or `{ at }`, the
 * opcode from which to look on when there are more bytes. @throws RangeError that names a byte that is no opcode
 */
export function pickleEnd(bytes: Uint8Array, at: number): { end: number } | { at: number } {
  while (at < bytes.length) {
    if (bytes[at] === STOP) return { end: at + 1 };
    const next = after(bytes, at);
    if (next === null) return { at };
    at = next;
  }
  return { at };
}

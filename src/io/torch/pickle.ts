// A machine for Python's pickles, protocols 0 to 5. It moves values about and knows no class: whatever a pickle names or wants
// called is asked of a `PickleHost`. Nothing it does depends on anything but the bytes.
import { FormatError, UnsafeGlobalError } from "../../core/errors.ts";
import { float, integer, long, oldString, text, unicode, unquoted } from "./literals.ts";
import { OPCODES } from "./opcodes.ts";
import { PyDict, PyGlobal, PyObject, PyTuple } from "./python.ts";

/** Thrown by a `PickleHost` for a global that is not on its list. */
export class Refused extends Error {
  /** `module.name` */
  readonly path: string;
  constructor(path: string) {
    super(path);
    this.path = path;
  }
}

/** Decides what names and calls in a pickle mean. It throws `Refused` for what is not allowed, RangeError for what makes no sense. */
export interface PickleHost {
  /** A class or function by name. */
  global(module: string, name: string): unknown;
  /** `callee(*args)`. */
  call(callee: unknown, args: readonly unknown[]): unknown;
  /** `cls.__new__(cls, *args)`. */
  create(cls: unknown, args: readonly unknown[]): unknown;
  /** `object.__setstate__(state)`. */
  build(object: unknown, state: unknown): void;
  /** An object that lies outside the pickle. */
  persistent(id: unknown): unknown;
}

/** How many elements calls may copy for each byte of the pickle: a short one must not keep the machine busy for hours. */
const WORK = 64;

/** Reads one pickle. */
export class Unpickler {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #host: PickleHost;
  readonly #name: string;
  readonly #offset: number;
  #at = 0;
  #start = 0;
  #stack: unknown[] = [];
  // Where the values after each MARK begin.
  readonly #marks: number[] = [];
  readonly #memo = new Map<number, unknown>();
  #work: number;

  /** `name` and `offset` tell where the bytes are from: the messages of errors say it. */
  constructor(bytes: Uint8Array, host: PickleHost, name: string, offset = 0) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#host = host;
    this.#name = name;
    this.#offset = offset;
    this.#work = WORK * bytes.length + 4096;
  }

  /** The value that the pickle describes, in Python's terms. @throws FormatError */
  load(): unknown {
    try {
      for (;;) {
        this.#start = this.#at;
        const known = OPCODES.get(this.#byte());
        if (!known) throw this.#fail("this is no pickle opcode");
        if (known[0] === "STOP") {
          if (this.#marks.length) throw this.#fail("a MARK is left open at STOP");
          return this.#pop();
        }
        this.#step(known[0]);
      }
    } catch (e) {
      if (e instanceof RangeError) throw this.#fail(e.message, e);
      if (e instanceof Refused) throw this.#refuse(e.path);
      throw e;
    }
  }

  #fail(message: string, cause?: unknown): FormatError {
    const offset = this.#offset + this.#start;
    const op = OPCODES.get(this.#bytes[this.#start]!)?.[0] ?? "opcode";
    return new FormatError({
      op: "unpickle",
      message: `${this.#name}: at byte ${offset} (${op}): ${message}`,
      hint: "The file is damaged",
      data: { file: this.#name, offset },
      cause,
    });
  }
  #refuse(path: string): UnsafeGlobalError {
    const offset = this.#offset + this.#start;
    return new UnsafeGlobalError({
      op: "unpickle",
      message: `${this.#name}: at byte ${offset}: the file wants ${path} called, which is not on the list of what may be built`,
      hint: `If you know what it is, say what to make of it: { safeGlobals: { ${JSON.stringify(path)}: (...args) => … } }`,
      data: { file: this.#name, offset, global: path },
    });
  }
  #take(n: number): Uint8Array {
    if (n > this.#bytes.length - this.#at) throw this.#fail(`${n} bytes expected, ${this.#bytes.length - this.#at} there`);
    this.#at += n;
    return this.#bytes.subarray(this.#at - n, this.#at);
  }
  #byte(): number {
    return this.#take(1)[0]!;
  }
  #u16(): number {
    this.#take(2);
    return this.#view.getUint16(this.#at - 2, true);
  }
  #u32(): number {
    this.#take(4);
    return this.#view.getUint32(this.#at - 4, true);
  }
  #u64(): number {
    this.#take(8);
    const n = Number(this.#view.getBigUint64(this.#at - 8, true));
    if (!Number.isSafeInteger(n)) throw this.#fail(`a length of ${n}`);
    return n;
  }
  #line(): string {
    const end = this.#bytes.indexOf(10, this.#at);
    if (end < 0) throw this.#fail("the line has no end");
    return text(this.#take(end + 1 - this.#at).subarray(0, -1)).replace(/\r$/, "");
  }
  #index(): number {
    const n = integer(this.#line());
    if (typeof n !== "number" || n < 0) throw this.#fail(`memo index ${n}`);
    return n;
  }

  // Values below the last MARK are out of reach.
  get #floor(): number {
    return this.#marks.at(-1) ?? 0;
  }
  #pop(): unknown {
    if (this.#stack.length <= this.#floor) throw this.#fail("the stack is empty");
    return this.#stack.pop();
  }
  #top(): unknown {
    if (this.#stack.length <= this.#floor) throw this.#fail("the stack is empty");
    return this.#stack.at(-1);
  }
  #push(x: unknown): void {
    this.#stack.push(x);
  }
  #popMark(): unknown[] {
    const mark = this.#marks.pop();
    if (mark === undefined) throw this.#fail("there is no MARK");
    return this.#stack.splice(mark);
  }
  #popTuple(n: number): void {
    if (this.#stack.length - n < this.#floor) throw this.#fail(`the stack has fewer than ${n} values`);
    this.#push(new PyTuple(this.#stack.splice(this.#stack.length - n)));
  }
  #get(index: number): void {
    if (!this.#memo.has(index)) throw this.#fail(`memo ${index} was never set`);
    this.#push(this.#memo.get(index));
  }
  #arguments(x: unknown): readonly unknown[] {
    if (!(x instanceof PyTuple)) throw this.#fail("the arguments of a call are no tuple");
    return x.items;
  }
  // Counts what a call may cost: the elements that it is given, one level down.
  #charge(args: readonly unknown[]): void {
    let n = 16;
    for (const a of args) {
      if (Array.isArray(a) || typeof a === "string" || a instanceof Uint8Array) n += a.length;
      else if (a instanceof PyTuple) n += a.items.length;
      else if (a instanceof Set) n += a.size;
      else if (a instanceof PyDict) n += a.map.size;
      else n++;
    }
    this.#work -= n;
    if (this.#work < 0) throw this.#fail("the pickle asks for more work than its size can need");
  }

  #setItems(target: unknown, items: readonly unknown[]): void {
    if (items.length % 2) throw this.#fail("a key without a value");
    if (target instanceof PyObject) target.dict ??= new PyDict();
    const dict = target instanceof PyObject ? target.dict : target;
    if (!(dict instanceof PyDict)) throw this.#fail("items are set on what is no dict");
    for (let i = 0; i < items.length; i += 2) {
      const key = items[i];
      const hashable = typeof key !== "object" || key === null || key instanceof PyTuple || key instanceof PyGlobal;
      if (!hashable && !(key instanceof Uint8Array) && !(key instanceof PyObject)) throw this.#fail("the key of a dict is no constant");
      dict.map.set(key, items[i + 1]);
    }
  }
  #append(target: unknown, items: readonly unknown[]): void {
    if (target instanceof PyObject) target.items ??= [];
    const list = target instanceof PyObject ? target.items : target;
    if (!Array.isArray(list)) throw this.#fail("values are appended to what is no list");
    for (const x of items) list.push(x);
  }
  #add(target: unknown, items: readonly unknown[]): void {
    if (!(target instanceof Set)) throw this.#fail("values are added to what is no set");
    for (const x of items) target.add(x);
  }
  #call(callee: unknown, args: readonly unknown[]): void {
    this.#charge(args);
    this.#push(this.#host.call(callee, args));
  }
  #create(cls: unknown, args: readonly unknown[]): void {
    this.#charge(args);
    this.#push(this.#host.create(cls, args));
  }

  #step(op: string): void {
    switch (op) {
      case "PROTO": {
        const version = this.#byte();
        if (version > 5) throw this.#fail(`pickle protocol ${version}, expected at most 5`);
        return;
      }
      case "FRAME":
        this.#u64();
        return;
      case "MARK":
        this.#marks.push(this.#stack.length);
        return;
      case "POP":
        // Where nothing is above a MARK, it is the mark that goes.
        if (this.#stack.length === this.#floor && this.#marks.length) this.#marks.pop();
        else this.#pop();
        return;
      case "POP_MARK":
        this.#popMark();
        return;
      case "DUP":
        return this.#push(this.#top());

      case "NONE":
        return this.#push(null);
      case "NEWTRUE":
        return this.#push(true);
      case "NEWFALSE":
        return this.#push(false);
      case "BININT":
        return this.#push(this.#u32() | 0);
      case "BININT1":
        return this.#push(this.#byte());
      case "BININT2":
        return this.#push(this.#u16());
      case "LONG1":
        return this.#push(long(this.#take(this.#byte())));
      case "LONG4":
        return this.#push(long(this.#take(this.#u32())));
      case "INT": {
        const line = this.#line();
        return this.#push(line === "00" ? false : line === "01" ? true : integer(line));
      }
      case "LONG":
        return this.#push(integer(this.#line()));
      case "BINFLOAT":
        this.#take(8);
        return this.#push(this.#view.getFloat64(this.#at - 8, false));
      case "FLOAT":
        return this.#push(float(this.#line()));

      case "BINUNICODE":
        return this.#push(text(this.#take(this.#u32())));
      case "SHORT_BINUNICODE":
        return this.#push(text(this.#take(this.#byte())));
      case "BINUNICODE8":
        return this.#push(text(this.#take(this.#u64())));
      case "UNICODE":
        return this.#push(unicode(this.#line()));
      case "SHORT_BINSTRING":
        return this.#push(oldString(this.#take(this.#byte())));
      case "BINSTRING":
        return this.#push(oldString(this.#take(this.#u32())));
      case "STRING":
        return this.#push(oldString(unquoted(this.#line())));
      case "SHORT_BINBYTES":
        return this.#push(this.#take(this.#byte()).slice());
      case "BINBYTES":
        return this.#push(this.#take(this.#u32()).slice());
      case "BINBYTES8":
      case "BYTEARRAY8":
        return this.#push(this.#take(this.#u64()).slice());

      case "EMPTY_TUPLE":
        return this.#push(new PyTuple([]));
      case "TUPLE1":
        return this.#popTuple(1);
      case "TUPLE2":
        return this.#popTuple(2);
      case "TUPLE3":
        return this.#popTuple(3);
      case "TUPLE":
        return this.#push(new PyTuple(this.#popMark()));
      case "EMPTY_LIST":
        return this.#push([]);
      case "LIST":
        return this.#push(this.#popMark());
      case "APPEND": {
        const x = this.#pop();
        return this.#append(this.#top(), [x]);
      }
      case "APPENDS": {
        const items = this.#popMark();
        return this.#append(this.#top(), items);
      }
      case "EMPTY_DICT":
        return this.#push(new PyDict());
      case "DICT": {
        const dict = new PyDict();
        this.#setItems(dict, this.#popMark());
        return this.#push(dict);
      }
      case "SETITEM": {
        const value = this.#pop();
        const key = this.#pop();
        return this.#setItems(this.#top(), [key, value]);
      }
      case "SETITEMS": {
        const items = this.#popMark();
        return this.#setItems(this.#top(), items);
      }
      case "EMPTY_SET":
        return this.#push(new Set());
      case "ADDITEMS": {
        const items = this.#popMark();
        return this.#add(this.#top(), items);
      }
      case "FROZENSET":
        return this.#push(new Set(this.#popMark()));

      case "GET":
        return this.#get(this.#index());
      case "BINGET":
        return this.#get(this.#byte());
      case "LONG_BINGET":
        return this.#get(this.#u32());
      case "PUT":
        this.#memo.set(this.#index(), this.#top());
        return;
      case "BINPUT":
        this.#memo.set(this.#byte(), this.#top());
        return;
      case "LONG_BINPUT":
        this.#memo.set(this.#u32(), this.#top());
        return;
      case "MEMOIZE":
        this.#memo.set(this.#memo.size, this.#top());
        return;

      case "GLOBAL": {
        const module = this.#line();
        return this.#push(this.#host.global(module, this.#line()));
      }
      case "STACK_GLOBAL": {
        const name = this.#pop();
        const module = this.#pop();
        if (typeof name !== "string" || typeof module !== "string") throw this.#fail("the name of a global is no string");
        return this.#push(this.#host.global(module, name));
      }
      case "REDUCE": {
        const args = this.#arguments(this.#pop());
        return this.#call(this.#pop(), args);
      }
      case "INST": {
        const module = this.#line();
        const cls = this.#host.global(module, this.#line());
        return this.#create(cls, this.#popMark());
      }
      case "OBJ": {
        const [cls, ...args] = this.#popMark();
        return this.#create(cls, args);
      }
      case "NEWOBJ": {
        const args = this.#arguments(this.#pop());
        return this.#create(this.#pop(), args);
      }
      case "NEWOBJ_EX": {
        const named = this.#pop();
        const args = this.#arguments(this.#pop());
        if (!(named instanceof PyDict)) throw this.#fail("the named arguments of a call are no dict");
        return this.#create(this.#pop(), named.map.size ? [...args, named] : args);
      }
      case "BUILD": {
        const state = this.#pop();
        const object = this.#pop();
        this.#charge([state]);
        this.#host.build(object, state);
        return this.#push(object);
      }
      case "PERSID":
        return this.#push(this.#host.persistent(this.#line()));
      case "BINPERSID":
        return this.#push(this.#host.persistent(this.#pop()));
      default:
        throw this.#fail(`${op} needs what lies outside the file`);
    }
  }
}

// Just enough of ONNX's protocol buffers to write a model: bytes in, no library.

const bytes = (...parts) => Buffer.concat(parts.flat(Number.POSITIVE_INFINITY).map((p) => (typeof p === "number" ? Buffer.of(p) : p)));
const varint = (n) => (n < 128 ? [n] : [(n % 128) | 128, ...varint(Math.floor(n / 128))]);
const int = (field, n) => Buffer.from([...varint(field << 3), ...varint(n)]);
const block = (field, body) => bytes(Buffer.from([...varint((field << 3) | 2), ...varint(body.length)]), body);
const text = (field, s) => block(field, Buffer.from(s));
const float = (field, x) => {
  const b = Buffer.alloc(4);
  b.writeFloatLE(x);
  return bytes(Buffer.from(varint((field << 3) | 5)), b);
};

const TYPE = { float32: 1, int64: 7 };
const typeOf = (data) => (data instanceof BigInt64Array ? TYPE.int64 : TYPE.float32);

function attribute(name, value) {
  const kinds = Array.isArray(value)
    ? [value.map((v) => int(8, v)), int(20, 7)]
    : Number.isInteger(value)
      ? [int(3, value), int(20, 2)]
      : typeof value === "string"
        ? [text(4, value), int(20, 3)]
        : [float(2, value), int(20, 1)];
  return block(5, bytes(text(1, name), kinds));
}
const valueInfo = (field, name, type, shape) =>
  block(field, bytes(text(1, name), block(2, block(1, bytes(int(1, type), block(2, bytes(shape.map((d) => block(1, int(1, d))))))))));

/** A graph under construction: `input` and `constant` name tensors, `op` names its result. */
export class Graph {
  #parts = [];
  #count = 0;
  #fresh = () => `t${this.#count++}`;
  /** `type` is float32 or int64. */
  input(name, shape, type = "float32") {
    this.#parts.push(valueInfo(11, name, TYPE[type], shape));
    return name;
  }
  constant(data, shape) {
    const name = this.#fresh();
    const raw = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
    this.#parts.push(
      block(
        5,
        bytes(
          shape.map((d) => int(1, d)),
          int(2, typeOf(data)),
          text(8, name),
          block(9, raw),
        ),
      ),
    );
    return name;
  }
  ints(...values) {
    return this.constant(BigInt64Array.from(values, BigInt), [values.length]);
  }
  /** One node; of several `outputs` it gives the list. */
  op(type, inputs, attributes = {}, outputs = 1) {
    const names = Array.from({ length: outputs }, this.#fresh);
    const of = Object.entries(attributes).map(([k, v]) => attribute(k, v));
    this.#parts.push(
      block(
        1,
        bytes(
          inputs.map((n) => text(1, n)),
          names.map((n) => text(2, n)),
          text(4, type),
          of,
        ),
      ),
    );
    return outputs === 1 ? names[0] : names;
  }
  /** The model's bytes, with one result. */
  model(output, shape) {
    const out = valueInfo(12, output, TYPE.float32, shape);
    return bytes(int(1, 10), block(8, bytes(text(1, ""), int(2, 20))), block(7, bytes(this.#parts, text(2, "g"), out)));
  }
}

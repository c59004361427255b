// Pickles without anything around them: `pickle.dump` of arrays, tensors and plain values.
import type { Format, OpenFile } from "../stored.ts";
import { convert, TorchHost } from "./host.ts";
import { Unpickler } from "./pickle.ts";
import { drive, loadBytes, pickleBytes } from "./stream.ts";

/** The format of Python's `pickle.dump`, protocol 2 and newer. */
export const plainPickle: Format = {
  name: "pickle",
  detect: (head) => head[0] === 0x80 && head[1]! >= 2 && head[1]! <= 5,
  async open(source, options): Promise<OpenFile> {
    const { name } = source;
    const host = new TorchHost({
      safeGlobals: options.safeGlobals,
      load: (bytes) => loadBytes(bytes, name, options),
      persistent: () => {
        throw new RangeError("a persistent id, which only files of torch.save have");
      },
    });
    const bytes = await drive(source, pickleBytes(name, 0));
    return {
      format: "pickle",
      metadata: { protocol: bytes[1] },
      value: convert(new Unpickler(bytes, host, name).load(), name),
      close: () => source.close(),
    };
  },
};

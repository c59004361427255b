// What opening a model gives, whatever it is opened from.
import { FormatError } from "../../core/errors.ts";
import type { StoredTensor } from "../../io/stored.ts";

/** What a model is built from. */
export interface Checkpoint {
  /** For messages. */
  readonly name: string;
  /** As `config.json` has it. */
  readonly config: Readonly<Record<string, unknown>>;
  /** As `generation_config.json` has it, where there is one. */
  readonly generation?: Readonly<Record<string, unknown>>;
  /** The tensors by their names in Hugging Face's files, not read yet. @throws ArgumentError, FormatError when there are none, or damaged ones */
  tensors(): Promise<ReadonlyMap<string, StoredTensor>>;
  close(): Promise<void>;
}

/** The value of a field that must be a number. @throws FormatError */
export function numberOf(fields: Readonly<Record<string, unknown>>, key: string, where: string): number {
  const v = fields[key];
  if (typeof v === "number" && Number.isFinite(v)) return v;
  throw new FormatError({
    op: "fromPretrained",
    message: `${where}: ${key} is ${v === undefined ? "missing" : JSON.stringify(v)}, expected a number`,
    hint: "The file is damaged, or of another architecture",
    data: { field: key },
  });
}

// The labels of classifiers in configurations: `id2label` and what follows from it.
import type { CommonConfig, ConfigReader, Field } from "../config.ts";
import { maybe, object, size, word } from "../config.ts";

/** How a classifier's loss is computed. */
export type ProblemType = "regression" | "single_label_classification" | "multi_label_classification";
/** What configurations of models with classifiers have. */
export interface LabelConfig extends CommonConfig {
  /** Names by number: `{ "0": "NEGATIVE", "1": "POSITIVE" }`. */
  readonly id2label: Readonly<Record<string, string>>;
  readonly label2id: Readonly<Record<string, number>>;
  /** null: told from the number of labels and the dtype of those given. */
  readonly problemType: ProblemType | null;
  /** How many there are. Given without names, they are called LABEL_0, LABEL_1, … Files hold the names alone. */
  readonly numLabels: number;
}
const record = <T>(what: string, is: (x: unknown) => boolean): Field<Readonly<Record<string, T>>> => ({
  needed: `an object of ${what}`,
  is: (x) => object.is(x) && x !== null && Object.values(x as object).every(is),
  fallback: {},
});
/** Their fields. */
export const labelFields: {
  readonly [K in Exclude<keyof LabelConfig, keyof CommonConfig>]: Field<LabelConfig[K]>;
} = {
  id2label: record<string>("strings", (x) => typeof x === "string"),
  label2id: record<number>("integers", Number.isSafeInteger),
  problemType: maybe(
    word<ProblemType>("regression", "regression", "single_label_classification", "multi_label_classification"),
  ) as Field<ProblemType | null>,
  numLabels: size(0),
};

/** A reader that fills in labels: two where nothing says how many, as transformers has it. */
export const labelled =
  <C extends LabelConfig>(read: ConfigReader<C>): ConfigReader<C> =>
  (given, file) => {
    const config = read(given, file);
    const named = Object.keys(config.id2label).length;
    const count = config.numLabels || named || 2;
    const fresh = count === named ? config.id2label : Object.fromEntries(Array.from({ length: count }, (_, i) => [`${i}`, `LABEL_${i}`]));
    const kept = count === named && Object.keys(config.label2id).length > 0;
    const label2id = kept ? config.label2id : Object.fromEntries(Object.entries(fresh).map(([i, name]) => [name, Number(i)]));
    // Not enumerable: files and copies have the names, from which it follows.
    return Object.defineProperty({ ...config, id2label: fresh, label2id }, "numLabels", { value: count, enumerable: false });
  };

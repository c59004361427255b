// Files of TensorFlow, TensorFlow.js and Keras. The code that reads one is loaded with the first such file.
import type { Format } from "../stored.ts";
import { isZip, openZip } from "../zip.ts";
import { isHdf5, isSavedModel, isTable, isTfjs, WEIGHTS } from "./magic.ts";

/**
 * HDF5 files of Keras: whole models and weights alone, and most other HDF5 files, chunked and gzipped datasets too. Weights of `.h5`
 * files have Keras's names (`dense/kernel`), those of Keras 3's `.weights.h5` their paths (`layers/dense/vars/0`), with the
 * layers' own names in `metadata.names`; `metadata.model_config` is the architecture.
 */
export const hdf5: Format = {
  name: "hdf5",
  detect: isHdf5,
  open: async (source) => (await import("./keras.ts")).openHdf5(source),
};

/** The .keras format of Keras 3: an archive of `config.json`, `metadata.json` and `model.weights.h5`. Keys are as in `.weights.h5`. */
export const keras: Format = {
  name: "keras",
  detect: async (head, source) => {
    if (!isZip(head)) return false;
    const { entries } = await openZip(source);
    return ["config.json", WEIGHTS].every((name) => entries.has(name));
  },
  open: async (source) => (await import("./keras.ts")).openKeras(source),
};

/**
 * A SavedModel of TensorFlow, opened by its folder or its `saved_model.pb`: the variables in `variables/`, as `tensorflow` reads them. Of the
 * graph nothing is read.
 */
export const savedModel: Format = {
  name: "saved model",
  detect: isSavedModel,
  open: async (source, options) => (await import("./checkpoint.ts")).openSavedModel(source, options),
};

/**
 * Checkpoints of TensorFlow 1.2 and later and the variables of SavedModels: open `variables/variables.index`, the data files are
 * found beside it. Keys are the variables' full names (`sequential/dense/kernel`); `metadata.keys` has those of the checkpoint.
 * Strings, such as the graph of objects, are left out.
 */
export const tensorflow: Format = {
  name: "tensorflow",
  detect: (_head, source) => isTable(source),
  open: async (source, options) => (await import("./checkpoint.ts")).openCheckpoint(source, options),
};

/**
 * Models of TensorFlow.js, layers and graph models alike: open `model.json`, the weight files are found beside it. Quantised
 * weights are read as the floats they stand for, texts are left out; `metadata` has all of `model.json` but the manifest.
 */
export const tfjs: Format = {
  name: "tfjs",
  detect: isTfjs,
  open: async (source, options) => (await import("./tfjs.ts")).openTfjs(source, options),
};

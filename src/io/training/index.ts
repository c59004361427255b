// Training states: everything that a run needs to go on exactly.
export { type LoadedTraining, loadTrainingState, type LoadTrainingOptions } from "./load.ts";
export { listTrainingStates, saveTrainingState, type SaveGroup, type SaveTrainingOptions } from "./save.ts";
export type { LoaderLike, ModelLike, OneOrMore, OptimizerLike, Stateful, TrainingParts } from "./parts.ts";
export { Shard } from "./shard.ts";

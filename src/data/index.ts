// firebrand/data.
import "../devices.ts";
export { ConcatDataset, type Dataset, type IterableDataset, randomSplit, Subset, TensorDataset } from "./dataset.ts";
export { BatchSampler, RandomSampler, type Sampler, SequentialSampler, SubsetRandomSampler, WeightedRandomSampler } from "./sampler.ts";
export { DataLoader, type DataLoaderOptions, defaultCollate, type LoaderState } from "./loader.ts";

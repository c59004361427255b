// firebrand/pipeline.
import "../devices.ts";

export { pipeline, type PipelineOf, type Pipelines, type TaskName } from "./pipeline.ts";
export type { Parts, PerText, PipelineSource } from "./parts.ts";
export type { Span } from "./offsets.ts";
export type { FeatureExtraction, FeatureExtractionOptions } from "./featureExtraction.ts";
export type { Filled, FillMask, FillMaskOptions } from "./fillMask.ts";
export type { FoundAnswer, Question, QuestionAnswering, QuestionAnsweringOptions } from "./questionAnswering.ts";
export type { Label, TextClassification, TextClassificationOptions } from "./textClassification.ts";
export type { Chat, Generated, TextGeneration, TextGenerationOptions } from "./textGeneration.ts";
export type { TextToText, TextToTextOptions } from "./textToText.ts";
export type {
  AggregationStrategy,
  EntityGroup,
  TokenClassification,
  TokenClassificationOptions,
  TokenEntity,
} from "./tokenClassification.ts";

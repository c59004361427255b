// firebrand/tokenizers.
import "../devices.ts";
export { AutoTokenizer, type TokenizerOptions, type TokenizerSource } from "./auto.ts";
export { type SpecialRole, Tokenizer, type TokenizerParts } from "./tokenizer.ts";
export type { BatchEncoding, BatchOptions, EncodeOptions, Side, Truncation } from "./batch.ts";
export type { ChatMessage, ChatTemplateOptions, ContentPart } from "./chat.ts";
export { type DecodeOptions, DecodeStream } from "./stream.ts";
export { type Files, localFiles, memoryFiles } from "./files.ts";
export type { AddedToken } from "./added.ts";
export type { PieceDecoder, Scheme, Span } from "./scheme.ts";
export type { Template, TemplateItem } from "./template.ts";
export type { TiktokenOptions } from "./families.ts";
export type { GgufMetadata } from "./gguf.ts";

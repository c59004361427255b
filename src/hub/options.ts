// How the hub is reached.

/** Options of `hubFiles`. */
export interface HubOptions {
  /** A branch, a tag or a commit (default `main`). */
  readonly revision?: string;
  /** For private and gated models (default: HF_TOKEN). */
  readonly token?: string;
  /** Address of the hub or a mirror (default: HF_ENDPOINT, else the hub's own). */
  readonly endpoint?: string;
  /** Where downloads are kept (default: Hugging Face's cache). */
  readonly cacheDir?: string;
  /** Use what is in the cache and ask nobody (default: HF_HUB_OFFLINE). */
  readonly offline?: boolean;
  /** Called while files come, with bytes of the file. */
  readonly onProgress?: (file: string, done: number, total: number) => void;
  /** Cancels downloads; what has come is kept. */
  readonly signal?: AbortSignal;
}
/** Their declarations, for `checkOptions`. */
export const HUB_OPTIONS: readonly string[] = [
  "revision?: text",
  "token?: text",
  "endpoint?: text",
  "cacheDir?: text",
  "offline?: flag",
  "onProgress?: function",
  "signal?: object",
];

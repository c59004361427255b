// What a server counts, and its text in the format that Prometheus reads (https://prometheus.io/docs/instrumenting/exposition_formats/).

/** A number that only grows, by the values of some labels. */
class Counter {
  readonly #name: string;
  readonly #help: string;
  readonly #values = new Map<string, number>();
  constructor(name: string, help: string) {
    this.#name = name;
    this.#help = help;
  }
  add(n: number, labels: Readonly<Record<string, string | number>> = {}): void {
    const key = labelled(labels);
    this.#values.set(key, (this.#values.get(key) ?? 0) + n);
  }
  get total(): number {
    return [...this.#values.values()].reduce((a, b) => a + b, 0);
  }
  text(): string[] {
    const values = this.#values.size === 0 ? [["", 0] as const] : [...this.#values];
    return [...head(this.#name, this.#help, "counter"), ...values.map(([labels, n]) => `${this.#name}${labels} ${n}`)];
  }
}

/** How often values of each size came. */
class Histogram {
  readonly #name: string;
  readonly #help: string;
  readonly #bounds: readonly number[];
  readonly #counts: number[];
  #sum = 0;
  #count = 0;
  constructor(name: string, help: string, bounds: readonly number[]) {
    this.#name = name;
    this.#help = help;
    this.#bounds = bounds;
    this.#counts = bounds.map(() => 0);
  }
  observe(x: number): void {
    this.#sum += x;
    this.#count++;
    this.#bounds.forEach((b, i) => {
      if (x <= b) this.#counts[i]!++;
    });
  }
  text(): string[] {
    return [
      ...head(this.#name, this.#help, "histogram"),
      ...this.#bounds.map((b, i) => `${this.#name}_bucket{le="${b}"} ${this.#counts[i]}`),
      `${this.#name}_bucket{le="+Inf"} ${this.#count}`,
      `${this.#name}_sum ${this.#sum}`,
      `${this.#name}_count ${this.#count}`,
    ];
  }
}

/** A number that is read when it is asked for. */
export interface Gauge {
  readonly name: string;
  readonly help: string;
  value(): number;
}

const SECONDS = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300];
const head = (name: string, help: string, type: string): string[] => [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`];
const escaped = (x: string | number): string => String(x).replace(/[\\"\n]/g, (c) => (c === "\n" ? "\\n" : `\\${c}`));
const labelled = (labels: Readonly<Record<string, string | number>>): string => {
  const parts = Object.entries(labels).map(([k, v]) => `${k}="${escaped(v)}"`);
  return parts.length === 0 ? "" : `{${parts.join(",")}}`;
};

/** All figures of a server. */
export class Metrics {
  readonly requests: Counter = new Counter("firebrand_requests_total", "Requests answered, by route and status.");
  readonly promptTokens: Counter = new Counter("firebrand_prompt_tokens_total", "Tokens of prompts that were computed.");
  readonly cachedTokens: Counter = new Counter("firebrand_cached_tokens_total", "Tokens of prompts that a kept cache had.");
  readonly newTokens: Counter = new Counter("firebrand_generated_tokens_total", "Tokens generated.");
  readonly cancelled: Counter = new Counter("firebrand_cancelled_total", "Texts that nobody waited for any more.");
  readonly errors: Counter = new Counter("firebrand_internal_errors_total", "Texts that failed for no fault of the client's.");
  readonly batch: Histogram = new Histogram("firebrand_batch_size", "Texts in a pass of the model.", [1, 2, 4, 8, 16, 32, 64, 128, 256]);
  readonly firstToken: Histogram = new Histogram("firebrand_time_to_first_token_seconds", "From the request to its first token.", SECONDS);
  readonly duration: Histogram = new Histogram("firebrand_request_seconds", "From the request to its end.", SECONDS);
  /** Told of errors that are the server's own. */
  readonly onError: (e: unknown) => void;

  constructor(onError: (e: unknown) => void) {
    this.onError = onError;
  }
  /** Counts and tells an error that is the server's own. */
  failed(e: unknown): void {
    this.errors.add(1);
    this.onError(e);
  }
  /** The figures as text. */
  text(gauges: readonly Gauge[]): string {
    const kept = [
      this.requests,
      this.promptTokens,
      this.cachedTokens,
      this.newTokens,
      this.cancelled,
      this.errors,
      this.batch,
      this.firstToken,
      this.duration,
    ];
    const now = gauges.flatMap((g) => [...head(g.name, g.help, "gauge"), `${g.name} ${g.value()}`]);
    return `${[...kept.flatMap((m) => m.text()), ...now].join("\n")}\n`;
  }
}

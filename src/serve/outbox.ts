// What has been said to a client and not been taken yet: a bounded buffer between the model, which waits for nobody, and a connection.

const utf8 = new TextEncoder();

/** A stream of bytes that ends badly when its reader falls too far behind. */
export class Outbox {
  readonly stream: ReadableStream<Uint8Array<ArrayBuffer>>;
  readonly #most: number;
  readonly #onGone: (why: "left" | "slow") => void;
  #controller!: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>>;
  #waiting: Uint8Array<ArrayBuffer>[] = [];
  #bytes = 0;
  #wanted: (() => void) | null = null;
  #ended = false;
  #gone = false;

  /** `most`: bytes that may wait. `onGone`: called once when the reader has left, or has not read for that long. */
  constructor(most: number, onGone: (why: "left" | "slow") => void) {
    this.#most = most;
    this.#onGone = onGone;
    this.stream = new ReadableStream<Uint8Array<ArrayBuffer>>(
      {
        start: (controller) => void (this.#controller = controller),
        // Asked only when the connection can take more; what came meanwhile goes as one piece.
        pull: () => {
          if (this.#waiting.length > 0) return this.#hand();
          if (this.#ended) return this.#controller.close();
          return new Promise<void>((wake) => {
            this.#wanted = wake;
          });
        },
        cancel: () => this.#leave("left"),
      },
      { highWaterMark: 0 },
    );
  }

  /** Bytes that wait. */
  get bytes(): number {
    return this.#bytes;
  }
  /** Adds text. */
  push(text: string): void {
    if (this.#gone || this.#ended) return;
    const piece = utf8.encode(text);
    if (this.#bytes + piece.length > this.#most) {
      this.#leave("slow");
      // The connection has been cut, and with it the stream: this is for readers without one.
      setTimeout(() => this.#controller.error(new Error("the client reads too slowly")), 50);
      return;
    }
    this.#waiting.push(piece);
    this.#bytes += piece.length;
    if (this.#wanted) this.#hand();
    this.#wake();
  }
  /** Nothing comes after this. */
  end(): void {
    if (this.#gone || this.#ended) return;
    this.#ended = true;
    if (this.#wanted) this.#controller.close();
    this.#wake();
  }

  #hand(): void {
    const all = new Uint8Array(this.#bytes);
    let at = 0;
    for (const piece of this.#waiting) {
      all.set(piece, at);
      at += piece.length;
    }
    this.#waiting = [];
    this.#bytes = 0;
    this.#controller.enqueue(all);
  }
  #wake(): void {
    const wake = this.#wanted;
    this.#wanted = null;
    wake?.();
  }
  #leave(why: "left" | "slow"): void {
    if (this.#gone) return;
    this.#gone = true;
    this.#waiting = [];
    this.#bytes = 0;
    this.#onGone(why);
    this.#wake();
  }
}

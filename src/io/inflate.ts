// Deflated bytes as they were: the stream that browsers and Node share, fed as it is read from.

/**
 * What `compressed` inflates to, piece by piece. Errors of the input pass through; those of the stream are the platform's.
 * @throws `tooMany()` as soon as there are more than `limit` bytes
 */
export async function* inflated(
  format: "deflate" | "deflate-raw",
  compressed: AsyncIterable<Uint8Array>,
  limit: number,
  tooMany: () => Error,
): AsyncGenerator<Uint8Array> {
  const stream = new DecompressionStream(format);
  const writer = stream.writable.getWriter();
  const reader = stream.readable.getReader() as ReadableStreamDefaultReader<Uint8Array>;
  for (const closed of [writer.closed, reader.closed]) closed.catch(() => {}); // what goes wrong is seen by read() below
  const feed = (async () => {
    for await (const chunk of compressed) await writer.write(chunk.slice());
    await writer.close();
  })();
  feed.catch((error) => writer.abort(error).catch(() => {}));
  let total = 0;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      total += value.length;
      if (total > limit) throw tooMany();
      yield value;
    }
    await feed;
  } finally {
    await reader.cancel().catch(() => {});
    await feed.catch(() => {});
  }
}

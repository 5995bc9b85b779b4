/** Yields the lines of an answer as they arrive, without their ends; the text after the last is no line. */
export async function* lines(response: Response, heard: () => void): AsyncGenerator<string, void, undefined> {
  if (response.body === null) return;
  const reader = response.body.getReader();
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  let rest = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      heard();
      const found = (rest + decoder.decode(value, { stream: true })).split("\n");
      rest = found.pop() ?? "";
      yield* found;
    }
  } finally {
    // This closes the connection if the caller has had enough.
    await reader.cancel().catch(() => undefined);
  }
}

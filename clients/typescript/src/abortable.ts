/**
 * Returns an answer whose connection is closed when `signal` aborts.
 *
 * Node holds the signal of a request weakly. Once it has collected its garbage, an abort no longer
 * reaches a body that is being read, and a silent server would keep the process running for minutes.
 */
export function abortable(response: Response, signal: AbortSignal): Response {
  if (response.body === null) return response;
  const reader = response.body.getReader();
  // The connection is closed whether or not anybody hears that it was.
  const close = (): void => void reader.cancel().catch(() => undefined);
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      const abort = (): void => {
        controller.error(signal.reason);
        close();
      };
      if (signal.aborted) abort();
      else signal.addEventListener("abort", abort, { once: true });
    },
    async pull(controller) {
      const { done, value } = await reader.read();
      // A body that was cancelled looks like one that ended.
      if (signal.aborted) return;
      if (done) controller.close();
      else controller.enqueue(value);
    },
    cancel: close,
  });
  return new Response(body, response);
}

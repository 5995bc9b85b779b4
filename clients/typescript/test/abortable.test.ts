import assert from "node:assert/strict";
import { test } from "node:test";
import { abortable } from "../src/abortable.js";

/** An answer that sends one piece and is silent then, and whether its connection was closed. */
function silent(): { response: Response; closed: Promise<void> } {
  let close: () => void = () => undefined;
  const closed = new Promise<void>((resolve) => {
    close = resolve;
  });
  const body = new ReadableStream<Uint8Array>({
    start: (controller) => controller.enqueue(new TextEncoder().encode("{")),
    cancel: () => close(),
  });
  return { response: new Response(body, { status: 206, headers: { "x-a": "b" } }), closed };
}

test("an abort closes the connection of a body that is being read, which is not whole then", async () => {
  const { response, closed } = silent();
  const controller = new AbortController();
  const answer = abortable(response, controller.signal);
  assert.equal(answer.status, 206);
  assert.equal(answer.headers.get("x-a"), "b");
  const text = answer.text();
  setImmediate(() => controller.abort(new Error("enough")));
  await assert.rejects(text, /enough/);
  await closed;
});

test("an abort closes the connection of a body that nobody reads", async () => {
  const { response, closed } = silent();
  const controller = new AbortController();
  abortable(response, controller.signal);
  controller.abort();
  await closed;
});

test("who has had enough of a body closes its connection", async () => {
  const { response, closed } = silent();
  await abortable(response, new AbortController().signal).body?.cancel();
  await closed;
});

test("a body that ends arrives whole", async () => {
  const answer = abortable(new Response("a".repeat(100_000)), new AbortController().signal);
  assert.equal(await answer.text(), "a".repeat(100_000));
  const empty = abortable(new Response(null, { status: 204 }), AbortSignal.abort());
  assert.equal(empty.status, 204);
});

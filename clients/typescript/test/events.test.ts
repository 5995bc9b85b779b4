import assert from "node:assert/strict";
import { test } from "node:test";
import { EventParser, type ServerEvent } from "../src/events.js";
import { lines } from "../src/lines.js";

const TEXT = 'retry: 2000\nid: 1\n\n: still here\nid: 2\nevent: changes\ndata: {"ü":"\u2028"}\r\n\r\nid: 3\n\nid: 4\nevent: changes\ndata: {';

async function parsed(size: number): Promise<ServerEvent[]> {
  const bytes = new TextEncoder().encode(TEXT);
  let at = 0;
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      if (at >= bytes.length) return controller.close();
      controller.enqueue(bytes.slice(at, at + size));
      at += size;
    },
  });
  const parser = new EventParser();
  const events: ServerEvent[] = [];
  for await (const line of lines(new Response(body), () => undefined)) {
    const event = parser.take(line);
    if (event !== null) events.push(event);
  }
  return events;
}

test("events are the same in whichever pieces they arrive, and half an event is none", async () => {
  for (const size of [1, 2, 3, 7, 1_000]) {
    assert.deepEqual(await parsed(size), [
      { id: "1", name: "message", data: null },
      { id: "2", name: "changes", data: '{"ü":"\u2028"}' },
      { id: "3", name: "message", data: null },
    ]);
  }
});

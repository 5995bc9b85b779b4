// The stream of changes. A browser's `EventSource` cannot show a token, so with one the events are
// read from a request.

import { authorization, token } from "./credential.js";

/** How long to wait before a broken stream is opened again. */
const AGAIN = 2_000;

/** Opens the stream of what changes after `commit`; it has the events of an `EventSource`. */
export function changesSince(commit) {
  const url = `api/_changes?since=${commit}`;
  return token() === null ? new EventSource(url) : new AuthorizedStream(url);
}

class AuthorizedStream extends EventTarget {
  readyState = EventSource.CONNECTING;
  #last = null;

  constructor(url) {
    super();
    this.#follow(url);
  }

  async #follow(url) {
    while (await this.#open(url)) {
      this.#become(EventSource.CONNECTING, "error");
      await new Promise((resolve) => setTimeout(resolve, AGAIN));
    }
    this.#become(EventSource.CLOSED, "error");
  }

  /** Reads the stream to its end. Returns whether it may be opened again. */
  async #open(url) {
    const last = this.#last === null ? {} : { "Last-Event-ID": this.#last };
    try {
      const headers = { Accept: "text/event-stream", ...authorization(), ...last };
      const response = await fetch(url, { headers, cache: "no-store" });
      if (!response.ok) return false;
      this.#become(EventSource.OPEN, "open");
      let text = "";
      for await (const piece of response.body.pipeThrough(new TextDecoderStream())) {
        const events = (text + piece).split("\n\n");
        text = events.pop();
        events.forEach((event) => this.#read(event));
      }
    } catch {
      // The connection broke.
    }
    return true;
  }

  #read(event) {
    const fields = new Map(event.split("\n").map((line) => line.split(/: (.*)/s, 2)));
    this.#last = fields.get("id") ?? this.#last;
    if (!fields.has("data")) return;
    this.dispatchEvent(new MessageEvent(fields.get("event") ?? "message", { data: fields.get("data") }));
  }

  #become(state, event) {
    this.readyState = state;
    this.dispatchEvent(new Event(event));
  }
}

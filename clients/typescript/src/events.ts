/** An event of a stream. */
export interface ServerEvent {
  /** Where the client is once it has taken this event; null if nothing says. */
  readonly id: string | null;
  readonly name: string;
  /** Null if the event only tells where the client is. */
  readonly data: string | null;
}

/** Makes events of the lines of a stream (`text/event-stream`). */
export class EventParser {
  #id: string | null = null;
  #name = "message";
  #data: string | null = null;
  #isEmpty = true;

  /** Takes the next line. Returns an event if the line ends one. */
  take(line: string): ServerEvent | null {
    if (line.endsWith("\r")) line = line.slice(0, -1);
    if (line === "") return this.#end();
    const colon = line.indexOf(":");
    // A line that begins with a colon is a remark, a sign of life.
    if (colon === 0) return null;
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(line[colon + 1] === " " ? colon + 2 : colon + 1);
    this.#isEmpty = false;
    if (name === "id") this.#id = value;
    if (name === "event") this.#name = value;
    if (name === "data") this.#data = this.#data === null ? value : `${this.#data}\n${value}`;
    return null;
  }

  #end(): ServerEvent | null {
    const event = this.#isEmpty ? null : { id: this.#id, name: this.#name, data: this.#data };
    this.#name = "message";
    this.#data = null;
    this.#isEmpty = true;
    return event;
  }
}

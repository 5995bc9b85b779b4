// The state of the server, kept up to date: its status, its sheets, its reloads, and each change as
// it goes live.

import { read } from "./api.js";
import { changesSince } from "./stream.js";

/** How often the status is read while the server streams its changes, and while it does not. */
const QUIET = 5_000;
const POLLING = 1_500;

/** How long to wait before the stream of changes is opened again. */
const AGAIN = 10_000;

/** The number of publications that are remembered with their records. */
const REMEMBERED = 50;

class Live extends EventTarget {
  status = null;
  sheets = [];
  reloads = null;
  /** `loading`, `live`, `polling` or `lost`. */
  connection = "loading";
  /** The records that changed, by the commit that brought them. */
  seen = new Map();
  #source = null;
  #timer = 0;
  #refreshed = Promise.resolve();
  /** When the stream of changes is opened again. */
  #again = Infinity;

  /** Whether the server takes changes at all. */
  get takesWrites() {
    return this.status?.writable !== undefined;
  }

  /** Whether the reader may change the records of a sheet. */
  mayWrite(sheet) {
    return this.status?.writable?.includes(sheet) ?? false;
  }

  /** Reads everything once, and keeps it up to date. */
  async begin() {
    this.#again = 0;
    await this.refresh();
  }

  /** Listens to `changes`, `status` or `reloads` until `signal` aborts. */
  on(name, signal, listener) {
    this.addEventListener(name, (event) => listener(event.detail), { signal });
  }

  /** Reads the status and the reloads, and the sheets if another commit is served. */
  refresh() {
    this.#refreshed = this.#refreshed.then(() => this.#refresh());
    return this.#refreshed;
  }

  async #refresh() {
    clearTimeout(this.#timer);
    const before = this.status?.commit;
    try {
      const [status, reloads] = await Promise.all([read(["_status"]), this.#readReloads()]);
      if (before !== status.body.commit) this.sheets = (await read(["_sheets"])).body.items;
      this.status = status.body;
      this.reloads = reloads;
      this.connection = this.#source ? "live" : "polling";
    } catch {
      this.connection = "lost";
    }
    this.#emit("status");
    this.#emit("reloads");
    if (before && before !== this.status.commit && !this.#source) {
      this.#emit("changes", { from: before, to: this.status.commit, items: null });
    }
    if (this.status && Date.now() > this.#again) this.#follow();
    const pause = this.connection === "live" ? QUIET : POLLING;
    this.#timer = setTimeout(() => (document.hidden ? this.#later() : this.refresh()), pause);
  }

  /** Waits until the page is visible again. */
  #later() {
    document.addEventListener("visibilitychange", () => this.refresh(), { once: true });
  }

  async #readReloads() {
    try {
      return (await read(["_reloads"])).body.items;
    } catch (error) {
      if (error.isMissingRoute) return null;
      throw error;
    }
  }

  /** Opens the stream of changes; without one the status is polled. */
  #follow() {
    this.#again = Infinity;
    const since = this.status.commit;
    const source = changesSince(since);
    source.addEventListener("open", () => {
      this.#source = source;
      if (this.connection === "polling") this.connection = "live";
      this.#emit("status");
    });
    source.addEventListener("changes", (event) => this.#changed(JSON.parse(event.data)));
    source.addEventListener("resync", () => this.#changed({ items: null }));
    source.addEventListener("error", () => {
      this.#source = null;
      // The browser reopens a broken stream, but not a refused one.
      if (source.readyState === EventSource.CLOSED) this.#refused(since);
    });
  }

  /** Tries again later, unless the server has no such route. */
  async #refused(since) {
    const error = await read(["_changes"], { since }).then(() => null, (error) => error);
    if (!error?.isMissingRoute) this.#again = Date.now() + AGAIN;
  }

  /** `items` are null if it is not known what changed. */
  async #changed({ from, to, items }) {
    if (items?.length > 0) this.seen.set(to, items);
    if (this.seen.size > REMEMBERED) this.seen.delete(this.seen.keys().next().value);
    // The counts are read first, so that listeners see them together with the change.
    await this.refresh();
    if (items?.length !== 0) this.#emit("changes", { from, to, items });
  }

  #emit(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}

export const live = new Live();

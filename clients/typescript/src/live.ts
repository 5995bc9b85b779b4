import { Backoff, pause } from "./backoff.js";
import { type Part, selecting } from "./conditions.js";
import { type Connection, commitOf, type Outgoing, reading, requestedWait } from "./connection.js";
import { EventParser, type ServerEvent } from "./events.js";
import { lines } from "./lines.js";
import { Patience } from "./patience.js";
import { HeadwaterError, passes, RefusedError, TransportError } from "./problem.js";
import { applied, type Change, difference, loaded, type State, type ToldChange } from "./state.js";

/** How a live copy is kept. */
export interface LiveOptions extends Part {
  /** Aborts the copy, also before it has begun. */
  readonly signal?: AbortSignal;
  /**
   * How long the server may be silent before its connection counts as broken, in milliseconds;
   * 45 s by default. The server gives a sign of life every 15 s.
   */
  readonly patience?: number;
}

/** How far a copy is behind. */
export interface LiveStatus {
  /** The commit of the copy. */
  readonly commit: string;
  /** Whether the server tells the copy what changes. */
  readonly connected: boolean;
  /** The milliseconds since the server last gave a sign of life. */
  readonly silence: number;
  /** Why the copy is not connected; null while it is, and before it tries again. */
  readonly error: HeadwaterError | null;
}

/** What the server sends for each publication. */
interface Told<T> {
  readonly from: string;
  readonly to: string;
  readonly resync: boolean;
  readonly items: readonly ToldChange<T>[];
}

const PATIENCE = 45_000;

/** What a copy needs to know of a part of a sheet. */
interface Followed {
  readonly sheet: string;
  readonly options: LiveOptions;
}

/**
 * The records of a part of a sheet, in memory, as of one commit of the server, and kept up to date.
 *
 * A state is swapped for the next as a whole: whoever holds one holds the records of one commit. A
 * copy that loses its server keeps its state and comes back by itself.
 */
export class Live<T> {
  #state: State<T> = { commit: "", records: new Map() };
  #connected = false;
  /** The id of the last event, if it tells more than its commit. */
  #lastId: string | null = null;
  #heardAt = Date.now();
  #error: HeadwaterError | null = null;
  readonly #closing = new AbortController();
  readonly #listeners = new Set<() => void>();
  readonly #backoff: Backoff;
  #run: Promise<void> = Promise.resolve();

  private constructor(
    private readonly connection: Connection,
    private readonly part: Followed,
  ) {
    this.#backoff = new Backoff(connection.waits);
  }

  /** Returns a copy once it has all records and hears of changes. */
  static open<T>(connection: Connection, sheet: string, options: LiveOptions): Promise<Live<T>> {
    const live = new Live<T>(connection, { sheet, options });
    return new Promise((resolve, reject) => {
      const { signal } = options;
      if (signal?.aborted) return reject(signal.reason);
      signal?.addEventListener("abort", () => {
        live.#closing.abort();
        reject(signal.reason);
      });
      live.#run = live.#keep(() => resolve(live), reject);
    });
  }

  /** The records of one commit. */
  get state(): State<T> {
    return this.#state;
  }

  get commit(): string {
    return this.#state.commit;
  }

  get size(): number {
    return this.#state.records.size;
  }

  /** Returns the record with this key. Do not change it: others hold the same object. */
  get(key: string): T | undefined {
    return this.#state.records.get(key);
  }

  get status(): LiveStatus {
    return {
      commit: this.#state.commit,
      connected: this.#connected,
      silence: Date.now() - this.#heardAt,
      error: this.#error,
    };
  }

  /** Calls `listener` after each swap, and at the end. Returns a function that ends this. */
  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * Yields what changes from now on, until the copy is closed. Whoever is slow gets several changes as
   * one.
   */
  changes(): AsyncGenerator<Change<T>, void, undefined> {
    // A generator begins with the first change that is asked for, which may be later.
    return this.#changesSince(this.#state);
  }

  async *#changesSince(seen: State<T>): AsyncGenerator<Change<T>, void, undefined> {
    for (;;) {
      await this.#swapFrom(seen);
      const now = this.#state;
      if (now === seen) return;
      const change = difference(seen, now);
      seen = now;
      if (change.items.length > 0) yield change;
    }
  }

  /** Waits until another state is there, or the copy is closed. */
  #swapFrom(seen: State<T>): Promise<void> {
    return new Promise((resolve) => {
      const isOver = (): boolean => this.#state !== seen || this.#closing.signal.aborted;
      if (isOver()) return resolve();
      const end = this.subscribe(() => {
        if (!isOver()) return;
        end();
        resolve();
      });
    });
  }

  /** Ends the copy. Its last state stays readable. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#run;
  }

  /** Keeps the copy until it is closed, or until it cannot begin. */
  async #keep(opened: () => void, refused: (error: unknown) => void): Promise<void> {
    const closing = this.#closing.signal;
    let [isOpen, isAnew] = [false, true];
    const follow = (): Promise<boolean> =>
      this.#follow(() => {
        isOpen = true;
        opened();
      });
    while (!closing.aborted) {
      let wait = 0;
      try {
        if (isAnew) await this.#load();
        isAnew = await follow();
      } catch (error) {
        if (closing.aborted) break;
        if (!(error instanceof HeadwaterError)) throw error;
        if (!isOpen && !passes(error)) {
          refused(error);
          break;
        }
        this.#failed(error);
        // What is refused now has perhaps become another sheet: the list tells.
        isAnew ||= error instanceof RefusedError && !passes(error);
        wait = requestedWait(error);
      }
      this.#connected = false;
      await pause(Math.max(this.#backoff.take(), wait), closing);
    }
    this.#connected = false;
    this.#closing.abort();
    this.#tell();
  }

  #failed(error: HeadwaterError): void {
    this.#error = error;
    // At that commit there is no such sheet, or none that may be read.
    if (error instanceof RefusedError && error.code === "not_found" && error.commit !== null) {
      this.#swap(loaded(this.#state, error.commit, new Map()));
    }
  }

  /** Reads all records. */
  async #load(): Promise<void> {
    const query = selecting(this.part.options);
    const headers = { Accept: "application/x-ndjson" };
    const request = { path: [this.part.sheet], query, headers };
    const [commit, records] = await this.#read(request, async (response, heard) => {
      const found = new Map<string, T>();
      for await (const line of lines(response, heard)) {
        const { key, value } = JSON.parse(line) as { key: string; value: T };
        found.set(key, value);
      }
      return [commitOf(response), found] as const;
    });
    // A list that breaks off behind a line looks whole where a proxy hides the end of its connection.
    const total = await this.#total(commit, query);
    if (total !== records.size) throw new TransportError(`${records.size} of ${total} records arrived`);
    this.#lastId = null;
    this.#swap(loaded(this.#state, commit, records));
  }

  /** Returns how many records the part has at a commit. */
  async #total(commit: string, selected: URLSearchParams): Promise<number> {
    const query = new URLSearchParams([...selected, ["perPage", "0"], ["at", commit]]);
    const request = { path: [this.part.sheet], query, headers: { Accept: "application/json" } };
    return this.#read(request, async (response) => ((await response.json()) as { total: number }).total);
  }

  /** Follows what changes. Returns whether everything must be read anew once the stream is over. */
  async #follow(opened: () => void): Promise<boolean> {
    const query = selecting(this.part.options);
    query.set("sheet", this.part.sheet);
    query.set("since", this.#state.commit);
    const headers: Record<string, string> = { Accept: "text/event-stream" };
    // It tells what the token gave, too: the server makes the copy start over if that is something else now.
    if (this.#lastId !== null) headers["Last-Event-ID"] = this.#lastId;
    const request = { path: ["_changes"], query, headers };
    return this.#read(request, async (response, heard) => {
      const type = response.headers.get("content-type") ?? "";
      if (!type.startsWith("text/event-stream")) throw new TransportError("the answer is no stream", response.status);
      const parser = new EventParser();
      for await (const line of lines(response, heard)) {
        // A remark is a sign of life.
        if (line.startsWith(":")) this.#backoff.reset();
        const event = parser.take(line);
        if (event === null) continue;
        if (!this.#take(event)) return true;
        if (!this.#connected) {
          this.#connected = true;
          this.#error = null;
          opened();
        }
      }
      return false;
    });
  }

  /** Takes an event. Returns whether the copy can go on from there. */
  #take(event: ServerEvent): boolean {
    if (event.name === "resync") return false;
    this.#lastId = event.id?.includes("-") ? event.id : null;
    if (event.name !== "changes" || event.data === null) {
      if (event.data === null && event.id !== null) this.#moveTo(commitIn(event.id));
      return true;
    }
    const told = JSON.parse(event.data) as Told<T>;
    // Between the two something was lost.
    if (told.resync || told.from !== this.#state.commit) return false;
    this.#swap(applied(this.#state, told.to, told.items));
    this.#backoff.reset();
    return true;
  }

  /** Takes note that nothing differs at this commit. */
  #moveTo(commit: string): void {
    if (commit === this.#state.commit) return;
    this.#swap(applied(this.#state, commit, []));
    this.#backoff.reset();
  }

  #swap(state: State<T>): void {
    this.#state = state;
    this.#tell();
  }

  #tell(): void {
    for (const listener of [...this.#listeners]) {
      try {
        listener();
      } catch (error) {
        // The fault of a listener is its own, and no reason to read anything anew.
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }

  /** Sends a request and reads its answer with `read`, which tells what it hears, until it is silent. */
  async #read<R>(
    request: Outgoing,
    read: (response: Response, heard: () => void) => Promise<R>,
  ): Promise<R> {
    const patience = new Patience(this.part.options.patience ?? PATIENCE, this.#closing.signal);
    const heard = (): void => {
      patience.renew();
      this.#heardAt = Date.now();
    };
    const work = async (): Promise<R> => {
      const response = await this.connection.send({ ...request, signal: patience.signal });
      heard();
      return read(response, heard);
    };
    return reading(() => patience.for(work));
  }
}

/** Returns the commit in the id of an event. */
function commitIn(id: string): string {
  return id.split("-", 1)[0] ?? id;
}

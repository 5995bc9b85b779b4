import { type Part, selecting } from "./conditions.js";
import { Connection, type ConnectionOptions, commitOf, type Outgoing } from "./connection.js";
import { Live, type LiveOptions } from "./live.js";

/** A JSON value. */
export type Json = null | boolean | number | string | readonly Json[] | JsonObject;

/** A JSON object. */
export interface JsonObject {
  readonly [name: string]: Json;
}

/** A record as it was read. */
export interface Versioned<T> {
  readonly value: T;
  /** The version, for `ifMatch`. */
  readonly etag: string;
  /** The commit that it was read from. */
  readonly commit: string;
}

/** One record of a list. */
export interface Item<T> {
  readonly key: string;
  readonly value: T;
}

/** Which records a list has, and in which order. */
export interface ListOptions extends Part {
  /** Words that the records have. */
  readonly q?: string;
  readonly match?: "all" | "any" | "auto";
  /** Fields to sort by, `-` for descending. */
  readonly sort?: string | readonly string[];
  /** Only these fields of each value, or all but those with a `-`. */
  readonly fields?: string | readonly string[];
  /** The commit, tag, branch or moment to read from. */
  readonly at?: string;
  readonly signal?: AbortSignal;
}

/** One page of a list. */
export interface PageOptions extends ListOptions {
  /** The page, from 1. */
  readonly page?: number;
  /** The size of a page, at most 100; 30 by default. */
  readonly perPage?: number;
  /** References whose records `included` shows. */
  readonly include?: string | readonly string[];
  /** Fields whose values are counted. */
  readonly facets?: string | readonly string[];
}

/** A page of a list. */
export interface Page<T> {
  readonly items: readonly Item<T>[];
  readonly total: number;
  readonly commit: string;
  readonly included?: Readonly<Record<string, Readonly<Record<string, JsonObject>>>>;
  readonly facets?: Readonly<Record<string, readonly { readonly value: Json; readonly count: number }[]>>;
}

/** How to search. */
export interface SearchOptions {
  /** Only in these sheets. */
  readonly sheets?: readonly string[];
  readonly match?: "all" | "any" | "auto";
  readonly filter?: string;
  readonly fields?: string | readonly string[];
  readonly page?: number;
  readonly perPage?: number;
  readonly signal?: AbortSignal;
}

/** A match of a search. */
export interface Hit {
  readonly sheet: string;
  readonly key: string;
  readonly score: number;
  readonly value: Json;
  /** Texts by field, HTML-escaped, with `<mark>` around what matches. */
  readonly highlights: Readonly<Record<string, readonly string[]>>;
}

/** A page of matches. */
export interface Hits {
  readonly items: readonly Hit[];
  readonly total: number;
  /** Whether records with only some of the words follow. */
  readonly relaxed?: true;
  /** The words that replaced others, which occur nowhere. */
  readonly corrected?: Readonly<Record<string, readonly string[]>>;
}

/** On what condition to write, and how. */
export interface WriteOptions {
  /** Only if the record is still this version: the `etag` of its read, or `*` for any. */
  readonly ifMatch?: string;
  /** Only if there is no such record. */
  readonly ifAbsent?: boolean;
  /** A text for the message of the commit. */
  readonly summary?: string;
  /** The author, for tokens that may name one: `Name <address>`. */
  readonly author?: string;
  /** Identifies the write, so that it is done once however often it is sent; by default a new one. */
  readonly idempotencyKey?: string;
  readonly signal?: AbortSignal;
}

/** What became of a write. */
export interface Written<T> {
  /** The commit with the change; null if the caller reads nothing and there was nothing to change. */
  readonly commit: string | null;
  /** Whether there was anything to change. */
  readonly changed: boolean;
  /** Whether the remote has it; null without a remote. */
  readonly pushed: boolean | null;
  /** The new version, for `ifMatch`; null if the write was done by an earlier request. */
  readonly etag: string | null;
  /** Whether an earlier request with the same key did it; the answer then has no record. */
  readonly repeated?: true;
  readonly key?: string;
  /** The current record. */
  readonly value?: T;
  /** The key before a change of the fields that make it. */
  readonly movedFrom?: string;
}

/** What became of a deletion. */
export interface Deleted {
  /** The commit without the record. */
  readonly commit: string;
}

/**
 * A Headwater server. `Sheets` maps the names of sheets to the types of their records:
 * `new Headwater<{ projects: Project }>("https://data.example.org")`.
 *
 * Every call fails with a `HeadwaterError`: a `RefusedError` with the reason of the server, or a
 * `TransportError`. A call that may succeed later is tried again first; writes carry a key by which
 * the server does each only once.
 */
export class Headwater<Sheets extends object = Record<string, JsonObject>> {
  readonly #connection: Connection;

  constructor(address: string, options: ConnectionOptions = {}) {
    this.#connection = new Connection(address, options);
  }

  /** Keeps a copy of a part of a sheet in memory, as the server changes it. */
  live<S extends keyof Sheets & string>(sheet: S, options: LiveOptions = {}): Promise<Live<Sheets[S]>> {
    return Live.open(this.#connection, sheet, options);
  }

  /** Reads a record. There is an error with the code `not_found` if there is none. */
  get<S extends keyof Sheets & string>(
    sheet: S,
    key: string,
    options: { readonly at?: string; readonly signal?: AbortSignal } = {},
  ): Promise<Versioned<Sheets[S]>> {
    const query = parameters({ at: options.at });
    return this.#connection.call(
      { path: [sheet, ...segments(key)], query, signal: options.signal },
      async (response) => ({
        value: (await response.json()) as Sheets[S],
        etag: response.headers.get("etag") ?? "",
        commit: commitOf(response),
      }),
    );
  }

  /** Yields all records of a list, read in parts, from the same commit. */
  async *list<S extends keyof Sheets & string>(
    sheet: S,
    options: ListOptions = {},
  ): AsyncGenerator<Item<Sheets[S]>, void, undefined> {
    let cursor: string | null = null;
    do {
      const query = listing(options);
      query.set("limit", "100");
      if (cursor !== null) query.set("cursor", cursor);
      const request: Outgoing = { path: [sheet], query, signal: options.signal };
      const part = await this.#connection.call(request, jsonOf<CursorPart<Sheets[S]>>);
      yield* part.items;
      cursor = part.next;
    } while (cursor !== null);
  }

  /** Reads a page of a list. */
  page<S extends keyof Sheets & string>(sheet: S, options: PageOptions = {}): Promise<Page<Sheets[S]>> {
    const { page, perPage, include, facets } = options;
    const query = parameters({ page, perPage, include, facets }, listing(options));
    return this.#connection.call({ path: [sheet], query, signal: options.signal }, async (response) => ({
      ...(await jsonOf<Omit<Page<Sheets[S]>, "commit">>(response)),
      commit: commitOf(response),
    }));
  }

  /** Searches all sheets, or some of them. */
  search(q: string, options: SearchOptions = {}): Promise<Hits> {
    const { match, filter, fields, page, perPage } = options;
    const query = parameters({ q, match, filter, fields, page, perPage });
    for (const sheet of options.sheets ?? []) query.append("sheet", sheet);
    return this.#connection.call({ path: ["_search"], query, signal: options.signal }, jsonOf<Hits>);
  }

  /** Creates a record; its fields decide its key. */
  create<S extends keyof Sheets & string>(
    sheet: S,
    value: Sheets[S],
    options: Omit<WriteOptions, "ifMatch" | "ifAbsent"> = {},
  ): Promise<Written<Sheets[S]>> {
    return this.#write({ method: "POST", path: [sheet] }, value, options);
  }

  /** Sets a record. */
  put<S extends keyof Sheets & string>(
    sheet: S,
    key: string,
    value: Sheets[S],
    options: WriteOptions = {},
  ): Promise<Written<Sheets[S]>> {
    return this.#write({ method: "PUT", path: [sheet, ...segments(key)] }, value, options);
  }

  /** Changes fields of a record (RFC 7396); null removes one. */
  patch<S extends keyof Sheets & string>(
    sheet: S,
    key: string,
    value: { readonly [Field in keyof Sheets[S]]?: Sheets[S][Field] | null },
    options: WriteOptions = {},
  ): Promise<Written<Sheets[S]>> {
    return this.#write({ method: "PATCH", path: [sheet, ...segments(key)] }, value, options);
  }

  /** Deletes a record. */
  delete(sheet: keyof Sheets & string, key: string, options: WriteOptions = {}): Promise<Deleted> {
    const path = [sheet, ...segments(key)];
    const request: Outgoing = { method: "DELETE", path, headers: writing(options), signal: options.signal };
    return this.#connection.call(request, async (response) => {
      await response.arrayBuffer();
      return { commit: commitOf(response) };
    });
  }

  #write<T>(request: Outgoing, value: unknown, options: WriteOptions): Promise<Written<T>> {
    const headers = { ...writing(options), "Content-Type": "application/json" };
    const body = JSON.stringify(value);
    return this.#connection.call({ ...request, headers, body, signal: options.signal }, async (response) => ({
      ...(await jsonOf<Omit<Written<T>, "etag">>(response)),
      etag: response.headers.get("etag"),
    }));
  }
}

interface CursorPart<T> {
  readonly items: readonly Item<T>[];
  readonly next: string | null;
}

async function jsonOf<T>(response: Response): Promise<T> {
  return (await response.json()) as T;
}

/** Returns the segments of the path to a record. */
function segments(key: string): string[] {
  return key.split("/");
}

function listing(options: ListOptions): URLSearchParams {
  const { q, match, sort, fields, at } = options;
  return parameters({ q, match, sort, fields, at }, selecting(options));
}

/** Adds the parameters that are given; a list becomes one with commas. */
function parameters(
  given: Record<string, string | number | readonly string[] | undefined>,
  query: URLSearchParams = new URLSearchParams(),
): URLSearchParams {
  for (const [name, value] of Object.entries(given)) {
    if (value !== undefined) query.set(name, String(value));
  }
  return query;
}

function writing(options: WriteOptions): Record<string, string> {
  const headers: Record<string, string> = {
    "Idempotency-Key": options.idempotencyKey ?? crypto.randomUUID(),
  };
  if (options.ifMatch !== undefined) headers["If-Match"] = options.ifMatch;
  if (options.ifAbsent === true) headers["If-None-Match"] = "*";
  if (options.summary !== undefined) headers["X-Headwater-Summary"] = bytes(options.summary);
  if (options.author !== undefined) headers["X-Headwater-Author"] = bytes(options.author);
  return headers;
}

/** Returns a text as `fetch` takes it in a header: each character stands for a byte of its UTF-8. */
function bytes(text: string): string {
  return String.fromCharCode(...new TextEncoder().encode(text));
}

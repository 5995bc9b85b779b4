import { abortable } from "./abortable.js";
import { Backoff, pause, type Waits } from "./backoff.js";
import { Patience } from "./patience.js";
import { HeadwaterError, passes, type Problem, RefusedError, TransportError } from "./problem.js";

/** The header that names the commit of an answer. */
export const COMMIT = "x-headwater-commit";

/** A request, before it is sent. */
export interface Outgoing {
  readonly method?: "GET" | "PUT" | "PATCH" | "POST" | "DELETE";
  /** The segments of the path below `/api`, not encoded. */
  readonly path: readonly string[];
  readonly query?: URLSearchParams;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly signal?: AbortSignal | undefined;
}

/** How a server is reached. */
export interface ConnectionOptions {
  /** The secret of a token, for servers or sheets that are not open to everybody, and for writes. */
  readonly token?: string;
  /** How often a request is tried again if it gets no answer, or one that may pass; 3 by default. */
  readonly retries?: number;
  /** How long to wait before that; from 250 ms to 30 s by default. */
  readonly waits?: Waits;
  /** How long one try may take, in milliseconds; 30 s by default. */
  readonly timeout?: number;
  /** What sends the requests, if it is not the `fetch` of the platform. */
  readonly fetch?: typeof globalThis.fetch;
}

/** Sends requests to one server. */
export class Connection {
  readonly waits: Waits;
  readonly #base: string;

  constructor(
    address: string,
    private readonly options: ConnectionOptions,
  ) {
    this.#base = address.replace(/\/+$/, "");
    this.waits = options.waits ?? { first: 250, longest: 30_000 };
  }

  /** Sends a request once. An answer that is not 2xx is an error. */
  async send(request: Outgoing): Promise<Response> {
    const fetch = this.options.fetch ?? globalThis.fetch;
    const path = request.path.map(encodeURIComponent).join("/");
    const query = request.query?.toString() ?? "";
    const headers = new Headers(request.headers);
    if (this.options.token !== undefined) headers.set("Authorization", `Bearer ${this.options.token}`);
    const init: RequestInit = {
      method: request.method ?? "GET",
      headers,
      cache: "no-store",
      // A redirect could take the token or a write elsewhere.
      redirect: "error",
      body: request.body ?? null,
      signal: request.signal ?? null,
    };
    const answer = await reading(() => fetch(`${this.#base}/api/${path}${query && `?${query}`}`, init));
    const response = request.signal ? abortable(answer, request.signal) : answer;
    if (response.ok) return response;
    throw await refusal(response);
  }

  /** Sends a request that may be repeated, until it is answered; reads the answer with `read`. */
  async call<T>(request: Outgoing, read: (response: Response) => Promise<T>): Promise<T> {
    const backoff = new Backoff(this.waits);
    for (let left = this.options.retries ?? 3; ; left -= 1) {
      const patience = new Patience(this.options.timeout ?? 30_000, request.signal);
      const { signal } = patience;
      try {
        return await reading(() => patience.for(async () => read(await this.send({ ...request, signal }))));
      } catch (error) {
        request.signal?.throwIfAborted();
        if (left <= 0 || !passes(error)) throw error;
        await pause(Math.max(backoff.take(), requestedWait(error)), request.signal);
        request.signal?.throwIfAborted();
      }
    }
  }
}

/** Returns how long the server wants the client to wait, in milliseconds. */
export function requestedWait(error: unknown): number {
  return error instanceof RefusedError ? 1_000 * (error.retryAfter ?? 0) : 0;
}

/** Returns the commit of an answer. */
export function commitOf(response: Response): string {
  const commit = response.headers.get(COMMIT);
  if (commit === null) throw new TransportError("the answer names no commit", response.status);
  return commit;
}

/** Does something with the network, whose failures become one kind of error. */
export async function reading<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (cause instanceof HeadwaterError) throw cause;
    const what = cause instanceof Error ? cause.message : String(cause);
    throw new TransportError(`no whole answer: ${what}`, null, { cause });
  }
}

async function refusal(response: Response): Promise<HeadwaterError> {
  const text = await reading(() => response.text());
  const type = response.headers.get("content-type") ?? "";
  if (!type.startsWith("application/problem+json")) {
    return new TransportError(`the answer ${response.status} is not Headwater's`, response.status);
  }
  const problem = await reading(async () => JSON.parse(text) as Problem);
  const seconds = Number(response.headers.get("retry-after") ?? NaN);
  const retryAfter = Number.isFinite(seconds) ? seconds : null;
  return new RefusedError(problem, response.headers.get(COMMIT), retryAfter);
}

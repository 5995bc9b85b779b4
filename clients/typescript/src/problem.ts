/** Why a request failed, as the server says it (RFC 9457). */
export interface Problem {
  readonly type: string;
  /** The fixed text of the code. */
  readonly title: string;
  readonly status: number;
  /** The stable name of the error, such as `not_found` or `precondition_failed`. */
  readonly code: string;
  /** Finds the request in the log of the server. */
  readonly traceId: string;
  /** What is wrong with this request. */
  readonly detail?: string;
  readonly errors?: readonly ProblemDetail[];
}

/** One of several errors of a request. */
export interface ProblemDetail {
  readonly detail: string;
  /** The parameter in question. */
  readonly parameter?: string;
  /** A JSON Pointer into the record. */
  readonly pointer?: string;
}

/** Any failure of a request. */
export class HeadwaterError extends Error {
  override readonly name: string = "HeadwaterError";
}

/** The server refused the request and said why. */
export class RefusedError extends HeadwaterError {
  override readonly name = "RefusedError";

  constructor(
    readonly problem: Problem,
    /** The commit that was served; null if the answer names none. */
    readonly commit: string | null,
    /** The seconds after which the server wants to be asked again; null if it does not say. */
    readonly retryAfter: number | null,
  ) {
    super(problem.detail ?? problem.title);
  }

  get status(): number {
    return this.problem.status;
  }

  get code(): string {
    return this.problem.code;
  }
}

/** There was no answer, or it broke off, or it did not come from Headwater. */
export class TransportError extends HeadwaterError {
  override readonly name = "TransportError";

  constructor(
    message: string,
    /** The status of an answer that did not come from Headwater; null without an answer. */
    readonly status: number | null = null,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** Returns whether the same request may succeed later. */
export function passes(error: unknown): boolean {
  if (error instanceof RefusedError) return error.status >= 500 || error.status === 429;
  if (error instanceof TransportError) {
    return error.status === null || error.status >= 500 || error.status === 429;
  }
  return false;
}

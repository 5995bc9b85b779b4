/** The waits before something that failed is tried again, in milliseconds. */
export interface Waits {
  readonly first: number;
  readonly longest: number;
}

/** Waits that double, each shortened by chance so that many clients do not come back together. */
export class Backoff {
  #next: number;

  constructor(
    private readonly waits: Waits,
    private readonly random: () => number = Math.random,
  ) {
    this.#next = waits.first;
  }

  /** Returns the next wait, between half of its length and all of it. */
  take(): number {
    const wait = this.#next;
    this.#next = Math.min(wait * 2, this.waits.longest);
    return wait * (0.5 + this.random() / 2);
  }

  /** Begins again with the first wait, after a success. */
  reset(): void {
    this.#next = this.waits.first;
  }
}

/** Resolves after a time, or at once if `signal` aborts. */
export function pause(milliseconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const end = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, milliseconds);
    signal?.addEventListener("abort", end);
  });
}

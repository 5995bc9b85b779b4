/**
 * Gives up what takes too long, or what nobody wants any more.
 *
 * It does not rely on the abort of a request alone: a signal that is made of others can be collected
 * before it fires, and then the request would wait for ever.
 */
export class Patience {
  readonly #controller = new AbortController();
  readonly #over: Promise<never>;
  #giveUp: (reason: unknown) => void = () => undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isOver = false;
  readonly #unwanted = (): void => this.#giveUp(this.outer?.reason);

  constructor(
    private readonly milliseconds: number,
    private readonly outer?: AbortSignal,
  ) {
    this.#over = new Promise((_, reject) => {
      this.#giveUp = (reason) => {
        this.#end();
        reject(reason);
        this.#controller.abort(reason);
      };
    });
    // It may be over before, or without, anybody waiting.
    this.#over.catch(() => undefined);
    outer?.addEventListener("abort", this.#unwanted);
    if (outer?.aborted) this.#unwanted();
    else this.#wait();
  }

  /** Aborts when it is over. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Waits for `work`, until it is over. Work that fails is aborted, so that nothing of it stays open. */
  async for<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await Promise.race([work(), this.#over]);
    } catch (error) {
      this.#controller.abort(error);
      throw error;
    } finally {
      this.#end();
    }
  }

  /** Waits as long once more. Throws if it is over, so that work that was given up ends. */
  renew(): void {
    if (this.#isOver) throw new Error("this was given up");
    clearTimeout(this.#timer);
    this.#wait();
  }

  #wait(): void {
    const reason = new Error(`nothing arrived for ${this.milliseconds} ms`);
    this.#timer = setTimeout(() => this.#giveUp(reason), this.milliseconds);
  }

  #end(): void {
    this.#isOver = true;
    clearTimeout(this.#timer);
    this.outer?.removeEventListener("abort", this.#unwanted);
  }
}

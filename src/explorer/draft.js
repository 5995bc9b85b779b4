// What somebody has typed and not saved. It outlives a reload of the page, and ends with the tab.

const PREFIX = "headwater-draft ";

/** How long typing must pause before the draft is stored. */
const PAUSE = 200;

export class Draft {
  #name;
  #timer = 0;
  #waiting = null;

  /** `place` tells what is edited. */
  constructor(place, signal) {
    this.#name = PREFIX + JSON.stringify([location.pathname, ...place]);
    const store = () => this.#store();
    window.addEventListener("pagehide", store, { signal });
    signal.addEventListener("abort", store);
  }

  /** Returns the stored draft, or null. */
  read() {
    return sessionStorage.getItem(this.#name);
  }

  /** Stores the text that `write` returns, soon. */
  keep(write) {
    this.#waiting = write;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#store(), PAUSE);
  }

  forget() {
    clearTimeout(this.#timer);
    this.#waiting = null;
    sessionStorage.removeItem(this.#name);
  }

  #store() {
    clearTimeout(this.#timer);
    if (this.#waiting === null) return;
    try {
      sessionStorage.setItem(this.#name, this.#waiting());
    } catch {
      // There is no room, so only the open page has it.
    }
    this.#waiting = null;
  }
}

// What every change ends with: a message, a button, and what comes of it.

import { h, put } from "./dom.js";

/** The longest message, and the longest part of it that is suggested, in characters: the server takes
 * 1,000 bytes. */
const LONGEST = 300;
const SUGGESTED = 120;

export class CommitForm {
  element;
  #message;
  #button;
  #state = h("div", { class: "commit-state", role: "status" });

  /** `action` is what the button says, `cancel` an address, and `onsave` does the work. `suggested` is the
   * message unless one writes another, and `draft` keeps that. */
  constructor({ action, cancel, message = "", suggested = "", danger = false, draft = null, onsave, onmessage }) {
    this.#message = h("textarea", { id: "message", rows: 2, maxlength: LONGEST, oninput: () => {
      draft?.keep(() => this.#message.value);
      onmessage?.();
    } });
    this.#message.value = draft?.read() ?? message;
    this.suggest(suggested);
    this.#button = h("button", { type: "submit", class: danger ? "danger" : null }, action);
    const save = async (event) => {
      event.preventDefault();
      if (this.#button.getAttribute("aria-disabled") === "true") return;
      this.#button.setAttribute("aria-disabled", "true");
      try {
        await onsave();
      } finally {
        this.#button.removeAttribute("aria-disabled");
      }
    };
    this.element = h("form", { class: "commit-form", id: "commit-form", onsubmit: save },
      h("div", {}, h("label", { for: "message" }, "What did you change, and why? ", h("span", { class: "soft" }, "(optional)")), this.#message),
      h("div", { class: "commit-actions" }, this.#state,
        h("p", { class: "actions" }, this.#button, h("a", { class: "button quiet", href: cancel }, "Cancel"))));
  }

  get message() {
    return this.#message.value.trim();
  }

  /** Returns what the history will show. */
  get subject() {
    return this.message || this.#message.placeholder;
  }

  /** Shows what the message is if one writes none. */
  suggest(text) {
    this.#message.placeholder = text.length > SUGGESTED ? `${text.slice(0, SUGGESTED)}…` : text;
  }

  set message(text) {
    this.#message.value = text;
  }

  /** Says how things are: `kind` is `good`, `bad` or nothing. */
  say(kind, ...words) {
    put(this.#state, words.length > 0 && h("p", { class: `commit-note ${kind ?? ""}` }, words));
  }
}

/** Explains in plain words why a change is not made. */
export function refusal(error) {
  const known = {
    0: "The server does not answer. Nothing is lost: try again.",
    401: "You are not signed in. Nothing is lost: save again, and you are asked for your token.",
    403: "Your token may not do this.",
    405: "This server takes no changes.",
    412: "Somebody else changed this meanwhile.",
    423: "No changes are taken right now: an operator has stopped them. Nothing is lost.",
    429: "Too many requests. Wait a moment, and try again.",
    503: "The server is busy. Wait a moment, and try again.",
    507: "The disk of the server is full. Nothing is lost.",
  }[error.status];
  const detail = error.message ? `${error.message}.`.replace(/\.\.$/, ".") : "";
  if (known && error.status !== 403) return known;
  return [known, detail].filter(Boolean).join(" ");
}

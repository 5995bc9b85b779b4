// What was just saved, with the way back.

import { announce, h, put } from "./dom.js";
import { link } from "./route.js";

let pending = null;

/** Goes to a page that says what was saved, and offers to undo it. */
export function goSaved(address, { text, commit }) {
  pending = { text, commit };
  if (location.hash === address) window.dispatchEvent(new HashChangeEvent("hashchange"));
  else location.hash = address;
}

/** Shows what was saved before this page, or nothing. */
export function showSaved() {
  const element = document.getElementById("saved");
  element.hidden = pending === null;
  if (pending === null) return put(element);
  const { text, commit } = pending;
  pending = null;
  const close = () => {
    element.hidden = true;
    document.querySelector("h1")?.focus();
  };
  put(element, h("p", {}, h("strong", {}, text), commit && " It is live."),
    h("p", { class: "actions" }, commit && h("a", { class: "button quiet", href: link(["undo", commit]) }, "Undo"),
      h("button", { type: "button", class: "quiet close", "aria-label": "Close", onclick: close }, "×")));
  announce(text);
}

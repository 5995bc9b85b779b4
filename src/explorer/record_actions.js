// What one may do with a record or a sheet, where one may change it.

import { signIn, token } from "./credential.js";
import { h, put } from "./dom.js";
import { live } from "./live.js";
import { link } from "./route.js";

/** Returns the actions for a record. */
export function recordActions(sheet, key, signal) {
  const segments = key.split("/");
  return permitted(sheet, signal, () => [
    h("a", { class: "button primary", href: link(["edit", sheet, ...segments]) }, "Edit"),
    h("a", { class: "button quiet", href: link(["new", sheet], { from: key }) }, "Duplicate"),
    h("a", { class: "button quiet", href: link(["undo"], { sheet, key }) }, "Undo the last change"),
    h("a", { class: "button quiet", href: link(["delete", sheet, ...segments]) }, "Delete"),
  ]);
}

/** Returns the actions for a sheet; `params` returns the filters that are set. */
export function sheetActions(sheet, signal, params) {
  const toBulk = (event) => event.currentTarget.setAttribute("href", link(["bulk", sheet], params()));
  return permitted(sheet, signal, () => [
    h("a", { class: "button quiet", href: link(["new", sheet]) }, "New record"),
    h("a", { class: "button quiet", href: link(["bulk", sheet]), onclick: toBulk, onfocus: toBulk, onpointerenter: toBulk }, "Change many"),
  ]);
}

/** Shows `actions` as long as the reader may write the sheet, and how to sign in if that may help. */
function permitted(sheet, signal, actions) {
  const element = h("p", { class: "actions record-actions" });
  let shown;
  const show = () => {
    const state = live.mayWrite(sheet) ? "allowed" : live.takesWrites && token() === null ? "unknown" : "denied";
    if (state === shown) return;
    shown = state;
    put(element, state === "allowed" && actions(), state === "unknown" && h("button", { type: "button", class: "quiet", onclick: signIn }, "Sign in to edit"));
  };
  show();
  live.on("status", signal, show);
  return element;
}

/** Says why nothing can be changed here. */
export function mayNotWrite(sheet) {
  if (!live.takesWrites) return h("p", { class: "lead" }, "This server takes no changes.");
  if (token() !== null) return h("p", { class: "lead" }, `Your token may not change ${sheet}.`);
  return h("div", {}, h("p", { class: "lead" }, "Sign in with a token that may change these records."),
    h("p", { class: "actions" }, h("button", { type: "button", class: "primary", onclick: signIn }, "Sign in")));
}

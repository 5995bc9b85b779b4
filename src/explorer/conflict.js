// Two versions of some fields, side by side, from which one chooses.

import { h } from "./dom.js";
import { plain } from "./exact.js";
import { nameOfPlace } from "./merge.js";
import { shownValue } from "./tree.js";

/** Returns a form with a choice for each of `conflicts` (`{ pointer, ours, theirs }`). `names` are what the
 * two versions are called, and `onchosen` gets the chosen value of each pointer. */
export function choices({ conflicts, names, action, onchosen }) {
  const taken = new Map(conflicts.map(({ pointer }) => [pointer, "ours"]));
  const side = (conflict, which, index) => {
    const { pointer, [which]: value } = conflict;
    const id = `choice-${index}-${which}`;
    return h("div", { class: "side-by-side" },
      h("p", {}, h("input", { type: "radio", name: `choice-${index}`, id, checked: which === "ours", onchange: () => taken.set(pointer, which) }),
        h("label", { for: id }, names[which])),
      value === undefined ? h("p", { class: "soft" }, "not there") : shownValue(plain(value)));
  };
  const field = (conflict, index) => h("fieldset", { class: "conflict" },
    h("legend", {}, nameOfPlace(conflict.pointer) || "The whole record"),
    h("div", { class: "sides" }, side(conflict, "ours", index), side(conflict, "theirs", index)));
  const chosen = (event) => {
    event.preventDefault();
    onchosen(conflicts.map((conflict) => ({ pointer: conflict.pointer, value: conflict[taken.get(conflict.pointer)] })));
  };
  return h("form", { class: "conflicts", onsubmit: chosen }, conflicts.map(field),
    h("p", { class: "actions" }, h("button", { type: "submit" }, action)));
}

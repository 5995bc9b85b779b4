// Lists: each element is a field, which can be moved and removed. Long lists of words are lines of a text.

import { h } from "./dom.js";
import { isObject } from "./exact.js";
import { framed, grouped, idOf, tool } from "./field.js";
import { number } from "./format.js";
import { member, withValue } from "./pointer.js";
import { blank } from "./schema.js";
import { titleOf } from "./value.js";

/** The length from which on a list of lines is edited as a text. */
const LINES = 12;

/** The elements that are shown open in a list of tables. */
const OPEN = 3;

export function list(form, place, items, depth) {
  const { pointer } = place;
  const value = form.get(pointer) ?? [];
  const isLines = value.length >= LINES && value.every((element) => typeof element === "string" && !element.includes("\n"));
  if (isLines) return lines(form, place, value);
  // Typing changes the elements without showing the list again.
  const now = () => form.get(pointer) ?? [];
  const changed = (next, focused) => {
    form.forget(pointer);
    form.set(pointer, next.length === 0 && !place.isRequired && form.base(pointer) === undefined ? undefined : next);
    form.redraw(focused);
  };
  const moved = (from, to) => {
    const next = [...now()];
    next.splice(to, 0, ...next.splice(from, 1));
    changed(next, `${idOf(member(pointer, to))}-move`);
  };
  const element = (inner, index) => {
    const at = member(pointer, index);
    const name = `${place.label} ${index + 1}`;
    const tools = [
      index > 0 && tool("↑", `Move ${name} up`, () => moved(index, index - 1), { id: `${idOf(at)}-move` }),
      index < value.length - 1 && tool("↓", `Move ${name} down`, () => moved(index, index + 1), index === 0 && { id: `${idOf(at)}-move` }),
      tool("Remove", `Remove ${name}`, () => changed(withValue(now(), `/${index}`, undefined), `${idOf(pointer)}-add`)),
    ];
    const frame = { pointer: at, label: name, tools, isElement: true };
    if (!isObject(inner)) return h("li", {}, form.field(frame, items, depth + 1));
    return h("li", {}, folded(form, at, `${index + 1}. ${gist(inner)}`, value.length <= OPEN && depth < 3, () => form.field(frame, items, depth + 1)));
  };
  const add = () => {
    const at = member(pointer, now().length);
    form.opened.set(at, true);
    changed([...now(), blank(form.document, items ?? {})], idOf(at));
  };
  return grouped(place,
    h("ol", { class: "field-list" }, value.map(element)),
    h("button", { type: "button", class: "quiet", id: `${idOf(pointer)}-add`, onclick: add }, value.length === 0 ? `Add to ${place.label}` : "Add another"));
}

/** Returns a part that is built when it is opened, and stays open when the form is shown again. */
function folded(form, pointer, summary, isOpenAtFirst, build) {
  const isOpen = form.opened.get(pointer) ?? isOpenAtFirst;
  const body = h("div", {});
  const fill = () => body.childElementCount === 0 && body.append(build());
  if (isOpen) fill();
  const toggled = ({ target }) => {
    form.opened.set(pointer, target.open);
    if (target.open) fill();
  };
  return h("details", { open: isOpen, ontoggle: toggled }, h("summary", {}, summary), body);
}

/** Says in a few words which element this is. */
function gist(value) {
  const first = Object.values(value).find((inner) => typeof inner === "string" && inner.trim());
  const words = titleOf(value, first ?? Object.keys(value).join(", "));
  return words.length > 60 ? `${words.slice(0, 60)}…` : words || "empty";
}

function lines(form, place, value) {
  const oninput = ({ target }) => form.set(place.pointer, target.value.split("\n").filter((line) => line !== ""));
  const control = h("textarea", { rows: 10, spellcheck: "false", oninput });
  control.value = value.join("\n");
  return framed({ ...place, hint: place.hint ?? `${number(value.length)} entries, one on each line` }, control);
}

// A field as JSON, for what has no field of its own. What is typed and is no JSON yet is kept.

import { put, h } from "./dom.js";
import { parse, text } from "./exact.js";
import { framed, nothing } from "./field.js";

export function json(form, place) {
  const { pointer } = place;
  const value = form.get(pointer);
  const note = h("p", { class: "field-note", role: "status" });
  const told = (typed) => put(note, typed !== undefined && "This is not JSON yet.");
  const oninput = ({ target }) => {
    const typed = target.value.trim();
    let read;
    try {
      read = typed === "" ? nothing(place) : parse(typed);
    } catch {
      told(typed);
      return form.keep(pointer, target.value);
    }
    told(undefined);
    form.keep(pointer, undefined);
    form.set(pointer, read);
  };
  const control = h("textarea", { class: "code", rows: 3, spellcheck: "false", oninput });
  control.value = form.kept(pointer) ?? (value === undefined ? "" : text(value, 2));
  told(form.kept(pointer));
  return framed({ ...place, hint: place.hint ?? "as JSON" }, control, note);
}

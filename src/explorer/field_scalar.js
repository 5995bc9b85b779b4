// Fields of one value: text, numbers, choices, dates and yes or no. An empty field is no field.

import { numberOf, numeral } from "./exact.js";
import { framed, nothing } from "./field.js";
import { h } from "./dom.js";

/** A line or several lines of text. */
export function text(form, place, isLong) {
  const value = form.get(place.pointer);
  // A text that was there and is empty stays one.
  const empty = value === "" ? "" : nothing(place);
  const oninput = ({ target }) => form.set(place.pointer, target.value === "" ? empty : target.value);
  const control = isLong ? h("textarea", { rows: 3, oninput }) : h("input", { type: "text", autocomplete: "off", oninput });
  control.value = typeof value === "string" ? value : value === undefined ? "" : JSON.stringify(value);
  return framed(place, control);
}

/** A number. What is typed and is none stays as it is typed, and the server says what is wrong. */
export function number(form, place) {
  const value = form.get(place.pointer);
  const oninput = ({ target }) => {
    const typed = target.value.trim();
    form.set(place.pointer, typed === "" ? nothing(place) : numberOf(typed) ?? typed);
  };
  const control = h("input", { type: "text", inputmode: "decimal", class: "short", autocomplete: "off", oninput });
  control.value = value === undefined ? "" : numeral(value);
  return framed(place, control);
}

/** A day. */
export function date(form, place) {
  const control = h("input", { type: "date", class: "short", oninput: ({ target }) => form.set(place.pointer, target.value || nothing(place)) });
  control.value = form.get(place.pointer) ?? "";
  return framed(place, control);
}

/** One of some texts. A value that is none of them is kept until another one is chosen. */
export function choice(form, place, choices) {
  const value = form.get(place.pointer);
  const isOther = value !== undefined && !choices.includes(value);
  const option = (text, label = text) => h("option", { value: JSON.stringify(text), selected: text === value }, label);
  const control = h("select", { class: "short", onchange: ({ target }) => form.set(place.pointer, target.value === "" ? nothing(place) : JSON.parse(target.value)) },
    h("option", { value: "", selected: value === undefined }, "—"),
    isOther && option(value, `${value} (not one of the choices)`),
    choices.map((one) => option(one)));
  return framed(place, control);
}

/** Yes, no, or nothing at all. */
export function flag(form, place) {
  const value = form.get(place.pointer);
  const answers = { "": undefined, true: true, false: false };
  const option = (name, label) => h("option", { value: name, selected: answers[name] === value }, label);
  const control = h("select", { class: "short", onchange: ({ target }) => form.set(place.pointer, answers[target.value] ?? nothing(place)) },
    option("", "—"), option("true", "yes"), option("false", "no"));
  return framed(place, control);
}

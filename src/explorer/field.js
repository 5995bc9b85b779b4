// The frame of a field: its name, what it is for, its control, and what is wrong with it.

import { h, put } from "./dom.js";

/** Returns the id of the control of a field. */
export const idOf = (pointer) => `field${encodeURIComponent(pointer)}`;

/** Returns what an empty control stands for: no field, but an element of a list stays where it is. */
export const nothing = ({ isElement }) => (isElement ? "" : undefined);

/** Frames one control. The attributes that connect both are set here. An element of a list is in one line
 * with its tools, and its name is for screen readers. */
export function framed({ pointer, label, hint, isRequired, tools, isElement }, control, ...more) {
  const id = idOf(pointer);
  control.id = id;
  control.setAttribute("aria-describedby", `${id}-error${hint ? ` ${id}-hint` : ""}`);
  const name = h("label", { for: id, class: isElement ? "unseen" : null }, label);
  return h("div", { class: "field-row", "data-pointer": pointer },
    isElement ? name : h("div", { class: "field-head" }, name, isRequired && required(), tools),
    hint && h("p", { class: "soft field-hint", id: `${id}-hint` }, hint),
    isElement ? h("div", { class: "field-line" }, control, tools) : control, more,
    errorSlot(pointer));
}

/** Frames several controls that belong together. */
export function grouped({ pointer, label, hint, isRequired, tools, isElement }, ...content) {
  return h("fieldset", { class: "field-group", "data-pointer": pointer, id: idOf(pointer), tabindex: "-1", "aria-describedby": `${idOf(pointer)}-error` },
    h("legend", { class: isElement ? "unseen" : null }, label, isRequired && required()),
    tools && h("div", { class: "field-tools" }, tools),
    hint && h("p", { class: "soft field-hint" }, hint),
    errorSlot(pointer), content);
}

const required = () => h("span", { class: "soft field-required" }, " (needed)");

const errorSlot = (pointer) => h("p", { class: "field-error", id: `${idOf(pointer)}-error` });

/** Shows errors beside their fields, and returns those that have no field: `errors` are
 * `{ pointer, detail }`. An error of a part that is closed is shown at what contains it. */
export function showErrors(element, errors) {
  for (const slot of element.querySelectorAll(".field-error")) put(slot);
  for (const control of element.querySelectorAll("[aria-invalid]")) control.removeAttribute("aria-invalid");
  return errors.filter(({ pointer, detail }) => {
    for (let at = pointer; at; at = at.slice(0, at.lastIndexOf("/"))) {
      const frame = [...element.querySelectorAll("[data-pointer]")].find(({ dataset }) => dataset.pointer === at);
      if (!frame) continue;
      const slot = document.getElementById(`${idOf(at)}-error`);
      slot.append(slot.childNodes.length > 0 ? " " : "", at === pointer ? detail : `${pointer.slice(at.length + 1)}: ${detail}`);
      const control = document.getElementById(idOf(at));
      if (control.tagName !== "FIELDSET") control.setAttribute("aria-invalid", "true");
      return false;
    }
    return true;
  });
}

/** A small button beside a field. */
export const tool = (label, title, onclick, attributes) => h("button", { type: "button", class: "quiet small", "aria-label": title, title, onclick, ...attributes }, label);

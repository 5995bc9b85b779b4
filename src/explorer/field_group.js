// The fields of a record, or of a table in it: those that are there or needed first, and others can be added.

import { h } from "./dom.js";
import { isNumber } from "./exact.js";
import { grouped, idOf, tool } from "./field.js";
import { member } from "./pointer.js";
import { blank, resolved } from "./schema.js";
import { isTitle } from "./value.js";

/** How many fields that are not there are shown empty. */
const EMPTY = 14;

/** Returns the fields of what is at `pointer`. */
export function members(form, pointer, schema, depth) {
  const value = form.get(pointer) ?? {};
  const declared = Object.keys(schema.properties ?? {});
  const needed = schema.required ?? [];
  const present = Object.keys(value);
  const absent = declared.filter((name) => !present.includes(name) && !needed.includes(name));
  const shown = absent.length <= EMPTY ? absent.filter((name) => isSimple(form, schema.properties[name])) : [];
  const order = [...new Set([...declared.filter((name) => present.includes(name) || needed.includes(name) || shown.includes(name)), ...present])];
  order.sort((one, other) => isTitle(other) - isTitle(one));
  const field = (name) => form.field({
    pointer: member(pointer, name), label: schema.properties?.[name]?.title ?? name, hint: schema.properties?.[name]?.description,
    isRequired: needed.includes(name),
    tools: !needed.includes(name) && isRemovable(value[name]) && tool("Remove", `Remove ${name}`, () => {
      form.set(member(pointer, name), undefined);
      form.redraw(`${idOf(pointer)}-more`);
    }),
  }, schema.properties?.[name] ?? {}, depth + 1);
  return [order.map(field), more(form, pointer, schema, absent.filter((name) => !shown.includes(name)))];
}

/** A table within a record. */
export function group(form, place, schema, depth) {
  return grouped(place, members(form, place.pointer, schema, depth));
}

/** An empty line is no field, and a list loses its elements first: only the rest needs a button. */
const isRemovable = (value) => (Array.isArray(value) ? value.length === 0 : typeof value === "object" && !isNumber(value));

const isSimple = (form, schema) => resolved(form.document, schema).type !== "object";

/** Returns the form that adds a field. */
function more(form, pointer, schema, absent) {
  const isOpen = schema.additionalProperties !== false;
  if (!isOpen && absent.length === 0) return null;
  const id = `${idOf(pointer)}-more`;
  const name = h("input", { type: "text", id, list: `${id}-names`, autocomplete: "off", placeholder: "Name" });
  const add = () => {
    const wanted = name.value.trim();
    if (!wanted || form.get(member(pointer, wanted)) !== undefined) return;
    form.set(member(pointer, wanted), blank(form.document, schema.properties?.[wanted] ?? {}));
    form.redraw(idOf(member(pointer, wanted)));
  };
  // Enter must not save the record.
  const onkeydown = (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault();
    add();
  };
  name.addEventListener("keydown", onkeydown);
  return h("details", { class: "field-more" }, h("summary", {}, "Add a field"),
    h("label", { for: id, class: "unseen" }, "Name of the field"),
    h("span", {}, name, h("datalist", { id: `${id}-names` }, absent.map((one) => h("option", { value: one }))),
      h("button", { type: "button", class: "quiet", onclick: add }, "Add")));
}

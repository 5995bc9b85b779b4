// Shows the values of records.

import { h } from "./dom.js";
import { isDate, isUrl, isUuid, number, when } from "./format.js";

/** Fields that name a record to people, the best first. */
const TITLES = ["title", "name", "fullName", "full_name", "displayName", "label", "headline", "subject"];

/** From how many characters on a text is shown as a text of its own. */
const LONG = 90;

/** Returns what people call a record. */
export function titleOf(value, key) {
  const field = TITLES.find((name) => typeof value?.[name] === "string" && value[name].trim());
  return field ? value[field] : key;
}

export const isTitle = (field) => TITLES.includes(field);

/** Shows a value as a whole; an object is a list of its fields. `fresh` are pointers to mark. */
export function shownValue(value, fresh = new Set(), pointer = "") {
  if (Array.isArray(value)) return listed(value, fresh, pointer);
  if (value !== null && typeof value === "object") return fields(value, fresh, pointer);
  return scalar(value);
}

function fields(value, fresh, pointer) {
  const names = Object.keys(value).sort((one, other) => rank(one) - rank(other));
  if (names.length === 0) return h("span", { class: "soft" }, "an object without fields");
  return h("dl", { class: "value" }, names.map((name) => {
    const place = `${pointer}/${name.replaceAll("~", "~0").replaceAll("/", "~1")}`;
    return h("div", { class: fresh.has(place) ? "entry fresh" : "entry" }, h("dt", {}, name), h("dd", {}, shownValue(value[name], fresh, place)));
  }));
}

/** Titles first, then as the record has them. */
const rank = (name) => (isTitle(name) ? TITLES.indexOf(name) - TITLES.length : 0);

function listed(value, fresh, pointer) {
  if (value.length === 0) return h("span", { class: "soft" }, "an empty list");
  const isFlat = value.every((element) => element === null || typeof element !== "object");
  return h("ul", { class: isFlat ? "flat" : "nested" }, value.map((element, index) => h("li", {}, shownValue(element, fresh, `${pointer}/${index}`))));
}

function scalar(value) {
  if (value === null) return h("span", { class: "soft" }, "null");
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (typeof value === "number") return h("span", { class: "number" }, String(value));
  if (value === "") return h("span", { class: "soft" }, "an empty text");
  if (isDate(value)) return date(value);
  if (isUuid(value)) return h("code", {}, value);
  if (isUrl(value)) return h("a", { href: value, rel: "noopener noreferrer" }, value);
  const isText = value.length > LONG || value.includes("\n");
  return isText ? h("div", { class: "text" }, value) : value;
}

function date(value) {
  const hasTime = value.length > 10;
  return h("time", { datetime: value, title: value }, hasTime ? when(value) : value);
}

/** Shows a value in the cell of a table, in one line. */
export function cell(value) {
  if (value === undefined) return h("span", { class: "soft" }, "–");
  if (value === null) return h("span", { class: "soft" }, "null");
  if (typeof value === "boolean") return value ? "yes" : h("span", { class: "soft" }, "no");
  if (typeof value === "number") return h("span", { class: "number" }, number(value));
  if (Array.isArray(value)) {
    const flat = value.every((element) => element === null || typeof element !== "object");
    return flat ? value.join(", ") : `${value.length} items`;
  }
  if (typeof value === "object") return h("span", { class: "soft" }, `{ ${Object.keys(value).join(", ")} }`);
  if (isDate(value)) return h("time", { datetime: value, title: value }, value.slice(0, 10));
  if (isUuid(value)) return h("code", { title: value }, value.slice(0, 8), "…");
  return value.length > LONG ? h("span", { title: value.slice(0, 600) }, `${value.slice(0, LONG)}…`) : value;
}

/** Reads a field with a dotted name. */
export function fieldOf(value, field) {
  if (value !== null && typeof value === "object" && field in value) return value[field];
  return field.split(".").reduce((inner, name) => {
    if (Array.isArray(inner)) return inner.map((element) => element?.[name]).filter((element) => element !== undefined);
    return inner === null || inner === undefined ? undefined : inner[name];
  }, value);
}

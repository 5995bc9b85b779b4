// Shows the values of records.

import { h } from "./dom.js";
import { isDate, isUrl, isUuid, number, plural, when } from "./format.js";

/** Fields that name a record to people, the best first. */
const TITLES = ["title", "name", "fullName", "full_name", "displayName", "label", "headline", "subject"];

/** The length from which on text in a cell is cut. */
const LONG = 90;

/** The length of the names that tell what a folded object has. */
const GIST = 60;

/** What the kinds of values are called. */
export const KINDS = {
  null: "no value", boolean: "yes or no", number: "number", date: "date", id: "identifier", link: "link", text: "text",
  list: "list", table: "list of objects", object: "object", reference: "reference",
};

/** Text that would be taken for a value of another kind, or whose spaces would not be seen. */
const MISTAKABLE = /^(?:true|false|null|yes|no|\s.*|.*\s)$/is;

/** Returns the name of a record for people. */
export function titleOf(value, key) {
  const field = TITLES.find((name) => typeof value?.[name] === "string" && value[name].trim());
  return field ? value[field] : key;
}

export const isTitle = (field) => TITLES.includes(field);

/** Titles first, then in the order of the record. */
export const inOrder = (names) => [...names].sort((one, other) => rank(one) - rank(other));

const rank = (name) => (isTitle(name) ? TITLES.indexOf(name) - TITLES.length : 0);

/** Returns the kind of a value, which is a key of `KINDS`. */
export function kindOf(value) {
  if (value === null) return "null";
  if (Array.isArray(value)) return "list";
  if (typeof value !== "string") return typeof value;
  if (isDate(value)) return "date";
  if (isUuid(value)) return "id";
  return isUrl(value) ? "link" : "text";
}

/** Summarizes a folded value in a few words. */
export function gist(value) {
  if (Array.isArray(value)) return plural(value.length, "element");
  const names = Object.keys(value);
  const told = names.join(", ");
  return `${plural(names.length, "field")}: ${told.length > GIST ? `${told.slice(0, GIST)}…` : told}`;
}

/** Shows a value that has no parts. */
export function scalar(value) {
  if (value === null) return h("span", { class: "soft" }, "null");
  if (typeof value === "boolean") return h("span", { class: `boolean ${value}` }, value ? "yes" : "no");
  if (typeof value === "number") return numeral(value);
  if (value === "") return h("span", { class: "soft" }, "an empty string");
  if (isDate(value)) return date(value);
  if (isUuid(value)) return h("code", {}, value);
  if (isUrl(value)) return h("a", { href: value, rel: "noopener noreferrer" }, value);
  return MISTAKABLE.test(value) ? `“${value}”` : value;
}

/** A number that the browser has rounded is not shown as if it was exact. */
function numeral(value) {
  const isExact = !Number.isInteger(value) || Number.isSafeInteger(value);
  return isExact ? h("span", { class: "number" }, String(value)) : h("span", { class: "number", title: "The browser rounds numbers this large. The JSON has all digits." }, `≈ ${value}`);
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

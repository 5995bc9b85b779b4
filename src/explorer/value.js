// Shows the values of records.

import { h } from "./dom.js";
import { isDate, isUrl, isUuid, number, when } from "./format.js";

/** Fields that name a record to people, the best first. */
const TITLES = ["title", "name", "fullName", "full_name", "displayName", "label", "headline", "subject"];

/** The length from which on text is shown as a block. */
const LONG = 90;

/** The characters of a line on a narrow page, and the lines from which on text scrolls. */
const NARROW = 20;
const SCROLLED = 14;

/** The depth to which a value is shown open; deeper parts are closed. */
const DEPTH = 2;

/** The elements of a list that are shown at once, and the length of the gist of a closed value. */
const ELEMENTS = 10;
const GIST = 60;

/** Returns the name of a record for people. */
export function titleOf(value, key) {
  const field = TITLES.find((name) => typeof value?.[name] === "string" && value[name].trim());
  return field ? value[field] : key;
}

export const isTitle = (field) => TITLES.includes(field);

/** Shows a value as a whole; an object is a list of its fields. `fresh` are pointers to mark. Deep
 * parts are built when they are opened, so that a large record stays one page. */
export function shownValue(value, fresh = new Set(), pointer = "", depth = 0) {
  if (value === null || typeof value !== "object") return scalar(value);
  const isSmall = Object.keys(value).length === 0 || isFlat(value) && Array.isArray(value);
  if (depth > DEPTH && !isSmall) return closed(gist(value), () => whole(value, fresh, pointer, 0));
  return whole(value, fresh, pointer, depth);
}

function whole(value, fresh, pointer, depth) {
  return Array.isArray(value) ? listed(value, fresh, pointer, depth) : fields(value, fresh, pointer, depth);
}

/** Returns a closed element that shows the result of `build` once it is opened. */
function closed(told, build) {
  const body = h("div", {});
  const open = (event) => {
    if (event.target.open && body.childElementCount === 0) body.append(build());
  };
  return h("details", { class: "inner", ontoggle: open }, h("summary", {}, told), body);
}

/** Summarizes a value in a few words. */
function gist(value) {
  if (Array.isArray(value)) return value.length === 1 ? "1 element" : `${number(value.length)} elements`;
  const names = Object.keys(value).join(", ");
  return names.length > GIST ? `${names.slice(0, GIST)}…` : names;
}

const isFlat = (value) => Object.values(value).every((element) => element === null || typeof element !== "object");

function fields(value, fresh, pointer, depth) {
  const names = Object.keys(value).sort((one, other) => rank(one) - rank(other));
  if (names.length === 0) return h("span", { class: "soft" }, "an object without fields");
  return h("dl", { class: "value" }, names.map((name) => {
    const place = `${pointer}/${name.replaceAll("~", "~0").replaceAll("/", "~1")}`;
    return h("div", { class: fresh.has(place) ? "entry fresh" : "entry" }, h("dt", {}, name), h("dd", {}, shownValue(value[name], fresh, place, depth + 1)));
  }));
}

/** Titles first, then in the order of the record. */
const rank = (name) => (isTitle(name) ? TITLES.indexOf(name) - TITLES.length : 0);

function listed(value, fresh, pointer, depth) {
  if (value.length === 0) return h("span", { class: "soft" }, "an empty list");
  const shown = (from, to) => h("ul", { class: isFlat(value) ? "flat" : "nested" },
    value.slice(from, to).map((element, index) => h("li", {}, shownValue(element, fresh, `${pointer}/${from + index}`, depth + 1))));
  const most = isFlat(value) ? 10 * ELEMENTS : ELEMENTS;
  if (value.length <= most) return shown(0, most);
  const rest = value.length - most;
  return h("div", {}, shown(0, most), closed(rest === 1 ? "1 more" : `${number(rest)} more`, () => shown(most, value.length)));
}

function scalar(value) {
  if (value === null) return h("span", { class: "soft" }, "null");
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (typeof value === "number") return h("span", { class: "number" }, String(value));
  if (value === "") return h("span", { class: "soft" }, "an empty string");
  if (isDate(value)) return date(value);
  if (isUuid(value)) return h("code", {}, value);
  if (isUrl(value)) return h("a", { href: value, rel: "noopener noreferrer" }, value);
  const isText = value.length > LONG || value.includes("\n");
  if (!isText) return value;
  // Scrolling text must be reachable by keyboard.
  const lines = value.split("\n").reduce((sum, line) => sum + Math.max(1, Math.ceil(line.length / NARROW)), 0);
  return h("div", lines < SCROLLED ? { class: "text" } : { class: "text", tabindex: "0" }, value);
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

// The table of records: its columns and its order.

import { h, scrolling } from "./dom.js";
import { isDate, isUrl, isUuid } from "./format.js";
import { toRecord } from "./route.js";
import { cell, fieldOf, isTitle, titleOf } from "./value.js";

/** The default number of columns in addition to the key. */
const COLUMNS = 4;

/** Returns the most informative fields of these records: titles, then those that distinguish them. */
export function columnsOf(items, fields, countable) {
  const scored = fields.filter((field) => !field.includes(".")).map((field) => [score(field, items, countable), field]);
  scored.sort(([one], [other]) => other - one);
  return scored.filter(([value]) => value > 0).slice(0, COLUMNS).map(([, field]) => field);
}

function score(field, items, countable) {
  const values = items.map(({ value }) => fieldOf(value, field)).filter((value) => value !== undefined && value !== null);
  if (values.length === 0) return 0;
  const share = values.length / items.length;
  // The key is shown already.
  if (items.every(({ key, value }) => key.split("/").includes(String(value?.[field])))) return 0;
  // A field that only repeats the name adds nothing either.
  const repeats = ({ key, value }) => typeof fieldOf(value, field) === "string" && titleOf(value, key).includes(fieldOf(value, field));
  if (!isTitle(field) && items.every(repeats)) return 0;
  return share * kindScore(field, values, countable);
}

function kindScore(field, values, countable) {
  if (isTitle(field)) return 20;
  const [value] = values;
  if (typeof value === "boolean") return 5;
  if (countable.includes(field)) return 9;
  if (typeof value !== "string") return typeof value === "object" ? 2 : 6;
  if (isUuid(value) || isUrl(value)) return 0.5;
  if (isDate(value)) return 4;
  const length = values.reduce((sum, text) => sum + String(text).length, 0) / values.length;
  if (length > 300) return 1;
  return length > 40 ? 8 : 7;
}

/** Returns a menu to choose the columns. */
export function columnChoice(fields, columns, onchoose) {
  const boxes = fields.map((field, index) => {
    const id = `column-${index}`;
    const box = h("input", { type: "checkbox", id, value: field, checked: columns.includes(field) });
    return h("div", {}, box, h("label", { for: id }, field));
  });
  const choose = (event) => {
    event.preventDefault();
    const chosen = boxes.map((entry) => entry.firstChild).filter(({ checked }) => checked).map(({ value }) => value);
    onchoose(columns.filter((field) => chosen.includes(field)).concat(chosen.filter((field) => !columns.includes(field))));
  };
  return h("details", { class: "menu" }, h("summary", {}, "Columns"),
    h("form", { class: "menu-body", onsubmit: choose }, h("fieldset", {}, h("legend", {}, "Columns"), boxes),
      h("button", { type: "submit" }, "Apply")));
}

/** Returns the table. A heading sorts by its column: ascending, descending, and unsorted. */
export function recordTable({ sheet, items, columns, fields, sort, fresh, onsort }) {
  const heading = (field) => {
    const order = sort === field ? "ascending" : sort === `-${field}` ? "descending" : null;
    const next = { ascending: `-${field}`, descending: null }[order ?? ""];
    const text = [field, h("span", { class: "order", "aria-hidden": "true" }, { ascending: " ↑", descending: " ↓" }[order] ?? "")];
    const button = h("button", { type: "button", id: `sort-${field}`, onclick: () => onsort(next === undefined ? field : next) }, text);
    return h("th", { scope: "col", "aria-sort": order }, fields.includes(field) ? button : text);
  };
  const row = ({ key, value }) => h("tr", { class: fresh.has(key) ? "fresh" : null },
    h("th", { scope: "row" }, h("a", { href: toRecord(sheet, key) }, shortKey(key))),
    columns.map((field) => h("td", { class: kindOf(fieldOf(value, field)) }, cell(fieldOf(value, field)))));
  const table = h("table", { class: "records" },
    h("caption", { class: "unseen" }, `Records of ${sheet}`),
    h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "key"), columns.map(heading))),
    h("tbody", {}, items.map(row)));
  return scrolling(`Records of ${sheet}`, table);
}

const kindOf = (value) => (typeof value === "number" ? "right" : typeof value === "string" && value.length > 40 ? "wide" : null);

/** Shortens each UUID in a key to its last digits. */
function shortKey(key) {
  const segments = key.split("/").map((segment) => (isUuid(segment) ? `…${segment.slice(-8)}` : segment));
  return h("span", { title: key }, segments.join("/"));
}

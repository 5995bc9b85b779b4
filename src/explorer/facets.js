// The facets of a list: values to choose, several of a field at once, and ranges. What is chosen is a
// filter.

import { h, put } from "./dom.js";
import { isDate, isUuid, number } from "./format.js";
import { histogram, rangeNames } from "./histogram.js";

/** The most values that are shown of a field at first. */
const VALUES = 8;

/** The parameters of lists; a filter on a field of such a name is written with an operator. */
const RESERVED = ["q", "sort", "fields", "cursor", "page", "perPage", "limit", "filter", "facets", "facetLimit", "facetSort", "facetMode",
  "stats", "groupBy", "unnest", "include", "format", "match", "prefix", "now", "at"];

/** Returns the values of a field that the filters allow. */
export function chosenOf(filters, field) {
  return filters.flatMap(([name, value]) => (name === field ? [value] : name === `${field}[in]` ? elements(value) : []));
}

/** Returns the filter for these values of a field; `null` without values. */
export function filterOf(field, values) {
  if (values.length === 0) return null;
  const escaped = values.map((value) => value.replace(/[\\,]/g, "\\$&"));
  return values.length === 1 && !RESERVED.includes(field) ? [field, values[0]] : [`${field}[in]`, escaped.join(",")];
}

/** Splits a list at its commas, except those after a backslash. */
function elements(list) {
  const cut = [""];
  for (const [part, escaped] of list.matchAll(/\\([\\,])|[^]/g)) {
    if (part === ",") cut.push("");
    else cut[cut.length - 1] += escaped ?? part;
  }
  return cut;
}

/** Returns a form that counts another field, of those that `others` returns. */
export function countForm(others, onadd) {
  const field = h("select", { id: "count-field" });
  const body = h("form", { class: "menu-body", onsubmit: (event) => {
    event.preventDefault();
    event.target.closest("details").open = false;
    onadd(field.value);
  } },
  h("div", {}, h("label", { for: "count-field" }, "Count by"), field),
  h("button", { type: "submit" }, "Count its values"));
  const list = ({ target }) => target.open && put(field, others().map((name) => h("option", { value: name }, name)));
  return h("details", { class: "menu", ontoggle: list }, h("summary", {}, "Count"), body);
}

/** Shows the facets. `onchoose` gets the names of the old filters and the new filters, and `onleave` a
 * field of `asked` that is no longer to be counted. `isWaiting` says that more will arrive. */
export function facets({ shown, filters, asked, isOpen, isWaiting, unfolded, onchoose, onleave }) {
  const entries = shown.filter((facet) => isUseful(facet, filters, asked));
  if (entries.length === 0 && !isWaiting) return null;
  return h("details", { class: "facet-box", open: isOpen }, h("summary", {}, "Facets"),
    entries.map((facet) => facetOf(facet, { filters, unfolded, onchoose, leave: asked.includes(facet.field) && (() => onleave(facet.field)) })),
    isWaiting && h("div", { class: "facet skeleton", "aria-hidden": "true" }, [60, 90, 75, 85].map((width) => h("div", { class: `bone w${width}` }))));
}

function isUseful({ field, kind, values }, filters, asked) {
  if (asked.includes(field) || kind === "pending") return true;
  if (kind === "costly") return false;
  return kind === "range" || says(values) || chosenOf(filters, field).length > 0;
}

/** Whether counts of these values are useful: they repeat, and are readable. */
function says(values) {
  const sum = values.reduce((all, { count }) => all + count, 0);
  const isShort = ({ value }) => (typeof value === "string" ? value.length < 40 && !isDate(value) && !isUuid(value) : typeof value !== "object" || value === null);
  return values.length > 1 && sum > values.length && values.every(isShort);
}

function facetOf(facet, { filters, unfolded, onchoose, leave }) {
  const { field, kind } = facet;
  const names = kind === "range" ? rangeNames(field) : [field, `${field}[in]`];
  const isSet = filters.some(([name]) => names.includes(name));
  const id = `facet-clear-${encodeURIComponent(field)}`;
  const legend = h("legend", {}, h("span", {}, field),
    isSet && h("button", { type: "button", class: "plain", id, "aria-label": `Clear ${field}`, onclick: () => onchoose(names, []) }, "Clear"),
    leave && h("button", { type: "button", class: "plain", "aria-label": `Do not count ${field}`, onclick: leave }, "×"));
  const body = {
    pending: () => h("div", { class: "bone high", "aria-hidden": "true" }),
    costly: () => h("p", { class: "soft" }, "There are too many records to count a field without an index."),
    range: () => histogram({ ...facet, filters, onchoose: (range) => onchoose(names, range) }),
    values: () => valuesOf(facet, names, filters, unfolded, onchoose),
  };
  return h("fieldset", { class: "facet" }, legend, body[kind]());
}

function valuesOf({ field, values, more }, names, filters, unfolded, onchoose) {
  const chosen = chosenOf(filters, field);
  const listed = withChosen(values, chosen);
  const most = Math.max(1, ...listed.map(({ count }) => count));
  const value = ({ value, count }) => {
    const text = typeof value === "object" ? JSON.stringify(value) : String(value);
    const isSet = chosen.includes(text);
    const id = `facet-${encodeURIComponent(field)}-${encodeURIComponent(text)}`;
    const choose = () => {
      const next = isSet ? chosen.filter((other) => other !== text) : [...chosen, text];
      onchoose(names, [filterOf(field, next)].filter(Boolean));
    };
    const told = typeof value === "boolean" ? (value ? "yes" : "no") : text;
    return h("div", {},
      h("input", { type: "checkbox", id, checked: isSet, onchange: choose }),
      h("label", { for: id }, h("span", {}, told), h("span", { class: "count" }, number(count))),
      bar(count / most));
  };
  const rest = listed.slice(VALUES);
  const opened = (event) => unfolded[event.target.open ? "add" : "delete"](field);
  return [
    listed.slice(0, VALUES).map(value),
    rest.length > 0 && h("details", { class: "rest", open: unfolded.has(field), ontoggle: opened }, h("summary", { id: `facet-rest-${encodeURIComponent(field)}` }, `${number(rest.length)} more`), rest.map(value)),
    more > 0 && h("p", { class: "soft" }, `and ${number(more)} others, which a filter finds`),
  ];
}

/** Returns what lies behind a value, as wide as its share. */
function bar(share) {
  const element = h("span", { class: "share-bar", "aria-hidden": "true" });
  // The policy for styles forbids the attribute.
  element.style.width = `${(share * 100).toFixed(1)}%`;
  return h("span", { class: "share", "aria-hidden": "true" }, element);
}

/** Moves the chosen values to the front, including those that no record has any more. */
function withChosen(values, chosen) {
  const isChosen = ({ value }) => chosen.includes(String(value));
  const missing = chosen.filter((text) => !values.some(({ value }) => String(value) === text));
  return [...values.filter(isChosen), ...missing.map((value) => ({ value, count: 0 })), ...values.filter((entry) => !isChosen(entry))];
}

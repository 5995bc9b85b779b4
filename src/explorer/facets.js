// The counts of the values of the fields with an index and of those that are asked for, under the
// filters that are set. A value is a filter, and several values of a field are one.

import { read } from "./api.js";
import { h } from "./dom.js";
import { isDate, isUuid, number } from "./format.js";

/** The most fields that are counted, and the most values that are shown for one. */
const FIELDS = 8;
const VALUES = 12;

/** Returns the fields that are counted: those with an index, except keys of other records. */
export function countable(indexed) {
  return indexed.filter((field) => !/(^id|Id|Key|_id)$/.test(field)).slice(0, FIELDS);
}

/** Counts the values of `fields` under the filters of `params`; those of a field itself are left out,
 * so that another value of it can be chosen. Returns `{ field: { values, more } }`. */
export async function count(sheet, params, fields, signal) {
  const chosen = fields.filter((field) => chosenOf([...params], field).length > 0);
  const others = fields.filter((field) => !chosen.includes(field));
  const asked = [others, ...chosen.map((field) => [field])].filter((group) => group.length > 0);
  const counted = await Promise.all(asked.map(async (group) => {
    const without = [...params].filter(([name]) => !group.some((field) => name === field || name === `${field}[in]`));
    const query = new URLSearchParams([...without, ["limit", "1"], ["facets", group.join(",")]]);
    const { facets = {}, more = {} } = (await read([sheet], query, signal)).body;
    return group.map((field) => [field, { values: facets[field] ?? [], more: more[field] ?? 0 }]);
  }));
  return Object.fromEntries(counted.flat().sort(([one], [other]) => fields.indexOf(one) - fields.indexOf(other)));
}

/** Returns the values of a field that the filters allow. */
export function chosenOf(filters, field) {
  return filters.flatMap(([name, value]) => (name === field ? [value] : name === `${field}[in]` ? elements(value) : []));
}

/** Returns the filter for these values of a field; `null` without values. */
function filterOf(field, values) {
  if (values.length === 0) return null;
  const escaped = values.map((value) => value.replace(/[\\,]/g, "\\$&"));
  return values.length === 1 ? [field, values[0]] : [`${field}[in]`, escaped.join(",")];
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

/** Returns a form that counts another field. */
export function countForm(fields, onadd) {
  const field = h("select", { id: "count-field" }, fields.map((name) => h("option", { value: name }, name)));
  const body = h("form", { class: "menu-body", onsubmit: (event) => {
    event.preventDefault();
    event.target.closest("details").open = false;
    onadd(field.value);
  } },
  h("div", {}, h("label", { for: "count-field" }, "Count by"), field),
  h("button", { type: "submit" }, "Count its values"));
  return h("div", { class: "tool" }, h("details", { class: "menu" }, h("summary", {}, "Count"), body));
}

/** Lists the values with their counts; `onchoose` gets the names of the old filters and the new
 * filter, and `onleave` a field of `asked` that is no longer to be counted. */
export function facets(counted, filters, asked, isOpen, onchoose, onleave) {
  const isShown = ([field, { values }]) => asked.includes(field) || says(values) || chosenOf(filters, field).length > 0;
  const entries = Object.entries(counted).filter(isShown);
  if (entries.length === 0) return null;
  return h("details", { class: "facet-box", open: isOpen }, h("summary", {}, "Facets"),
    entries.map(([field, facet]) => shownFacet(field, facet, filters, onchoose, asked.includes(field) && (() => onleave(field)))));
}

/** Whether counts of these values are useful: they repeat, and are readable. */
function says(values) {
  const sum = values.reduce((all, { count }) => all + count, 0);
  const isShort = ({ value }) => (typeof value === "string" ? value.length < 40 && !isDate(value) && !isUuid(value) : typeof value !== "object");
  return values.length > 1 && sum > values.length && values.every(isShort);
}

function shownFacet(field, { values, more }, filters, onchoose, onleave) {
  const chosen = chosenOf(filters, field);
  const listed = withChosen(values, chosen);
  const hidden = listed.length - VALUES + more;
  const leave = onleave && h("button", { type: "button", class: "quiet", "aria-label": `Do not count ${field}`, onclick: onleave }, "×");
  return h("fieldset", { class: "facet" }, h("legend", {}, field, leave && [" ", leave]),
    listed.slice(0, VALUES).map(({ value, count }) => {
      const text = typeof value === "object" ? JSON.stringify(value) : String(value);
      const isSet = chosen.includes(text);
      const id = `facet-${encodeURIComponent(field)}-${encodeURIComponent(text)}`;
      const choose = () => {
        const next = isSet ? chosen.filter((other) => other !== text) : [...chosen, text];
        onchoose([field, `${field}[in]`], filterOf(field, next));
      };
      return h("div", {},
        h("input", { type: "checkbox", id, checked: isSet, onchange: choose }),
        h("label", { for: id }, h("span", {}, text), h("span", { class: "count" }, number(count))));
    }),
    hidden > 0 && h("p", { class: "soft" }, `and ${number(hidden)} more`));
}

/** Moves the chosen values to the front, including those that no record has any more. */
function withChosen(values, chosen) {
  const isChosen = ({ value }) => chosen.includes(String(value));
  const missing = chosen.filter((text) => !values.some(({ value }) => String(value) === text));
  return [...values.filter(isChosen), ...missing.map((value) => ({ value, count: 0 })), ...values.filter((entry) => !isChosen(entry))];
}

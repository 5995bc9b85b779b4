// The counts of the values of some fields, under the filters that are set. A value is a filter.

import { read } from "./api.js";
import { h } from "./dom.js";
import { isDate, isUuid, number } from "./format.js";

/** How many values a field may have to be counted, and how many fields are. */
const VALUES = 12;
const FIELDS = 5;

/** How many fields are looked at; each that has no index is read in every record. */
const PROBED = 30;
const PROBED_LARGE = 8;
const LARGE = 20_000;

/** Returns the fields whose values repeat, so that counting them says something. */
export async function countable(sheet, fields, signal) {
  const { body } = await read([sheet], { limit: 1 }, signal);
  const probed = fields.filter((field) => !/(^id|Id|Key|_id)$/.test(field)).slice(0, body.total > LARGE ? PROBED_LARGE : PROBED);
  if (probed.length === 0 || body.total < 3) return [];
  const counted = (await read([sheet], { limit: 1, facets: probed.join(",") }, signal)).body.facets;
  const repeats = ([, values]) => {
    const sum = values.reduce((all, { count }) => all + count, 0);
    const isKind = values.every(({ value }) => typeof value === "string" ? value.length < 40 && !isDate(value) && !isUuid(value) : typeof value !== "object");
    return values.length > 1 && values.length <= VALUES && sum > values.length && isKind;
  };
  return Object.entries(counted).filter(repeats).slice(0, FIELDS).map(([field]) => field);
}

/** Lists the values with their counts; `onchoose` sets or takes away a filter. */
export function facets(counted, filters, isOpen, onchoose) {
  const entries = Object.entries(counted);
  if (entries.length === 0) return null;
  return h("details", { class: "facet-box", open: isOpen }, h("summary", {}, "Facets"),
    entries.map(([field, values]) => facet(field, values, filters, onchoose)));
}

function facet(field, values, filters, onchoose) {
  const shown = withChosen(field, values, filters);
  return h("fieldset", { class: "facet" }, h("legend", {}, field), shown.map(({ value, count }) => {
    const text = String(value);
    const isSet = filters.some(([name, chosen]) => name === field && chosen === text);
    const id = `facet-${encodeURIComponent(field)}-${encodeURIComponent(text)}`;
    return h("div", {},
      h("input", { type: "checkbox", id, checked: isSet, onchange: () => onchoose([field, text], isSet) }),
      h("label", { for: id }, h("span", {}, text), h("span", { class: "count" }, number(count))));
  }));
}

/** A value that is chosen is listed even where nothing has it any more. */
function withChosen(field, values, filters) {
  const missing = filters.filter(([name, chosen]) => name === field && !values.some(({ value }) => String(value) === chosen));
  return [...values, ...missing.map(([, value]) => ({ value, count: 0 }))];
}

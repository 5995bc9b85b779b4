// The filters of a list: those that are set, and a form for another one.

import { h, put } from "./dom.js";
import { number } from "./format.js";

const ANY = ["boolean", "number", "text", "date", "mixed", "none"];
const ORDERED = ["number", "text", "date", "mixed", "none"];
const TEXTS = ["text", "date", "mixed", "none"];

/** The conditions, with the types of fields that they suit. */
const CONDITIONS = [
  { suffix: "", told: "is", types: ANY },
  { suffix: "[ne]", told: "is not", types: ANY },
  { suffix: "[in]", told: "is one of", types: ANY, isList: true },
  { suffix: "[nin]", told: "is none of", types: ANY, isList: true },
  { suffix: "[contains]", told: "contains", types: TEXTS },
  { suffix: "[prefix]", told: "begins with", types: TEXTS },
  { suffix: "[gt]", told: "above", types: ORDERED },
  { suffix: "[gte]", told: "from", types: ORDERED },
  { suffix: "[lt]", told: "below", types: ORDERED },
  { suffix: "[lte]", told: "up to", types: ORDERED },
  { suffix: "[exists]", told: "exists", types: [...ANY, "table"] },
  { suffix: "[size]", told: "has so many elements:", isSize: true },
  { suffix: "[size][ne]", told: "has not so many elements:", isSize: true },
  { suffix: "[size][in]", told: "has one of these numbers of elements:", isSize: true, isList: true },
  { suffix: "[size][nin]", told: "has none of these numbers of elements:", isSize: true, isList: true },
  { suffix: "[size][gt]", told: "has more elements than", isSize: true },
  { suffix: "[size][gte]", told: "has at least so many elements:", isSize: true },
  { suffix: "[size][lt]", told: "has fewer elements than", isSize: true },
  { suffix: "[size][lte]", told: "has at most so many elements:", isSize: true },
];

/** What to write as the value of a field of each type. */
const EXAMPLES = { number: "12", date: "2024, 2024-05, 2024-05-01 or now-30d", boolean: "true or false" };

/** The parameters of a list that are no filters, in words. */
const OTHERS = { at: "as of", now: "now is", match: "words that must occur:", prefix: "beginnings of words:" };

/** Describes a filter in words. */
function told([name, value]) {
  if (name === "filter") return value;
  if (name in OTHERS) return `${OTHERS[name]} ${value}`;
  const [, field, suffix] = name.match(/^(.*?)((?:\[[a-z]+\])*)$/s);
  const condition = CONDITIONS.find((other) => other.suffix === suffix)?.told ?? suffix;
  if (suffix === "[exists]") return `${field} ${value === "false" ? "does not exist" : "exists"}`;
  return `${field} ${condition} ${value}`;
}

/** Lists the active filters, each with a button that removes it. */
export function chips(filters, onremove, onclear) {
  if (filters.length === 0) return null;
  const chip = (filter) => h("li", { class: "chip set" }, h("span", {}, told(filter)),
    h("button", { type: "button", "aria-label": `Remove the filter: ${told(filter)}`, onclick: () => onremove(filter) }, "×"));
  return h("ul", { class: "filters", "aria-label": "Filters" }, filters.map(chip),
    filters.length > 1 && h("li", {}, h("button", { type: "button", class: "quiet", onclick: onclear }, "Clear all")));
}

/** A form that adds a filter. */
export class FilterForm {
  #field = h("select", { id: "filter-field", onchange: () => this.#chosen() });
  #condition = h("select", { id: "filter-operator", onchange: () => this.#conditioned() });
  #value = h("input", { id: "filter-value", autocomplete: "off", list: "filter-values", "aria-describedby": "filter-hint", oninput: () => this.#suggest() });
  #values = h("datalist", { id: "filter-values" });
  #valuePart = h("div", {}, h("label", { for: "filter-value" }, "Value"), this.#value, this.#values);
  #hint = h("p", { class: "soft hint", id: "filter-hint" });
  #error = h("p", { class: "flaw", role: "alert" });
  #menu = h("details", { class: "menu", ontoggle: () => this.#menu.open && this.#opened() }, h("summary", {}, "Filter"),
    h("form", { class: "menu-body", onsubmit: (event) => this.#submit(event) },
      h("div", {}, h("label", { for: "filter-field" }, "Field"), this.#field),
      h("div", {}, h("label", { for: "filter-operator" }, "Condition"), this.#condition),
      this.#valuePart, this.#hint, this.#error,
      h("button", { type: "submit" }, "Add the filter")));
  element = h("div", { class: "tool" }, this.#menu);
  #asked = new AbortController();
  #listed = "";

  /** `tried` counts the records of a filter, or throws what is wrong; `suggested` returns the frequent
   * values of a field; `onadd` gets the filter. */
  constructor(fields, { tried, suggested, onadd }) {
    this.fields = fields;
    Object.assign(this, { tried, suggested, onadd });
  }

  /** Lists the fields, which costs nothing before. */
  #opened() {
    const before = this.#field.value;
    const option = (name) => h("option", { value: name }, name);
    const { fields } = this;
    const [indexed, others] = [fields.indexed.filter((name) => fields.has(name)), fields.names.filter((name) => !fields.hasIndex(name))];
    put(this.#field,
      indexed.length > 0 && h("optgroup", { label: "With an index" }, indexed.map(option)),
      h("optgroup", { label: indexed.length > 0 ? "Without an index" : "Fields" }, others.map(option)),
      h("optgroup", { label: "The record" }, h("option", { value: "_key" }, "_key")));
    if (before && (before === "_key" || fields.has(before))) this.#field.value = before;
    this.#chosen();
  }

  /** Offers the conditions that suit the field. */
  #chosen() {
    const field = this.#field.value;
    const type = field === "_key" ? "text" : this.fields.typeOf(field);
    const before = this.#condition.value;
    const suiting = CONDITIONS.filter(({ types, isSize }) => (isSize ? this.fields.isList(field) : types.includes(type)));
    put(this.#condition, suiting.map(({ suffix, told }) => h("option", { value: suffix }, told)));
    if (suiting.some(({ suffix }) => suffix === before)) this.#condition.value = before;
    this.#conditioned();
  }

  #conditioned() {
    const { isList, isSize, suffix } = this.#of();
    const type = this.fields.typeOf(this.#field.value);
    const example = isSize ? "3" : EXAMPLES[type] ?? "";
    const hints = [isList && "Several values, with commas between them.", suffix !== "[exists]" && example && `For example ${example}.`, suffix === "[exists]" && "Leave it empty, or write false for records without the field."];
    put(this.#hint, hints.filter(Boolean).join(" "));
    put(this.#error);
    this.#listed = "";
    this.#suggest();
  }

  #of() {
    return CONDITIONS.find(({ suffix }) => suffix === this.#condition.value) ?? CONDITIONS[0];
  }

  /** Suggests the frequent values that begin with what is written. */
  async #suggest() {
    const { isList, isSize, suffix } = this.#of();
    const field = this.#field.value;
    if (isSize || field === "_key" || suffix === "[exists]") return put(this.#values);
    const typed = isList ? "" : this.#value.value.trim();
    const wanted = JSON.stringify([field, typed]);
    if (wanted === this.#listed) return;
    this.#listed = wanted;
    this.#asked.abort();
    this.#asked = new AbortController();
    const { signal } = this.#asked;
    const values = await this.suggested(field, typed, signal).catch(() => []);
    if (signal.aborted) return;
    put(this.#values, values.filter(({ value }) => typeof value !== "object").map(({ value, count }) => h("option", { value: String(value) }, number(count))));
  }

  async #submit(event) {
    event.preventDefault();
    const { suffix } = this.#of();
    const text = suffix === "[exists]" ? this.#value.value.trim() || "true" : this.#value.value;
    const filter = [this.#field.value + suffix, text];
    try {
      await this.tried(filter);
    } catch (error) {
      return put(this.#error, `${error.message}.`);
    }
    put(this.#error);
    this.#value.value = "";
    this.#menu.open = false;
    this.#menu.querySelector("summary").focus();
    this.onadd(filter);
  }
}

// The filters of a list: the active ones, a form for another one, and one for an expression.

import { h } from "./dom.js";

const OPERATORS = [
  ["", "is"], ["[ne]", "is not"], ["[in]", "is one of"],
  ["[nin]", "is none of"], ["[contains]", "contains"], ["[prefix]", "begins with"], ["[gt]", "above"], ["[gte]", "from"],
  ["[lt]", "below"], ["[lte]", "up to"], ["[exists]", "exists"],
];

/** Describes a filter in words. */
function told([name, value]) {
  if (name === "filter") return value;
  const [, field, suffix] = name.match(/^(.*?)(\[[a-z]+\])?$/s);
  const operator = OPERATORS.find(([other]) => other === (suffix ?? ""))?.[1] ?? suffix;
  if (suffix === "[exists]") return `${field} ${value === "false" ? "does not exist" : "exists"}`;
  return `${field} ${operator} ${value}`;
}

/** Lists the active filters, each with a button that removes it. */
export function chips(filters, onremove, onclear) {
  if (filters.length === 0) return null;
  const chip = (filter) => h("li", { class: "chip set" }, told(filter),
    h("button", { type: "button", "aria-label": `Remove the filter: ${told(filter)}`, onclick: () => onremove(filter) }, "×"));
  return h("ul", { class: "filters", "aria-label": "Filters" }, filters.map(chip),
    filters.length > 1 && h("li", {}, h("button", { type: "button", class: "quiet", onclick: onclear }, "Clear all")));
}

/** Returns a form that adds a filter. */
export function filterForm(fields, onadd) {
  const field = h("select", { id: "filter-field" }, fields.map((name) => h("option", { value: name }, name)));
  const operator = h("select", { id: "filter-operator" }, OPERATORS.map(([suffix, name]) => h("option", { value: suffix }, name)));
  const value = h("input", { id: "filter-value", autocomplete: "off" });
  const body = h("form", { class: "menu-body", onsubmit: (event) => {
    event.preventDefault();
    const text = operator.value === "[exists]" ? value.value || "true" : value.value;
    event.target.closest("details").open = false;
    onadd(field.value + operator.value, text);
  } },
  h("div", {}, h("label", { for: "filter-field" }, "Field"), field),
  h("div", {}, h("label", { for: "filter-operator" }, "Condition"), operator),
  h("div", {}, h("label", { for: "filter-value" }, "Value"), value),
  h("button", { type: "submit" }, "Add the filter"));
  return h("div", { class: "tool" }, h("details", { class: "menu" }, h("summary", {}, "Filter"), body));
}

/** Returns a form that sets the expression; an empty one takes it away. */
export function expressionForm(text, onset) {
  const expression = h("input", {
    id: "filter-expression", autocomplete: "off", spellcheck: "false", placeholder: "size(tags) > 1 && has(name)",
  });
  expression.value = text;
  const body = h("form", { class: "menu-body", onsubmit: (event) => {
    event.preventDefault();
    event.target.closest("details").open = false;
    onset(expression.value.trim() || null);
  } },
  h("div", {}, h("label", { for: "filter-expression" }, "Expression in CEL"), expression),
  h("button", { type: "submit" }, "Set the expression"));
  return h("div", { class: "tool" }, h("details", { class: "menu" }, h("summary", {}, "Expression"), body));
}

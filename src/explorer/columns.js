// Which fields are the columns of a table, and the menu that chooses them.

import { h, put } from "./dom.js";
import { isDate, isUrl, isUuid } from "./format.js";
import { fieldOf, isTitle, titleOf } from "./value.js";

/** The default number of columns in addition to the key, and the number of records that decide. */
const COLUMNS = 5;
const SAMPLE = 20;

/** Returns the most informative fields of these records: titles, then those that distinguish them. */
export function columnsOf(items, fields) {
  const sample = items.slice(0, SAMPLE);
  const scored = fields.names.map((field) => [score(field, sample, fields), field]);
  scored.sort(([one], [other]) => other - one);
  return scored.filter(([value]) => value > 0).slice(0, COLUMNS).map(([, field]) => field);
}

function score(field, items, fields) {
  // An object is shown by its members, and a member counts a little less than a field.
  if (fields.typeOf(field) === "table") return 0;
  const values = items.map(({ value }) => fieldOf(value, field)).filter((value) => value !== undefined && value !== null);
  if (values.length === 0) return 0;
  const share = values.length / items.length;
  const depth = field.split(".").length;
  // The key is shown already.
  if (items.every(({ key, value }) => key.split("/").includes(String(value?.[field])))) return 0;
  // A field that only repeats the name adds nothing either.
  const repeats = ({ key, value }) => typeof fieldOf(value, field) === "string" && titleOf(value, key).includes(fieldOf(value, field));
  if (!isTitle(field) && items.every(repeats)) return 0;
  return (share * kindScore(field, values, fields)) / depth;
}

function kindScore(field, values, fields) {
  if (isTitle(field)) return 20;
  const [value] = values;
  if (typeof value === "boolean") return 5;
  if (fields.hasIndex(field) && !/(^id|Id|Key|_id)$/.test(field)) return 9;
  if (typeof value !== "string") return typeof value === "object" ? 2 : 6;
  if (isUuid(value) || isUrl(value)) return 0.5;
  if (isDate(value)) return 4;
  const length = values.reduce((sum, text) => sum + String(text).length, 0) / values.length;
  if (length > 300) return 1;
  return length > 40 ? 8 : 7;
}

/** A menu of all fields, built when it is opened, so that a sheet of many fields costs nothing. */
export class ColumnPicker {
  element = h("div", { class: "tool" });
  #chosen = [];
  #body = h("form", { class: "menu-body columns-menu", onsubmit: (event) => this.#apply(event) });
  #menu = h("details", { class: "menu", ontoggle: () => this.#menu.open && this.#build() }, h("summary", {}, "Columns"), this.#body);
  #boxes = [];

  /** `onchoose` gets the chosen fields in order, or null for those that are usual. */
  constructor(fields, onchoose) {
    this.fields = fields;
    this.onchoose = onchoose;
    put(this.element, this.#menu);
  }

  /** Notes the columns; a choice in progress is left alone. */
  show(columns) {
    this.#chosen = columns;
  }

  #build() {
    const others = this.fields.names.filter((field) => !this.#chosen.includes(field));
    this.#boxes = [...this.#chosen, ...others].map((field, index) => {
      const id = `column-${index}`;
      const box = h("input", { type: "checkbox", id, value: field, checked: this.#chosen.includes(field) });
      return { field, box, element: h("div", {}, box, h("label", { for: id }, field)) };
    });
    const find = h("input", { type: "search", id: "column-find", autocomplete: "off", spellcheck: "false", placeholder: "Part of a name" });
    const nothing = h("p", { class: "soft", hidden: true }, "No field has this name.");
    find.addEventListener("input", () => {
      const text = find.value.trim().toLowerCase();
      for (const { field, element } of this.#boxes) element.hidden = !field.toLowerCase().includes(text);
      nothing.hidden = this.#boxes.some(({ element }) => !element.hidden);
    });
    const mark = (checked) => this.#boxes.filter(({ element }) => !element.hidden).forEach(({ box }) => { box.checked = checked; });
    put(this.#body,
      h("div", {}, h("label", { for: "column-find" }, "Find a column"), find),
      h("div", { class: "row" },
        h("button", { type: "button", class: "plain", onclick: () => mark(true) }, "All"),
        h("button", { type: "button", class: "plain", onclick: () => mark(false) }, "None"),
        h("button", { type: "button", class: "plain", onclick: () => this.#close(null) }, "The usual ones")),
      h("fieldset", {}, h("legend", { class: "unseen" }, "Columns"), this.#boxes.map(({ element }) => element), nothing),
      h("button", { type: "submit" }, "Apply"));
    find.focus();
  }

  #apply(event) {
    event.preventDefault();
    this.#close(this.#boxes.filter(({ box }) => box.checked).map(({ field }) => field));
  }

  #close(columns) {
    this.#menu.open = false;
    this.#menu.querySelector("summary").focus();
    this.onchoose(columns);
  }
}

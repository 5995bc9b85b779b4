// The table of records. Its heading and its keys stay in view, and of many columns only those in view
// are built.

import { h, keepingFocus, put } from "./dom.js";
import { isUuid } from "./format.js";
import { toRecord } from "./route.js";
import { cell, fieldOf } from "./value.js";

/** The number of columns from which on only those in view are built, and the width of each then. */
const MANY = 16;
const WIDTH = 176;

/** The largest width of the column of keys then, and about that of a character. */
const KEYS = 224;
const CHARACTER = 9;

/** How many columns are built beside those in view. */
const BESIDE = 3;

/** The records of a skeleton. */
const BONES = 12;

export class RecordTable {
  #box;
  #shown = null;
  /** The first and the last column that are built, if there are many. */
  #from = 0;
  #to = 0;

  constructor(sheet, onsort) {
    this.sheet = sheet;
    this.onsort = onsort;
    // A box that scrolls must be reachable by keyboard.
    this.#box = h("div", { class: "sheet-scroll", role: "region", "aria-label": `Records of ${sheet}`, tabindex: "0", onscroll: () => this.#scrolled() });
    this.element = h("div", { class: "sheet-frame" }, this.#box);
    new ResizeObserver(() => this.#scrolled()).observe(this.#box);
    this.#skeleton();
  }

  /** Marks what is shown as out of date. */
  wait() {
    this.#box.setAttribute("aria-busy", "true");
  }

  /** Shows these records, or `instead` of them. */
  show(shown, instead = null) {
    this.#shown = shown;
    this.#box.setAttribute("aria-busy", "false");
    this.element.classList.toggle("bare", Boolean(instead));
    if (instead) put(this.#box, instead);
    else this.#build();
    this.#scrolled();
  }

  toTop() {
    this.#box.scrollTop = 0;
  }

  #skeleton() {
    this.#box.setAttribute("aria-busy", "true");
    const bone = (row, column) => h("td", {}, h("div", { class: `bone w${[60, 90, 75, 45, 85][(row * 3 + column * 2) % 5]}` }));
    const rows = Array.from({ length: BONES }, (_, row) => h("tr", {}, [0, 1, 2, 3].map((column) => bone(row, column))));
    put(this.#box, h("table", { class: "records skeleton", "aria-hidden": "true" }, h("tbody", {}, rows)));
  }

  #build() {
    const { columns, items } = this.#shown;
    const isMany = columns.length > MANY;
    [this.#from, this.#to] = isMany ? this.#window() : [0, columns.length];
    const built = columns.slice(this.#from, this.#to);
    const [before, after] = [this.#from, columns.length - this.#to];
    // What is left out has its width, so that the rest stays where it is.
    const space = (count, tag) => count > 0 && wide(h(tag, { class: "space", "aria-hidden": "true" }), count * WIDTH);
    const index = (at) => (isMany ? at + 2 : null);
    const row = ({ key, value }) => h("tr", { class: this.#shown.fresh.has(key) ? "fresh" : null },
      h("th", { scope: "row", "aria-colindex": index(-1) }, h("a", { href: toRecord(this.sheet, key) }, shortKey(key))),
      space(before, "td"),
      built.map((field, at) => h("td", { class: kindOf(fieldOf(value, field)), "aria-colindex": index(this.#from + at) }, cell(fieldOf(value, field)))),
      space(after, "td"));
    const heading = (field, at) => {
      const element = this.#heading(field, index(this.#from + at));
      return isMany ? wide(element, WIDTH) : element;
    };
    const key = h("th", { scope: "col", "aria-colindex": index(-1) }, "key");
    const table = h("table", { class: isMany ? "records many" : "records", "aria-colcount": isMany ? columns.length + 1 : null },
      h("caption", { class: "unseen" }, `Records of ${this.sheet}`),
      h("thead", {}, h("tr", {}, isMany ? wide(key, keyWidth(items)) : key, space(before, "td"), built.map(heading), space(after, "td"))),
      h("tbody", {}, items.map(row)));
    put(this.#box, table);
  }

  /** Returns a heading that sorts by its column: ascending, descending, and unsorted. */
  #heading(field, index) {
    const { sort, fields } = this.#shown;
    const order = sort === field ? "ascending" : sort === `-${field}` ? "descending" : null;
    const next = { ascending: `-${field}`, descending: null }[order ?? ""];
    const text = [dotted(field), h("span", { class: "order", "aria-hidden": "true" }, { ascending: " ↑", descending: " ↓" }[order] ?? "")];
    const sorted = () => this.onsort(next === undefined ? field : next);
    const kind = fields.typeOf(field) === "number" && !fields.isList(field) ? "right" : null;
    return h("th", { scope: "col", class: kind, "aria-sort": order, "aria-colindex": index }, fields.has(field) ? h("button", { type: "button", id: `sort-${field}`, onclick: sorted }, text) : text);
  }

  /** Returns the first column to build, and the one behind the last. */
  #window() {
    const { columns } = this.#shown;
    const first = Math.floor(this.#box.scrollLeft / WIDTH) - BESIDE;
    const last = Math.ceil((this.#box.scrollLeft + this.#box.clientWidth) / WIDTH) + BESIDE;
    const from = Math.min(Math.max(0, first), columns.length - 1);
    return [from, Math.min(columns.length, Math.max(last, from + 1))];
  }

  #scrolled() {
    const { scrollLeft, scrollTop, scrollWidth, scrollHeight, clientWidth, clientHeight } = this.#box;
    const { classList } = this.element;
    classList.toggle("past-left", scrollLeft > 0);
    classList.toggle("past-top", scrollTop > 0);
    classList.toggle("more-right", scrollLeft + clientWidth < scrollWidth - 1);
    classList.toggle("more-below", scrollTop + clientHeight < scrollHeight - 1);
    if (!this.#shown || this.#shown.columns.length <= MANY || this.element.classList.contains("bare")) return;
    const [from, to] = this.#window();
    const isBuilt = Math.max(0, from + BESIDE - 1) >= this.#from && Math.min(this.#shown.columns.length, to - BESIDE + 1) <= this.#to;
    if (!isBuilt) keepingFocus(() => this.#build());
  }
}

function wide(element, pixels) {
  element.style.width = `${pixels}px`;
  return element;
}

/** Returns the width of the column of keys, if it cannot depend on all that the table has. */
function keyWidth(items) {
  const longest = items.reduce((most, { key }) => Math.max(most, key.length), 4);
  return Math.min(KEYS, 32 + longest * CHARACTER);
}

/** Lets a long name break at its dots. */
const dotted = (field) => field.split(".").flatMap((part, at) => (at === 0 ? [part] : [h("wbr", {}), `.${part}`]));

const kindOf = (value) => (typeof value === "number" ? "right" : typeof value === "string" && value.length > 40 ? "wide" : null);

/** Shortens each UUID in a key to its last digits. */
function shortKey(key) {
  const segments = key.split("/").map((segment) => (isUuid(segment) ? `…${segment.slice(-8)}` : segment));
  return h("span", { title: key }, segments.join("/"));
}

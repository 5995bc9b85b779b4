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
const BESIDE = 2;

/** The records of a skeleton. */
const BONES = 12;

export class RecordTable {
  #box;
  #edges = Object.fromEntries(["left", "right", "top", "bottom"].map((side) => [side, h("div", { class: `edge ${side}`, "aria-hidden": "true" })]));
  #shown = null;
  /** The first column that is built, and the one behind the last, if there are many. */
  #from = 0;
  #to = 0;

  constructor(sheet, onsort) {
    this.sheet = sheet;
    this.onsort = onsort;
    // A box that scrolls must be reachable by keyboard.
    this.#box = h("div", { class: "sheet-scroll", role: "region", "aria-label": `Records of ${sheet}`, tabindex: "0", onscroll: () => this.#scrolled() });
    this.element = h("div", { class: "sheet-frame" }, this.#box, Object.values(this.#edges));
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

  get #isMany() {
    return this.#shown?.columns.length > MANY && !this.element.classList.contains("bare");
  }

  #build() {
    const { columns, items, fresh } = this.#shown;
    const isMany = this.#isMany;
    [this.#from, this.#to] = isMany ? this.#window() : [0, columns.length];
    const numbers = columns.slice(this.#from, this.#to).map((_, at) => this.#from + at);
    // What is left out has its width, so that the rest stays where it is.
    const spaced = (cells, tag) => (isMany ? [this.#space(tag, this.#from), cells, this.#space(tag, columns.length - this.#to)] : cells);
    const key = h("th", { scope: "col", "aria-colindex": isMany && 1 }, "key");
    const row = (item) => h("tr", { class: fresh.has(item.key) ? "fresh" : null },
      h("th", { scope: "row", "aria-colindex": isMany && 1 }, h("a", { href: toRecord(this.sheet, item.key) }, shortKey(item.key))),
      spaced(numbers.map((number) => this.#cell(item, number)), "td"));
    const table = h("table", { class: isMany ? "records many" : "records", "aria-colcount": isMany && columns.length + 1 },
      h("caption", { class: "unseen" }, `Records of ${this.sheet}`),
      h("thead", {}, h("tr", {}, isMany ? wide(key, keyWidth(items)) : key, spaced(numbers.map((number) => this.#heading(number)), "td"))),
      h("tbody", {}, items.map(row)));
    put(this.#box, table);
  }

  /** Takes away the columns that left the view, and adds those that came into it. */
  #slide() {
    const [from, to] = this.#window();
    if (from >= this.#to || to <= this.#from) return keepingFocus(() => this.#build());
    const { columns, items } = this.#shown;
    const [head, ...rows] = this.#box.querySelectorAll("tr");
    [head, ...rows].forEach((row, place) => {
      const cellOf = (at) => (row === head ? this.#heading(at) : this.#cell(items[place - 1], at));
      const [before, after] = [row.children[1], row.lastElementChild];
      for (let at = this.#from; at < from; at += 1) before.nextElementSibling.remove();
      for (let at = this.#to; at > to; at -= 1) after.previousElementSibling.remove();
      for (let at = this.#from - 1; at >= from; at -= 1) before.after(cellOf(at));
      for (let at = this.#to; at < to; at += 1) after.before(cellOf(at));
      wide(before, from * WIDTH);
      wide(after, (columns.length - to) * WIDTH);
    });
    [this.#from, this.#to] = [from, to];
  }

  #space(tag, count) {
    return wide(h(tag, { class: "space", "aria-hidden": "true" }), count * WIDTH);
  }

  #cell({ value }, number) {
    const held = fieldOf(value, this.#shown.columns[number]);
    return h("td", { class: kindOf(held), "aria-colindex": this.#isMany && number + 2 }, cell(held));
  }

  /** Returns a heading that sorts by its column: ascending, descending, and unsorted. */
  #heading(number) {
    const { sort, fields, columns } = this.#shown;
    const field = columns[number];
    const order = sort === field ? "ascending" : sort === `-${field}` ? "descending" : null;
    const next = { ascending: `-${field}`, descending: null }[order ?? ""];
    const text = [dotted(field), h("span", { class: "order", "aria-hidden": "true" }, { ascending: " ↑", descending: " ↓" }[order] ?? "")];
    const sorted = () => this.onsort(next === undefined ? field : next);
    const kind = fields.typeOf(field) === "number" && !fields.isList(field) ? "right" : null;
    const element = h("th", { scope: "col", class: kind, "aria-sort": order, "aria-colindex": this.#isMany && number + 2 },
      fields.has(field) ? h("button", { type: "button", id: `sort-${field}`, onclick: sorted }, text) : text);
    return this.#isMany ? wide(element, WIDTH) : element;
  }

  /** Returns the first column in view, and the one behind the last, with some on each side. */
  #window(beside = BESIDE) {
    const { columns } = this.#shown;
    const first = Math.floor(this.#box.scrollLeft / WIDTH) - beside;
    const last = Math.ceil((this.#box.scrollLeft + this.#box.clientWidth) / WIDTH) + beside;
    const from = Math.min(Math.max(0, first), columns.length - 1);
    return [from, Math.min(columns.length, Math.max(last, from + 1))];
  }

  #scrolled() {
    const { scrollLeft, scrollTop, scrollWidth, scrollHeight, clientWidth, clientHeight } = this.#box;
    const corner = this.#box.querySelector("thead th");
    const { left, right, top, bottom } = this.#edges;
    left.hidden = scrollLeft <= 0;
    top.hidden = scrollTop <= 0;
    right.hidden = scrollLeft + clientWidth >= scrollWidth - 1;
    bottom.hidden = scrollTop + clientHeight >= scrollHeight - 1;
    if (corner) {
      left.style.left = `${corner.offsetWidth}px`;
      top.style.top = `${corner.offsetHeight}px`;
    }
    if (!this.#isMany) return;
    const [from, to] = this.#window(BESIDE - 1);
    if (from < this.#from || to > this.#to) this.#slide();
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

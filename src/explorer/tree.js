// A value as a tree: its fields, with those parts folded that would make the page too tall.

import { columnsOf, leftOut, valueAt, CELL } from "./elements.js";
import { elementsShown, entriesShown, firstView, isFlat, isFoldable, isLong, isNested, isTable, pointerTo, ROWS } from "./folding.js";
import { h, put, scrolling } from "./dom.js";
import { number } from "./format.js";
import { longText } from "./text.js";
import { cell, gist, inOrder, kindOf, KINDS, scalar } from "./value.js";

/** The width of a character and of a page with names beside their values, in pixels. */
const CHARACTER = 7.6;
const WIDE = 768;

/** How many screens a value may be tall at first. */
const SCREENS = 2.2;

/** The room for a part that somebody unfolds, in pixels. */
const PART = 420;

/** The most entries that are unfolded at once. */
const MOST = 4_000;

/** What a value is shown with, if nothing is known about it. */
const PLAIN = { fresh: new Set(), referred: () => null, attachment: () => null, isMarkdown: false };

/** Returns an element with a value; of a large one, only its beginning is unfolded. */
export const shownValue = (value) => new ValueTree(value).element;

/** The number of trees so far. */
let trees = 0;

export class ValueTree {
  /** Sets the ids of its parts apart from those of other trees. */
  #id = `tree-${(trees += 1)}`;
  element = h("div", { class: "tree", onkeydown: (event) => moved(event) });
  #value;
  #settings;
  #room;
  /** The pointers of the parts that are unfolded, and of those whose entries are all shown. */
  #open;
  #whole = new Set();
  #lines;

  /**
   * `fresh` are the pointers of what to mark as new; `referred` returns a link for the value of a
   * field, or null; `attachment` returns the address of a file beside the record.
   */
  constructor(value, settings = {}) {
    this.#value = value;
    this.#settings = { ...PLAIN, ...settings };
    this.#room = roomOf(window.innerHeight * SCREENS);
    ({ open: this.#open, lines: this.#lines } = firstView(value, this.#room));
    this.#render();
  }

  /** Shows another value, and leaves unfolded what is unfolded. */
  replace(value, settings) {
    this.#value = value;
    this.#settings = { ...this.#settings, ...settings };
    this.#render();
  }

  /** Unfolds all parts, the less deep ones first. Returns whether there was room for all of them. */
  expandAll() {
    let left = MOST;
    const waiting = [{ pointer: "", part: this.#value }];
    for (const { pointer, part } of waiting) {
      const entries = Object.entries(part);
      const isWhole = entries.length <= left;
      if (isWhole) this.#whole.add(pointer);
      this.#open.add(pointer);
      const shown = isWhole ? entries : entries.slice(0, ROWS);
      left -= shown.length;
      if (left < 0) break;
      for (const [name, inner] of shown) if (isNested(inner)) waiting.push({ pointer: pointerTo(pointer, name), part: inner });
    }
    this.#render();
    return waiting.every(({ pointer }) => this.#whole.has(pointer));
  }

  collapseAll() {
    this.#open = new Set([""]);
    this.#whole.clear();
    this.#render();
  }

  #render() {
    const place = { pointer: "", path: [], depth: 0 };
    put(this.element, isNested(this.#value) ? this.#parts(this.#value, place) : this.#leaf(this.#value, place));
  }

  /** Shows the parts of a value, unfolded. */
  #parts(value, place) {
    if (!Array.isArray(value)) return this.#entries(value, place, inOrder(Object.keys(value)), true);
    if (isFlat(value)) return this.#flat(value, place);
    return isTable(value) ? this.#table(value, place) : this.#entries(value, place, Object.keys(value), false);
  }

  #entries(value, place, names, isObject) {
    if (names.length === 0) return h("span", { class: "soft" }, isObject ? "an object without fields" : "an empty list");
    const isWhole = this.#whole.has(place.pointer);
    const shown = isWhole ? names.length : entriesShown(names.map((name) => value[name]), { ...this.#room, beside: this.#room.beside && place.depth < 2 }, this.#lines);
    const entry = (name) => this.#entry(isObject ? name : String(Number(name) + 1), value[name], {
      pointer: pointerTo(place.pointer, name), path: isObject ? [...place.path, name] : place.path, depth: place.depth + 1,
    });
    const list = h("dl", { class: place.depth < 2 ? "value" : "value deep" }, names.slice(0, shown).map(entry));
    const more = shown < names.length && this.#more(names.length - shown, isObject ? "field" : "element", place, () => list.append(...names.slice(shown).map(entry)));
    return [list, more];
  }

  #entry(name, value, place) {
    const kind = this.#kindOf(value, place);
    const mark = h("span", { class: "mark-kind", "data-kind": kind, title: KINDS[kind], "aria-hidden": "true" });
    const body = h("dd", {});
    const row = h("div", { class: "entry" });
    const label = [mark, h("span", { class: "name" }, name)];
    row.classList.toggle("fresh", this.#settings.fresh.has(place.pointer));
    if (isFoldable(value)) return put(row, h("dt", {}, this.#fold(row, body, value, place, label)), body);
    put(body, isNested(value) ? this.#parts(value, place) : this.#leaf(value, place));
    return put(row, h("dt", {}, label), body);
  }

  #kindOf(value, place) {
    if (Array.isArray(value) && isTable(value)) return "table";
    return !isNested(value) && this.#settings.referred(place.path, value) ? "reference" : kindOf(value);
  }

  /** Returns the button that folds and unfolds a part, whose place is `body`. */
  #fold(row, body, value, place, label) {
    body.id = this.#id + place.pointer;
    body.classList.add("part");
    const button = h("button", { type: "button", class: "fold", "aria-controls": body.id }, label);
    const show = () => {
      const isOpen = this.#open.has(place.pointer);
      button.setAttribute("aria-expanded", String(isOpen));
      row.classList.toggle("unfolded", isOpen);
      put(body, isOpen ? this.#parts(value, place) : h("span", { class: "gist" }, gist(value)));
    };
    button.addEventListener("click", () => {
      this.#toggle(value, place.pointer);
      show();
    });
    show();
    return button;
  }

  /** Folds or unfolds a part. What is inside of it is unfolded too, as far as there is room. */
  #toggle(value, pointer) {
    if (this.#open.delete(pointer)) return;
    for (const inner of firstView(value, roomOf(PART)).open) this.#open.add(pointer + inner);
  }

  /** Returns the button that shows what is left of a list or an object. */
  #more(count, one, place, show) {
    const told = `${number(count)} more ${one}${count === 1 ? "" : "s"}`;
    const button = h("button", { type: "button", class: "more", "aria-label": `Show ${told}` }, told);
    button.addEventListener("click", () => {
      this.#whole.add(place.pointer);
      const [first] = [show()].flat();
      button.remove();
      first?.querySelector?.("a, button")?.focus();
    });
    return button;
  }

  #flat(list, place) {
    if (list.length === 0) return h("span", { class: "soft" }, "an empty list");
    const shown = this.#whole.has(place.pointer) ? list.length : elementsShown(list, this.#room.columns);
    const item = (element, index) => h("li", {}, this.#leaf(element, { ...place, pointer: pointerTo(place.pointer, index) }));
    const items = h("ul", { class: "flat" }, list.slice(0, shown).map(item));
    return [items, shown < list.length && this.#more(list.length - shown, "element", place, () => items.append(...list.slice(shown).map(item)))];
  }

  #table(list, place) {
    const columns = columnsOf(list);
    const shown = this.#whole.has(place.pointer) ? list.length : list.length <= ROWS + 1 ? list.length : ROWS;
    const isNumeric = (path) => typeof valueAt(list.find((element) => valueAt(element, path) !== undefined), path) === "number";
    const heading = (path) => h("th", { scope: "col", class: isNumeric(path) ? "right" : null }, path.slice(0, -1).map((name) => h("span", { class: "soft" }, `${name}.`)), path.at(-1));
    const rows = (from, to) => list.slice(from, to).flatMap((element, index) => this.#row(element, from + index, columns, place));
    const body = h("tbody", {}, rows(0, shown));
    const table = h("table", { class: "elements" },
      h("thead", {}, h("tr", {}, h("th", { scope: "col" }, h("span", { class: "unseen" }, "Number")), columns.map(heading))), body);
    const label = place.path.length > 0 ? `The elements of ${place.path.join(".")}` : "The elements";
    return [scrolling(label, table), shown < list.length && this.#more(list.length - shown, "element", place, () => body.append(...rows(shown, list.length)))];
  }

  /** Returns the row of an element, and below it the place for what the row does not show. */
  #row(element, index, columns, above) {
    const place = { pointer: pointerTo(above.pointer, index), path: above.path, depth: Math.max(2, above.depth + 1) };
    const name = number(index + 1);
    const isFresh = this.#settings.fresh.has(place.pointer);
    const cells = columns.map((path) => {
      const value = valueAt(element, path);
      return h("td", { class: typeof value === "number" ? "right" : null }, this.#cell(value, { ...place, path: [...place.path, ...path] }));
    });
    const rest = inOrder(leftOut(element, columns));
    if (rest.length === 0) return [h("tr", { class: isFresh ? "fresh" : null }, h("th", { scope: "row" }, name), cells)];
    const inner = h("div", { class: "part", id: this.#id + place.pointer });
    const row = h("tr", { class: "unfolded", hidden: true }, h("td", { colspan: columns.length + 1 }, inner));
    const button = h("button", { type: "button", class: "fold", "aria-label": `Element ${name}`, "aria-controls": inner.id }, name);
    const show = () => {
      const isOpen = this.#open.has(place.pointer);
      button.setAttribute("aria-expanded", String(isOpen));
      row.hidden = !isOpen;
      put(inner, isOpen && this.#entries(element, place, rest, true));
    };
    button.addEventListener("click", () => {
      this.#toggle(element, place.pointer);
      show();
    });
    show();
    return [h("tr", { class: isFresh ? "fresh" : null }, h("th", { scope: "row" }, button), cells), row];
  }

  #cell(value, place) {
    const link = !isNested(value) && value !== undefined && this.#settings.referred(place.path, value);
    if (link) return link;
    if (Array.isArray(value) && value.length > 0 && (!isFlat(value) || value.join(", ").length > CELL)) return h("span", { class: "gist" }, gist(value));
    return value === undefined ? "" : kindOf(value) === "link" ? scalar(value) : cell(value);
  }

  #leaf(value, place) {
    const link = this.#settings.referred(place.path, value);
    if (link) return link;
    if (!isLong(value) || kindOf(value) === "link") return scalar(value);
    return longText(value, { lines: this.#lines, attachment: this.#settings.attachment, isMarkdown: this.#settings.isMarkdown && place.depth === 1 });
  }
}

/** Returns the room on this page for a value that may be so tall. */
function roomOf(height) {
  const beside = window.innerWidth > WIDE;
  return { height, beside, columns: Math.max(20, Math.min(78, Math.floor((window.innerWidth - 40) / CHARACTER / (beside ? 2.6 : 1)))) };
}

/** Moves between the folded and unfolded parts by arrow keys, as in any tree. */
function moved(event) {
  const tree = event.currentTarget;
  if (!event.target.matches(".fold") || event.altKey || event.ctrlKey || event.metaKey) return;
  const all = [...tree.querySelectorAll(".fold")].filter((button) => button.offsetParent !== null);
  const at = all.indexOf(event.target);
  const isOpen = event.target.getAttribute("aria-expanded") === "true";
  const inside = (button) => button && document.getElementById(event.target.getAttribute("aria-controls")).contains(button);
  const next = {
    ArrowDown: () => all[at + 1],
    ArrowUp: () => all[at - 1],
    Home: () => all[0],
    End: () => all.at(-1),
    ArrowRight: () => (isOpen ? inside(all[at + 1]) && all[at + 1] : event.target.click()),
    ArrowLeft: () => (isOpen ? event.target.click() : parentOf(event.target, tree)),
  }[event.key];
  if (!next) return;
  event.preventDefault();
  (next() || null)?.focus();
}

/** Returns the button that folds the part in which another button is. */
function parentOf(button, tree) {
  const place = button.closest("dt")?.parentElement ?? button.closest("tr");
  const body = place.parentElement.closest(".part");
  return body && tree.contains(body) ? tree.querySelector(`[aria-controls="${CSS.escape(body.id)}"]`) : null;
}

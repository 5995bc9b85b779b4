// What is told of each field of a sheet: its type, how many records have it, its distinct values, the
// smallest, the largest and the most frequent ones, and whether it has an index. What records must be
// counted for is asked once its row comes into view.

import { statistics } from "./counts.js";
import { filterOf } from "./facets.js";
import { h, put, scrolling } from "./dom.js";
import { number, plural } from "./format.js";
import { toSheet } from "./route.js";
import { cell } from "./value.js";

/** How many fields are asked for at once. */
const TOGETHER = 3;

/** How many rows are added when the end of the table comes into view. */
const ADDED = 30;

const TYPES = { boolean: "yes or no", number: "number", text: "text", date: "date", table: "object" };

export class FieldStatistics {
  element = h("div", {});
  #of;
  #signal;
  #rows = new Map();
  #waiting = [];
  #running = 0;

  /** `of` is what is told of: `{ sheet, fields, at, commit }`. */
  constructor(of, signal) {
    const { sheet, fields } = of;
    this.#of = of;
    this.#signal = signal;
    const seen = new IntersectionObserver((entries) => this.#seen(entries, seen), { rootMargin: "200px" });
    signal.addEventListener("abort", () => seen.disconnect());
    const names = [...fields.indexed.filter((field) => fields.has(field)), ...fields.names.filter((field) => !fields.hasIndex(field))];
    const nothing = h("p", { class: "soft", hidden: true }, "No field has this name.");
    const find = h("input", { type: "search", id: "field-find", autocomplete: "off", spellcheck: "false", placeholder: "Part of a name" });
    const body = h("tbody", {});
    const more = new IntersectionObserver(([{ isIntersecting }]) => isIntersecting && add(), { rootMargin: "400px" });
    signal.addEventListener("abort", () => more.disconnect());
    const foot = h("div", {});
    let listed = [];
    const add = () => {
      const added = listed.splice(0, ADDED).map((field) => this.#rows.get(field) ?? this.#row(field));
      body.append(...added);
      added.forEach((row) => seen.observe(row));
      if (listed.length === 0) return more.unobserve(foot);
      // The observer tells again only of a foot that is new to it.
      more.unobserve(foot);
      more.observe(foot);
    };
    const list = () => {
      const text = find.value.trim().toLowerCase();
      listed = names.filter((field) => field.toLowerCase().includes(text));
      nothing.hidden = listed.length > 0;
      put(body);
      add();
    };
    find.addEventListener("input", list);
    const head = (name) => h("th", { scope: "col" }, name);
    const table = h("table", { class: "field-table" }, h("caption", { class: "unseen" }, `Fields of ${sheet}`),
      h("thead", {}, h("tr", {}, ["Field", "Type", "Records that have it", "Distinct", "Smallest", "Largest", "Most frequent"].map(head))),
      body);
    put(this.element,
      h("div", { class: "tools" }, h("div", { class: "tool grow" }, h("label", { for: "field-find" }, "Find a field"), find)),
      h("p", { class: "soft field-note" }, `${plural(names.length, "field")} of the whole sheet, without the filters.`),
      scrolling(`Fields of ${sheet}`, table), nothing, foot);
    list();
  }

  #row(field) {
    const { records, types, list } = this.#of.fields.of(field);
    const type = types.map((name) => TYPES[name]).join(" or ") || "empty";
    const share = this.#of.fields.records > 0 ? records / this.#of.fields.records : 0;
    const percent = share > 0.99 && share < 1 ? "99" : share < 0.01 && share > 0 ? "< 1" : Math.round(share * 100);
    const row = h("tr", {},
      h("th", { scope: "row" }, h("span", { class: "field-name" }, field), this.#of.fields.hasIndex(field) && [" ", h("span", { class: "chip" }, "index")]),
      h("td", {}, list ? `list of ${type}` : type),
      h("td", { class: "share" }, h("span", {}, `${number(records)} (${percent} %)`), h("meter", { "aria-hidden": "true", min: 0, max: 1, value: share })),
      types.length === 1 && types[0] === "table" ? h("td", { colspan: 4, class: "soft" }, "See its parts, which have its name and a dot.")
        : [0, 1, 2, 3].map((at) => h("td", { class: at === 0 ? "right" : null }, h("div", { class: `bone w${[45, 75, 60, 90][at]}`, "aria-hidden": "true" }))));
    row.dataset.field = field;
    this.#rows.set(field, row);
    return row;
  }

  #seen(entries, observer) {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting) continue;
      observer.unobserve(target);
      if (target.querySelector(".bone")) this.#waiting.push(target.dataset.field);
    }
    while (this.#running < TOGETHER && this.#waiting.length > 0) this.#ask();
  }

  async #ask() {
    this.#running += 1;
    while (this.#waiting.length > 0 && !this.#signal.aborted) {
      const field = this.#waiting.shift();
      try {
        const { min, max, distinct, values } = await statistics(this.#of, field, this.#signal);
        this.#tell(field, [number(distinct), cell(min ?? undefined), cell(max ?? undefined), this.#values(field, values)]);
      } catch (error) {
        if (error.name === "AbortError") return;
        const why = error.code === "too_costly" ? "Not counted: the field has no index, and there are too many records." : `${error.message}.`;
        this.#tell(field, null, why);
      }
    }
    this.#running -= 1;
  }

  #values(field, values) {
    if (values.every(({ count }) => count === 1)) return values.length === 0 ? "–" : h("span", { class: "soft" }, "each value once");
    return h("ul", { class: "flat" }, values.filter(({ value }) => typeof value !== "object").map((entry) =>
      h("li", {}, h("a", { href: toSheet(this.#of.sheet, [filterOf(field, [String(entry.value)])]) }, cell(entry.value)), ` ${number(entry.count)}`)));
  }

  #tell(field, values, why) {
    const cells = [...this.#rows.get(field).children].slice(3);
    if (values) return cells.forEach((place, at) => put(place, values[at]));
    cells.slice(1).forEach((place) => place.remove());
    cells[0].colSpan = 4;
    cells[0].className = "soft";
    put(cells[0], why);
  }
}

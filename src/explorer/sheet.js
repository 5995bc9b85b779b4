// The records of a sheet: searched while the user types, filtered, counted, sorted, and paged by
// cursor.

import { address, read, sentence } from "./api.js";
import { announce, h, keepingFocus, put } from "./dom.js";
import { answerLink } from "./download.js";
import { count, countable, countForm, facets } from "./facets.js";
import { chips, expressionForm, filterForm } from "./filters.js";
import { corrections, plural, short } from "./format.js";
import { live } from "./live.js";
import { sheetActions } from "./record_actions.js";
import { replace, toSheet } from "./route.js";
import { columnChoice, columnsOf, recordTable } from "./table.js";

/** The number of records on a page. */
const PAGE = 50;

/** How long typing must pause, and changes must settle, before the list is read. */
const PAUSE = 180;

/** The parameters that are not filters. */
const OTHERS = ["q", "sort", "fields", "cursor", "count"];

/** How long a changed row is marked. */
const FRESH = 4_000;

export async function show({ element, route, signal }) {
  const page = new SheetPage(route, signal);
  put(element, page.parts());
  await page.begin();
  live.on("changes", signal, (changes) => page.changed(changes));
  return (next) => page.update(next);
}

class SheetPage {
  #lead = h("p", { class: "lead" });
  #chips = h("div", {});
  #columns = h("div", { class: "tool" });
  #expression = h("div", { class: "tool" });
  #counting = h("div", { class: "tool" });
  #facets = h("div", { class: "facets" });
  #table = h("div", {});
  #pager = h("nav", { class: "pager", "aria-label": "Pages" });
  #input;
  #asked = new AbortController();
  #pause = 0;
  /** The cursors of the pages before this one. */
  #trail = [];
  #counted = {};
  #fresh = new Set();
  #result = null;

  constructor({ rest, params }, signal) {
    [this.name] = rest;
    this.params = params;
    this.signal = signal;
    signal.addEventListener("abort", () => {
      this.#asked.abort();
      clearTimeout(this.#pause);
    });
    this.#input = h("input", {
      type: "search", id: "sheet-text", autocomplete: "off", spellcheck: "false", placeholder: "Words, “a phrase”, pre*",
      oninput: () => this.#soon(() => this.#go({ q: this.#input.value.trim() || null })),
    });
    this.#input.value = params.get("q") ?? "";
  }

  /** The fields that the list may be filtered and sorted by. */
  get #fields() {
    return live.sheets.find(({ name }) => name === this.name)?.fields ?? [];
  }

  /** The fields with an index that are counted. */
  get #countable() {
    return countable(live.sheets.find(({ name }) => name === this.name)?.indexed ?? []);
  }

  /** The fields that are counted on request. */
  get #askedFor() {
    return this.params.getAll("count").filter((field) => this.#fields.includes(field));
  }

  parts() {
    const form = filterForm(this.#fields, (filter, value) => this.#go({}, [[filter, value]]));
    return [
      h("header", { class: "head" }, h("p", { class: "over" }, "Sheet"), h("h1", { tabindex: "-1" }, this.name), this.#lead, sheetActions(this.name, this.signal, () => this.params)),
      h("div", { class: "tools" },
        h("form", { class: "tool grow", role: "search", "aria-label": `Search in ${this.name}`, onsubmit: (event) => event.preventDefault() },
          h("label", { for: "sheet-text" }, "Search"), this.#input),
        form, this.#expression, this.#counting, this.#columns),
      this.#chips,
      h("div", { class: "with-facets" }, this.#facets, h("div", { class: "listed" }, this.#table, this.#pager)),
    ];
  }

  async begin() {
    await this.#read();
  }

  async update({ params }) {
    this.params = params;
    if (document.activeElement !== this.#input) this.#input.value = params.get("q") ?? "";
    await this.#read();
  }

  #soon(work) {
    clearTimeout(this.#pause);
    this.#pause = setTimeout(work, PAUSE);
  }

  #filters() {
    return [...this.params].filter(([name]) => !OTHERS.includes(name));
  }

  /** Navigates to the list with other parameters, from its first page. */
  #go(changed, added = [], removed = []) {
    const isRemoved = ([name, value]) => removed.some(([other, text]) => name === other && value === text);
    const params = [...this.params].filter(([name, value]) => name !== "cursor" && !(name in changed) && !isRemoved([name, value]));
    const given = Object.entries(changed).filter(([, value]) => value !== null);
    this.#trail = [];
    replace(toSheet(this.name, [...params, ...given, ...added]));
  }

  async #read() {
    this.#asked.abort();
    this.#asked = new AbortController();
    const params = new URLSearchParams(this.params);
    params.set("limit", PAGE);
    // Columns are chosen among all fields, so all are read.
    params.delete("fields");
    params.delete("count");
    try {
      this.#result = await read([this.name], params, this.#asked.signal);
      keepingFocus(() => this.#render());
      // The rows do not wait for the counts.
      this.#count(this.#asked.signal);
    } catch (error) {
      if (error.name === "AbortError") return;
      const isExpired = error.code === "cursor_expired";
      put(this.#lead, error.status === 404 ? "No such public sheet." : sentence(error, "lists"), " ",
        (isExpired || error.status === 422) && h("a", { href: toSheet(this.name) }, "Show the whole sheet"));
      this.#showChips();
      put(this.#table);
      put(this.#pager);
    }
  }

  #render() {
    const { body, commit } = this.#result;
    const { items, total, corrected } = body;
    const isFiltered = this.#filters().length > 0 || this.params.has("q");
    const told = `${plural(total, "record")}${isFiltered ? " match" + (total === 1 ? "es" : "") : ""}`;
    put(this.#lead, told, commit && [" at ", h("code", { title: commit }, short(commit))], ".", corrections(corrected));
    announce(told);
    this.#showChips();
    this.#showFacets();
    const columns = this.params.get("fields")?.split(",") ?? columnsOf(items, this.#fields, this.#countable);
    // A choice in progress is left alone.
    const isChoosing = this.#columns.firstChild?.open && this.#columns.contains(document.activeElement);
    if (!isChoosing) put(this.#columns, columnChoice(this.#fields, columns, (fields) => {
      this.#columns.firstChild.open = false;
      this.#columns.querySelector("summary").focus();
      this.#go({ fields: fields.join(",") || null });
    }));
    put(this.#table, items.length === 0 ? h("p", { class: "soft nothing" }, "No records match.")
      : recordTable({ sheet: this.name, items, columns, fields: this.#fields, sort: this.params.get("sort") ?? "", fresh: this.#fresh, onsort: (sort) => this.#go({ sort }) }));
    this.#showPager();
  }

  /** Counts the values of the fields with an index, and shows the counts once they arrive. */
  async #count(signal) {
    const params = [...this.params].filter(([name]) => !["cursor", "sort", "fields", "count"].includes(name));
    try {
      this.#counted = await count(this.name, params, [...this.#countable, ...this.#askedFor], signal);
      keepingFocus(() => this.#showFacets());
    } catch (error) {
      // A list without counts is still useful; errors of the query are shown above the rows.
      if (error.name !== "AbortError") this.#counted = {};
    }
  }

  #showFacets() {
    const isOpen = this.#facets.firstChild?.open ?? window.matchMedia("(min-width: 62rem)").matches;
    const choose = (names, filter) => {
      const removed = this.#filters().filter(([name]) => names.includes(name));
      this.#go({}, filter ? [filter] : [], removed);
    };
    const leave = (field) => this.#go({}, [], [["count", field]]);
    put(this.#facets, facets(this.#counted, this.#filters(), this.#askedFor, isOpen, choose, leave));
  }

  #showForms() {
    // A form that somebody fills in right now is left alone.
    const isUsed = (place) => place.contains(document.activeElement) && place.querySelector("details")?.open;
    if (!isUsed(this.#expression)) put(this.#expression, expressionForm(this.params.get("filter") ?? "", (filter) => this.#go({ filter })));
    const others = this.#fields.filter((field) => !this.#countable.includes(field) && !this.#askedFor.includes(field));
    if (!isUsed(this.#counting)) put(this.#counting, others.length > 0 && countForm(others, (field) => this.#go({}, [["count", field]])));
  }

  #showChips() {
    this.#showForms();
    put(this.#chips, chips(this.#filters(), (filter) => this.#go({}, [], [filter]), () => this.#go({}, [], this.#filters())));
  }

  #showPager() {
    const { next, total, items } = this.#result.body;
    const cursor = this.params.get("cursor");
    const to = (name, target, trail) => h("button", { type: "button", class: "quiet", onclick: () => this.#turn(target, trail) }, name);
    const first = this.#trail.length * PAGE + 1;
    const isKnown = !cursor || this.#trail.length > 0;
    const csv = `${this.name}.csv`;
    put(this.#pager,
      cursor && to("First page", null, []),
      this.#trail.length > 0 && to("Previous", this.#trail.at(-1), this.#trail.slice(0, -1)),
      (next || cursor) && items.length > 0 && h("span", { class: "soft" }, isKnown ? `${first} to ${first + items.length - 1} of ${total}` : `${items.length} of ${total}`),
      next && to("Next", next, [...this.#trail, cursor ?? null]),
      total > 0 && answerLink(this.#csv(), csv, "Download as CSV", { download: csv }));
  }

  /** Returns the address of the whole list as a table. */
  #csv() {
    const params = [...this.params].filter(([name]) => !["cursor", "count"].includes(name));
    return address([this.name], [...params, ["format", "csv"]]);
  }

  #turn(cursor, trail) {
    const params = [...this.params].filter(([name]) => name !== "cursor");
    this.#trail = trail;
    location.hash = toSheet(this.name, cursor ? [...params, ["cursor", cursor]] : params);
    document.querySelector("h1").focus();
  }

  /** Reads the first page again when the sheet changes; later pages keep their commit. */
  changed({ items }) {
    const ours = items?.filter(({ sheet }) => sheet === this.name);
    if (ours?.length === 0) return;
    if (this.params.has("cursor")) {
      put(this.#lead, "The sheet has changed; these pages show the commit at which you started. ", h("a", { href: toSheet(this.name, [...this.params].filter(([name]) => name !== "cursor")) }, "Start again"));
      return;
    }
    for (const { key } of ours ?? []) {
      this.#fresh.add(key);
      setTimeout(() => this.#fresh.delete(key), FRESH);
    }
    this.#soon(() => this.#read());
  }
}

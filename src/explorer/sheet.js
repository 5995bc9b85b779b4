// A sheet: its records, searched while the user types, filtered, counted, sorted, and paged by
// cursor; or what is known of its fields. All that is chosen is in the address.

import { ApiError, address, read, sentence } from "./api.js";
import { ColumnPicker, columnsOf } from "./columns.js";
import { counted, frequent, total } from "./counts.js";
import { announce, h, keepingFocus, put } from "./dom.js";
import { answerLink } from "./download.js";
import { elsewhereButton } from "./elsewhere.js";
import { ExpressionForm, flawOf, shownFlaw } from "./expression.js";
import { countForm, facets } from "./facets.js";
import { Fields, countedFields } from "./fields.js";
import { FilterForm, chips } from "./filters.js";
import { corrections, plural, short } from "./format.js";
import { live } from "./live.js";
import { sheetActions } from "./record_actions.js";
import { link, replace, toSheet } from "./route.js";
import { FieldStatistics } from "./statistics.js";
import { RecordTable } from "./table.js";

/** The number of records on a page. */
const PAGE = 50;

/** How long typing must pause, and changes must settle, before the list is read. */
const PAUSE = 180;

/** The parameters that the page keeps for itself: the fields to count, and the view. */
const OWN = ["_count", "_view"];

/** The parameters that are not filters. */
const OTHERS = ["q", "sort", "fields", "cursor", ...OWN];

/** The most fields that a list may name; of more columns all fields are read. */
const NAMED = 32;

/** How long a changed row is marked. */
const FRESH = 4_000;

export async function show({ element, route, signal }) {
  const page = new SheetPage(route, signal);
  put(element, page.parts());
  live.on("changes", signal, (changes) => page.changed(changes));
  // Another choice may be made before the records arrive.
  page.update(route);
  return (next) => page.update(next);
}

class SheetPage {
  #lead = h("p", { class: "lead" });
  #note = h("div", {});
  #views = h("nav", { class: "views", "aria-label": "Views of the sheet" });
  #chips = h("div", {});
  #facets = h("div", { class: "facets", onrest: () => keepingFocus(() => this.#showFacets()) });
  #pager = h("nav", { class: "pager", "aria-label": "Pages" });
  #input;
  #signal;
  #asked = new AbortController();
  #pause = 0;
  /** The cursors of the pages that were visited, from the first one. */
  #trail = [null];
  #counted = { shown: [], isWaiting: true };
  /** The facets that show all their values. */
  #unfolded = new Set();
  #fresh = new Set();
  #result = null;
  #statistics = null;

  constructor({ rest, params }, signal) {
    [this.name] = rest;
    this.params = params;
    this.fields = new Fields(this.#known());
    this.#signal = signal;
    signal.addEventListener("abort", () => {
      this.#asked.abort();
      clearTimeout(this.#pause);
    });
    this.#input = h("input", {
      type: "search", id: "sheet-text", autocomplete: "off", spellcheck: "false", placeholder: "Words, “a phrase”, pre*",
      oninput: () => this.#soon(() => this.#go({ q: this.#input.value.trim() || null }, { isTyped: true })),
    });
    const suggested = (field, beginning, signal) => frequent(this.name, field, beginning, signal);
    const tried = (filter, signal) => total(this.name, this.#given(["filter", ...OTHERS].filter((name) => name !== "q"), [filter]), signal);
    this.filter = new FilterForm(this.fields, { tried, suggested, onadd: (filter) => this.#go({}, { added: [filter] }) });
    this.expression = new ExpressionForm(this.fields, { tried: (text, signal) => tried(["filter", text], signal), suggested, onset: (filter) => this.#go({ filter }) });
    this.columns = new ColumnPicker(this.fields, (chosen) => this.#go({ fields: chosen?.join(",") || null }));
    this.table = new RecordTable(this.name, (sort) => this.#go({ sort }));
  }

  /** Returns what is known of the sheet. */
  #known() {
    return live.sheets.find(({ name }) => name === this.name);
  }

  /** Returns what is counted, at the commit that is shown. */
  #of(commit) {
    return { sheet: this.name, fields: this.fields, at: this.params.get("at"), commit };
  }

  parts() {
    const uncounted = () => this.fields.names.filter((field) => !this.fields.hasIndex(field) && !this.#askedFor.includes(field));
    this.records = h("div", {},
      h("div", { class: "tools" },
        h("form", { class: "tool grow", role: "search", "aria-label": `Search in ${this.name}`, onsubmit: (event) => event.preventDefault() },
          h("label", { for: "sheet-text" }, "Search"), this.#input),
        this.filter.element, this.expression.element, h("div", { class: "tool" }, countForm(uncounted, (field) => this.#go({}, { added: [["_count", field]] }))), this.columns.element),
      this.#chips,
      h("div", { class: "with-facets" }, this.#facets, h("div", { class: "listed" }, this.table.element, this.#pager)));
    this.about = h("div", { hidden: true });
    this.#showFacets();
    return [
      h("header", { class: "head" }, h("p", { class: "over" }, "Sheet"), h("h1", { tabindex: "-1" }, this.name), this.#lead,
        h("div", { class: "head-actions" }, sheetActions(this.name, this.#signal, () => this.#given(OWN)), elsewhereButton(() => this.#source())), this.#note),
      this.#views, this.records, this.about,
    ];
  }

  /** What the page shows, for use elsewhere. */
  #source() {
    const shown = [...this.params].filter(([name]) => !["cursor", ...OWN].includes(name));
    return {
      segments: [this.name], params: shown, name: this.name, commit: this.#result?.commit ?? null,
      page: (commit) => toSheet(this.name, [...shown.filter(([name]) => name !== "at"), ["at", commit]]),
    };
  }

  async update({ params }) {
    this.params = params;
    if (document.activeElement !== this.#input) this.#input.value = params.get("q") ?? "";
    const isAbout = params.get("_view") === "fields";
    this.#showNote();
    this.#showViews(isAbout);
    if (isAbout) return this.#showAbout();
    await this.#read();
  }

  /** Says that the sheet is shown as it was, and leads back. */
  #showNote() {
    const at = this.params.get("at");
    put(this.#note, at && h("div", { class: "banner warn note" },
      h("p", {}, h("strong", {}, "As it was"), " at ", h("code", { title: at }, /^[0-9a-f]{40}$/.test(at) ? short(at) : at), ". It does not follow what is pushed."),
      h("p", { class: "actions" }, h("a", { href: toSheet(this.name, this.#given(["at", "cursor"])) }, "Show the current version"))));
  }

  #soon(work) {
    clearTimeout(this.#pause);
    this.#pause = setTimeout(work, PAUSE);
  }

  #filters() {
    return [...this.params].filter(([name]) => !OTHERS.includes(name));
  }

  /** The fields that are counted on request. */
  get #askedFor() {
    return this.params.getAll("_count").filter((field) => this.fields.has(field));
  }

  /** Returns the parameters except those called `without`, and `added`. */
  #given(without, added = []) {
    return [...[...this.params].filter(([name]) => !without.includes(name)), ...added];
  }

  /** Returns the parameters that the server is asked for the list with. */
  #asking(without, added) {
    const isLong = this.params.get("fields")?.split(",").length > NAMED;
    return this.#given([...without, ...OWN, ...(isLong ? ["fields"] : [])], added);
  }

  /** Navigates to the list with other parameters, from its first page. What is typed is one step of
   * the history. */
  #go(changed, { added = [], removed = [], isTyped = false } = {}) {
    const isRemoved = ([name, value]) => removed.some(([other, text]) => name === other && value === text);
    const params = this.#given(["cursor", ...Object.keys(changed)]).filter((entry) => !isRemoved(entry));
    const given = Object.entries(changed).filter(([, value]) => value !== null);
    const chosen = [...params, ...given, ...added];
    const target = toSheet(this.name, chosen);
    this.#trail = [null];
    this.table.toTop();
    const isFurther = isTyped && this.params.has("q");
    // What is drawn or chosen before the address arrives is on top of this choice.
    this.params = new URLSearchParams(chosen);
    if (isFurther) replace(target);
    else location.hash = target;
  }

  async #read() {
    this.#asked.abort();
    this.#asked = new AbortController();
    const { signal } = this.#asked;
    this.table.wait();
    try {
      this.#result = await read([this.name], this.#asking([], [["limit", PAGE]]), signal);
      keepingFocus(() => this.#render());
      // The rows do not wait for the counts.
      this.#count(signal);
    } catch (error) {
      if (error.name !== "AbortError") this.#failed(error);
    }
  }

  #failed(error) {
    const isExpired = error.code === "cursor_expired";
    const expression = this.params.get("filter");
    const flaw = expression && flawOf(error);
    put(this.#lead, error.status === 404 ? "No such public sheet." : flaw ? "The expression is wrong." : sentence(error, "lists"), " ",
      (isExpired || error.status === 422) && h("a", { href: toSheet(this.name) }, "Show the whole sheet"));
    this.#showChips();
    this.#counted = { shown: [], isWaiting: false };
    this.#showFacets();
    this.table.show({ columns: [], items: [] }, flaw ? shownFlaw(expression, flaw) : h("p", { class: "soft nothing" }, "There is nothing to show."));
    put(this.#pager);
  }

  #render() {
    const { body, commit } = this.#result;
    const { items, total, corrected } = body;
    const isFiltered = this.#filters().length > 0 || this.params.has("q");
    const told = `${plural(total, "record")}${isFiltered ? " match" + (total === 1 ? "es" : "") : ""}`;
    put(this.#lead, told, commit && [" at ", h("code", { title: commit }, short(commit))], ".", corrections(corrected));
    announce(told);
    this.#showChips();
    const columns = this.params.get("fields")?.split(",") ?? columnsOf(items, this.fields);
    this.columns.show(columns);
    this.table.show({ items, columns, fields: this.fields, sort: this.params.get("sort") ?? "", fresh: this.#fresh },
      items.length === 0 ? h("p", { class: "soft nothing" }, isFiltered ? "No records match. Remove a filter to see more." : ["This sheet has no records yet. ", live.mayWrite(this.name) ? h("a", { href: link(["new", this.name]) }, "Make the first one") : "They appear here as soon as somebody pushes one."]) : null);
    this.#showPager();
  }

  /** Counts the values of fields, and shows the counts as they arrive. */
  async #count(signal) {
    const { items, total } = this.#result.body;
    const plan = countedFields(this.fields, this.#askedFor, items, total);
    const parts = counted(this.#of(this.#result.commit), this.#given(["cursor", "sort", "fields", ...OWN]), plan, signal);
    const order = [...plan.indexed, ...plan.asked, ...plan.few];
    const shown = [];
    // A range has its place before its counts arrive, so that nothing moves.
    const measures = order.filter((field) => this.fields.isMeasure(field)).map((field) => ({ field, kind: "pending" }));
    try {
      for await (const part of parts) {
        shown.push(...part);
        this.#counted = { shown: this.#still(shown, measures, order), isWaiting: true };
        keepingFocus(() => this.#showFacets());
      }
    } catch (error) {
      if (error.name === "AbortError") return;
      // A list without counts is still useful; errors of the query are shown above the rows.
      if (!(error instanceof ApiError)) throw error;
    }
    shown.sort((one, other) => order.indexOf(one.field) - order.indexOf(other.field));
    this.#counted = { shown, isWaiting: false };
    keepingFocus(() => this.#showFacets());
  }

  /** Keeps the facets of before until the new ones arrive. */
  #still(shown, measures, order) {
    const kept = [...shown];
    const isMissing = ({ field }) => order.includes(field) && !kept.some((facet) => facet.field === field);
    kept.push(...this.#counted.shown.filter(isMissing));
    kept.push(...measures.filter(isMissing));
    return kept.sort((one, other) => order.indexOf(one.field) - order.indexOf(other.field));
  }

  #showFacets() {
    // A range that is being chosen is left alone; they are shown once it rests.
    if (this.#facets.querySelector(".held")) return;
    const { shown, isWaiting } = this.#counted;
    put(this.#facets, facets({
      shown, filters: this.#filters(), asked: this.#askedFor, unfolded: this.#unfolded,
      isOpen: this.#facets.firstChild?.open ?? window.matchMedia("(min-width: 62rem)").matches,
      isWaiting: isWaiting && shown.length === 0 && this.fields.names.length > 0,
      onchoose: (names, added) => this.#go({}, { removed: this.#filters().filter(([name]) => names.includes(name)), added }),
      onleave: (field) => this.#go({}, { removed: [["_count", field]] }),
    }));
  }

  #showChips() {
    this.expression.show(this.params.get("filter") ?? "");
    put(this.#chips, chips(this.#filters(), (filter) => this.#go({}, { removed: [filter] }), () => this.#go({}, { removed: this.#filters() })));
  }

  #showPager() {
    const { next, total, items } = this.#result.body;
    const cursor = this.params.get("cursor");
    const at = this.#trail.indexOf(cursor);
    const to = (name, target) => h("button", { type: "button", class: "quiet", onclick: () => this.#turn(target) }, name);
    const first = at * PAGE + 1;
    const csv = `${this.name}.csv`;
    put(this.#pager,
      cursor && to("First page", null),
      at > 0 && to("Previous", this.#trail[at - 1]),
      (next || cursor) && items.length > 0 && h("span", { class: "soft" }, at >= 0 ? `${first} to ${first + items.length - 1} of ${total}` : `${items.length} of ${total}`),
      next && to("Next", next),
      total > 0 && answerLink(this.#csv(), csv, "Download as CSV", { download: csv }));
  }

  /** Returns the address of the whole list as a table. */
  #csv() {
    return address([this.name], this.#asking(["cursor"], [["format", "csv"]]));
  }

  #turn(cursor) {
    if (cursor && !this.#trail.includes(cursor)) {
      const at = this.#trail.indexOf(this.params.get("cursor"));
      this.#trail = [...this.#trail.slice(0, at + 1), cursor];
    }
    this.table.toTop();
    location.hash = toSheet(this.name, this.#given(["cursor"], cursor ? [["cursor", cursor]] : []));
    document.querySelector("h1").focus();
  }

  #showViews(isAbout) {
    const view = (name, target, isShown) => h("a", { href: target, "aria-current": isShown ? "page" : null }, name);
    put(this.#views,
      view("Records", toSheet(this.name, this.#given(["_view"])), !isAbout),
      view("Fields", toSheet(this.name, this.#given(["_view"], [["_view", "fields"]])), isAbout));
    this.records.hidden = isAbout;
    this.about.hidden = !isAbout;
  }

  #showAbout() {
    const { commit } = live.status ?? {};
    put(this.#lead, `${plural(this.fields.records, "record")} with ${plural(this.fields.names.length, "field")}.`);
    if (this.#statistics === commit) return;
    this.#statistics = commit;
    put(this.about, new FieldStatistics(this.#of(commit), this.#signal).element);
  }

  /** Reads the first page again when the sheet changes; later pages keep their commit. */
  changed({ items }) {
    const ours = items?.filter(({ sheet }) => sheet === this.name);
    if (ours?.length === 0 || this.params.has("at")) return;
    this.fields.take(this.#known());
    if (this.params.get("_view") === "fields") return this.#showAbout();
    if (this.params.has("cursor")) {
      put(this.#lead, "The sheet has changed; these pages show the commit at which you started. ", h("a", { href: toSheet(this.name, this.#given(["cursor"])) }, "Start again"));
      return;
    }
    for (const { key } of ours ?? []) {
      this.#fresh.add(key);
      setTimeout(() => this.#fresh.delete(key), FRESH);
    }
    this.#soon(() => this.#read());
  }
}

// The history of a record as a timeline: who changed it when, why, and what.

import { ApiError, read, sentence } from "./api.js";
import { fields } from "./diff.js";
import { fieldChanges } from "./difference.js";
import { h, keepingFocus, put, since } from "./dom.js";
import { short, when } from "./format.js";
import { replace, toRecord } from "./route.js";

/** How many commits are read first, and at a time after that. */
const FIRST = 5;
const MORE = 20;

/** The most changed fields that are named. */
const NAMED = 6;

export class History {
  element = h("div", {});
  #timeline = h("div", {});
  #comparing = h("div", {});
  #compared = h("div", {});
  #elsewhen = h("div", {});
  #commits = [];
  #next = null;
  /** The commits whose differences are shown. */
  #unfolded = new Set();
  #values = new Map();

  constructor({ sheet, key, params, signal }) {
    Object.assign(this, { sheet, key, params, signal });
    put(this.element, this.#timeline, this.#comparing, this.#compared, this.#elsewhen);
  }

  /** Returns what is known of the commit with this name, which may be short. */
  commit(name) {
    return this.#commits.find(({ commit }) => name.length >= 7 && commit.startsWith(name));
  }

  /** The newest commit that touched the record, if it is known. */
  get newest() {
    return this.#commits[0]?.commit;
  }

  /** Reads the newest commits, or those from `cursor` on. */
  async read(cursor) {
    try {
      const params = cursor ? { limit: MORE, cursor } : { limit: FIRST };
      const { items, next } = (await read(["_history", this.sheet, ...this.key.split("/")], params, this.signal)).body;
      this.#commits = cursor ? [...this.#commits, ...items] : items;
      this.#next = next;
      if (!cursor && items[0]?.change === "modified") this.#unfolded.add(items[0].commit);
      await this.show(this.params);
    } catch (error) {
      if (error.name !== "AbortError") put(this.#timeline, h("p", { class: "soft" }, error.isMissingRoute ? "This server has no history of this record." : sentence(error, "_history")));
    }
  }

  /** Shows the timeline, and the comparison that the parameters name. */
  async show(params) {
    this.params = params;
    if (this.#commits.length === 0) return put(this.#timeline, h("p", { class: "soft" }, "No known commit touched this record."));
    const more = this.#next && h("button", { type: "button", class: "quiet", id: "older-commits", onclick: () => this.read(this.#next) }, "Older commits");
    keepingFocus(() => {
      put(this.#timeline, h("ol", { class: "versions" }, this.#commits.map((commit, at) => this.#item(commit, at))), more);
      put(this.#comparing, this.#compareForm());
      put(this.#elsewhen, this.#atForm());
    });
    await this.#showComparison();
  }

  #item({ commit, time, author, summary, change, fields: touched }, at) {
    const shown = this.params.get("at");
    const isShown = shown ? commit === this.commit(shown)?.commit : at === 0;
    const names = (touched ?? []).map((pointer) => pointer.slice(1)).filter(Boolean);
    return h("li", { class: change, "aria-current": isShown ? "true" : null },
      h("p", { class: "summary" }, summary),
      h("p", { class: "soft" }, author, " · ", since(time), " · ", h("span", { class: `kind ${change}` }, change), isShown && " · shown"),
      names.length > 0 && change === "modified" && h("p", { class: "soft touched" }, names.slice(0, NAMED).join(", "), names.length > NAMED && ` and ${names.length - NAMED} more`),
      this.#actions(commit, at, change, summary));
  }

  #actions(commit, at, change, summary) {
    const body = h("div", { class: "what-changed", id: `changed-${commit}` });
    const button = h("button", { type: "button", class: "fold", id: `fold-${commit}`, "aria-controls": body.id, "aria-label": `What changed: ${summary}` }, "What changed");
    const show = async () => {
      const isOpen = this.#unfolded.has(commit);
      button.setAttribute("aria-expanded", String(isOpen));
      body.hidden = !isOpen;
      if (isOpen && body.childElementCount === 0) await this.#difference(body, () => this.#before(at), commit);
    };
    button.addEventListener("click", () => {
      if (!this.#unfolded.delete(commit)) this.#unfolded.add(commit);
      show();
    });
    const isReadable = change === "added" || change === "modified";
    // The first version has nothing to be compared with.
    const isFirst = change === "added";
    if (!isFirst) show();
    return [
      h("p", { class: "actions" }, !isFirst && button,
        isReadable && h("a", { href: toRecord(this.sheet, this.key, { at: commit }), "aria-label": `As it was at ${short(commit)}: ${summary}` }, "As it was"),
        h("code", { title: commit }, short(commit))),
      !isFirst && body,
    ];
  }

  /** Returns the commit that touched the record before the one at this place; `undefined` if there is none. */
  async #before(at) {
    if (at + 1 >= this.#commits.length && this.#next) {
      const { items } = (await read(["_history", this.sheet, ...this.key.split("/")], { limit: MORE, cursor: this.#next }, this.signal)).body;
      return items[0]?.commit;
    }
    return this.#commits[at + 1]?.commit;
  }

  async #difference(body, from, to) {
    put(body, h("p", { class: "soft" }, "Reading both versions…"));
    try {
      const [before, after] = await Promise.all([from().then((commit) => this.#valueAt(commit)), this.#valueAt(to)]);
      put(body, fieldChanges(fields(before, after)));
    } catch (error) {
      if (error.name !== "AbortError") put(body, h("p", { class: "soft" }, sentence(error, "?at=")));
    }
  }

  /** Returns the value at a commit, `undefined` if it does not exist there. */
  async #valueAt(commit) {
    const known = this.#commits.find((item) => item.commit === commit);
    if (!commit || known?.change === "removed" || known?.change === "broken") return undefined;
    if (!this.#values.has(commit)) this.#values.set(commit, this.#readAt(commit));
    return this.#values.get(commit);
  }

  async #readAt(at) {
    try {
      return (await read([this.sheet, ...this.key.split("/")], { at }, this.signal)).body;
    } catch (error) {
      this.#values.delete(at);
      if (error instanceof ApiError && error.code === "not_found") return undefined;
      throw error;
    }
  }

  /** Returns the form that compares any two commits; the choice is part of the address. */
  #compareForm() {
    if (this.#commits.length < 2) return null;
    const [to, from] = [this.params.get("to") ?? this.#commits[0].commit, this.params.get("from") ?? this.#commits[1].commit];
    const choose = (end, chosen, label) => h("div", {}, h("label", { for: `compare-${end}` }, label),
      h("select", { id: `compare-${end}`, onchange: (event) => this.#compare({ from, to, [end]: event.target.value }) },
        this.#commits.map(({ commit, time, summary }) => h("option", { value: commit, selected: commit === chosen }, `${short(commit)} · ${when(time)} · ${summary}`))));
    const isOpen = this.params.has("from") || this.params.has("to") || this.#comparing.firstChild?.open;
    return h("details", { class: "compare-versions", open: isOpen },
      h("summary", { id: "compare-versions" }, "Compare two versions"), choose("from", from, "Before"), choose("to", to, "After"),
      h("button", { type: "button", class: "quiet", onclick: () => this.#compare({ from, to }) }, "Compare"));
  }

  #compare(ends) {
    const at = this.params.get("at");
    replace(toRecord(this.sheet, this.key, at ? { ...ends, at } : ends));
  }

  async #showComparison() {
    const [from, to] = [this.params.get("from"), this.params.get("to")];
    if (!from || !to) return put(this.#compared);
    const body = h("div", {});
    put(this.#compared, h("h3", { class: "compared" }, "From ", h("code", {}, short(from)), " to ", h("code", {}, short(to))), body);
    if (from === to) return put(body, h("p", { class: "soft" }, "Both are the same commit."));
    await this.#difference(body, async () => from, to);
  }

  /** Returns the form that shows the record at any commit. */
  #atForm() {
    const show = (event) => {
      event.preventDefault();
      const at = new FormData(event.target).get("at").trim();
      if (at) location.hash = toRecord(this.sheet, this.key, { at });
    };
    const isOpen = this.#elsewhen.firstChild?.open;
    return h("details", { class: "at-version", open: isOpen }, h("summary", { id: "at-version" }, "As it was at another time"),
      h("form", { onsubmit: show },
        h("label", { for: "at-commit" }, "A date, a tag or a commit"),
        h("div", { class: "beside" }, h("input", { id: "at-commit", name: "at", placeholder: "2026-01-31", autocomplete: "off", spellcheck: "false", required: true }),
          h("button", { type: "submit" }, "Show"))));
  }
}

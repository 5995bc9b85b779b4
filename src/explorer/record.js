// One record: its value, the commits that touched it, and the differences between two of them.

import { ApiError, address, read, sentence } from "./api.js";
import { fieldChanges } from "./compare.js";
import { fields } from "./diff.js";
import { announce, h, keepingFocus, put, section, since } from "./dom.js";
import { answerLink } from "./download.js";
import { short } from "./format.js";
import { live } from "./live.js";
import { recordActions } from "./record_actions.js";
import { replace, toRecord, toSheet } from "./route.js";
import { shownValue, titleOf } from "./value.js";

/** The number of commits that are read at once. */
const COMMITS = 20;

export async function show({ element, route, signal }) {
  const [sheet, ...segments] = route.rest;
  const key = segments.join("/");
  const page = new Record({ sheet, key, route, signal });
  put(element, page.parts());
  await Promise.all([page.readValue(), page.readHistory()]);
  live.on("changes", signal, (changes) => page.changed(changes));
  return (next) => page.update(next);
}

class Record {
  #title;
  #note = h("div", {});
  #value = h("div", { class: "record-value" });
  #history = h("div", {});
  #difference = h("div", {});
  #current = null;
  #commits = [];
  #next = null;

  constructor({ sheet, key, route, signal }) {
    Object.assign(this, { sheet, key, params: route.params, signal });
    this.#title = h("h1", { tabindex: "-1" }, key);
  }

  parts() {
    const { sheet, key } = this;
    const segments = key.split("/");
    const json = answerLink(address([sheet, ...segments]), `${segments.at(-1)}.json`, "JSON");
    return [
      h("header", { class: "head" },
        h("p", { class: "over" }, h("a", { href: toSheet(sheet) }, sheet), " / ", h("code", {}, key), " · ", json),
        this.#title, recordActions(sheet, key, this.signal), this.#note),
      h("div", { class: "columns record-columns" },
        h("div", {}, section("Value", this.#value)),
        h("div", {}, section("History", this.#history), this.#difference)),
    ];
  }

  async update({ params }) {
    const before = this.params.get("at");
    this.params = params;
    if (before !== params.get("at")) await this.readValue();
    await this.#showHistory();
  }

  /** Reads the value, as it is served or as it was at a commit, and marks its changed fields. */
  async readValue() {
    const at = this.params.get("at");
    try {
      const { body } = await this.#readAt(at);
      const changed = this.#current !== null && !at ? fields(this.#current, body).map(({ pointer }) => pointer) : [];
      this.#current = at ? null : body;
      put(this.#title, titleOf(body, this.key));
      put(this.#note, at && this.#past(at));
      put(this.#value, shownValue(body, new Set(changed)));
      document.title = `${this.#title.textContent} · Headwater`;
    } catch (error) {
      if (error.name === "AbortError") return;
      this.#current = null;
      put(this.#note, at && this.#past(at));
      const isAbsent = error.status === 404 && error.code === "not_found";
      put(this.#value, h("p", { class: "soft" }, isAbsent ? "No such public record." : sentence(error, "this")));
    }
  }

  #readAt(at) {
    return read([this.sheet, ...this.key.split("/")], at ? { at } : undefined, this.signal);
  }

  #past(at) {
    return h("p", { class: "banner note" }, h("strong", {}, "As it was"), " at ", h("code", {}, short(at)), ". ",
      h("a", { href: toRecord(this.sheet, this.key) }, "Show the current version"));
  }

  async readHistory(cursor) {
    try {
      const params = cursor ? { limit: COMMITS, cursor } : { limit: COMMITS };
      const { items, next } = (await read(["_history", this.sheet, ...this.key.split("/")], params, this.signal)).body;
      this.#commits = cursor ? [...this.#commits, ...items] : items;
      this.#next = next;
      await this.#showHistory();
    } catch (error) {
      if (error.name !== "AbortError") put(this.#history, h("p", { class: "soft" }, error.isMissingRoute ? "This server has no history of this record." : sentence(error, "_history")));
    }
  }

  async #showHistory() {
    const commits = this.#commits;
    if (commits.length === 0) return put(this.#history, h("p", { class: "soft" }, "No known commit touched this record."));
    const to = this.params.get("to") ?? commits[0].commit;
    const from = this.params.get("from") ?? commits[1]?.commit;
    const more = this.#next && h("button", { type: "button", class: "quiet", onclick: () => this.readHistory(this.#next) }, "Older commits");
    const hint = commits.length > 1 && h("p", { class: "soft history-hint" }, "Choose two commits to compare: before on the left, after on the right.");
    keepingFocus(() => put(this.#history, hint,
      h("fieldset", { class: "history" }, h("legend", { class: "unseen" }, "Commits that touched this record, newest first"),
        h("ol", { class: "commits-list" }, commits.map((commit) => this.#commit(commit, from, to)))),
      more));
    if (commits.length > 1 && from) await this.#showDifference(from, to);
    else put(this.#difference);
  }

  #commit({ commit, time, author, summary, change, fields: touched }, from, to) {
    const choose = (end, chosen) => h("input", {
      type: "radio", name: end, id: `${end}-${commit}`, value: commit, checked: commit === chosen, disabled: this.#commits.length < 2,
      "aria-label": `${end === "from" ? "Before" : "After"}: ${short(commit)} ${summary}`,
      onchange: () => this.#compare({ from, to, [end]: commit }),
    });
    const names = (touched ?? []).map((pointer) => pointer.slice(1)).filter(Boolean);
    return h("li", {},
      h("span", { class: "ends" }, choose("from", from), choose("to", to)),
      h("div", {},
        h("p", { class: "summary" }, summary),
        h("p", { class: "soft" }, h("span", { class: `kind ${change}` }, change), " ",
          since(time), ` by ${author} · `,
          h("a", { href: toRecord(this.sheet, this.key, { at: commit }), title: "Show this version" }, h("code", {}, short(commit)))),
        names.length > 0 && change === "modified" && h("p", { class: "soft touched" }, names.slice(0, 8).join(", "), names.length > 8 && " …")));
  }

  /** Navigates to the comparison of two commits, which is part of the address. */
  #compare(ends) {
    const at = this.params.get("at");
    replace(toRecord(this.sheet, this.key, at ? { ...ends, at } : ends));
  }

  async #showDifference(from, to) {
    const body = h("div", {});
    const told = h("p", { class: "soft" }, "From ", h("code", {}, short(from)), " to ", h("code", {}, short(to)), ".");
    put(this.#difference, section("Difference", told, body));
    try {
      const [before, after] = await Promise.all([this.#valueAt(from), this.#valueAt(to)]);
      put(body, from === to ? h("p", { class: "soft" }, "Both are the same commit.") : fieldChanges(fields(before, after)));
    } catch (error) {
      if (error.name !== "AbortError") put(body, h("p", { class: "soft" }, sentence(error, "?at=")));
    }
  }

  /** Returns the value at a commit, `undefined` if it does not exist there. */
  async #valueAt(commit) {
    const known = this.#commits.find((item) => item.commit === commit);
    if (known?.change === "removed" || known?.change === "broken") return undefined;
    try {
      return (await this.#readAt(commit)).body;
    } catch (error) {
      if (error instanceof ApiError && error.code === "not_found") return undefined;
      throw error;
    }
  }

  async changed({ items }) {
    const isOurs = items === null || items.some((item) => item.sheet === this.sheet && item.key === this.key);
    if (!isOurs) return;
    if (!this.params.get("at")) await this.readValue();
    await this.readHistory();
    if (items) announce(`${this.key} has changed`);
  }
}

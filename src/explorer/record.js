// One record: its value as a tree or as JSON, what refers to it, and its history.

import { address, read, readFile, sentence } from "./api.js";
import { token } from "./credential.js";
import { fields } from "./diff.js";
import { announce, h, put, section } from "./dom.js";
import { elsewhereButton } from "./elsewhere.js";
import { short, when } from "./format.js";
import { History } from "./history.js";
import { live } from "./live.js";
import { rawJson } from "./raw_json.js";
import { References } from "./references.js";
import { recordActions } from "./record_actions.js";
import { decoded, replace, toRecord, toSheet } from "./route.js";
import { ValueTree } from "./tree.js";
import { isNested } from "./folding.js";
import { titleOf } from "./value.js";

export async function show({ element, route, signal }) {
  const [sheet, ...segments] = route.rest;
  const key = segments.join("/");
  const page = new Record({ sheet, key, route, signal });
  put(element, page.parts());
  // What one does while the record is read is not undone by showing the page again.
  page.begin();
  live.on("changes", signal, (changes) => page.changed(changes));
  return (next) => page.update(next);
}

class Record {
  #title;
  #note = h("div", {});
  #tabs = h("div", { class: "tabs", role: "tablist", "aria-label": "Forms of the record" });
  #folding = h("div", { class: "folding" });
  #value = h("div", { class: "record-value", id: "record-value", role: "tabpanel" });
  #referring = h("div", {});
  #history;
  #tree = null;
  #current = null;
  #commit = null;
  #references = null;

  constructor({ sheet, key, route, signal }) {
    Object.assign(this, { sheet, key, params: route.params, signal });
    this.#title = h("h1", { tabindex: "-1" }, key);
    this.#history = new History({ sheet, key, params: route.params, signal });
  }

  get #segments() {
    return [this.sheet, ...this.key.split("/")];
  }

  get #at() {
    return this.params.get("at") ?? undefined;
  }

  parts() {
    const { sheet, key } = this;
    const name = key.split("/").at(-1);
    return [
      h("header", { class: "head" },
        h("p", { class: "over" }, h("a", { href: toSheet(sheet) }, sheet), " / ", h("code", {}, key)),
        this.#title,
        h("div", { class: "head-actions" }, recordActions(sheet, key, this.signal), elsewhereButton(() => this.#source(name))),
        this.#note),
      h("div", { class: "columns record-columns" },
        h("section", { "aria-labelledby": "value-name" }, h("h2", { id: "value-name", class: "unseen" }, "Value"),
          h("div", { class: "value-head" }, this.#tabs, this.#folding), this.#value),
        h("div", { class: "aside" }, this.#referring, section("History", this.#history.element))),
    ];
  }

  /** What the page shows, for use elsewhere. */
  #source(name) {
    const at = this.#at ? [["at", this.#at]] : [];
    return {
      segments: this.#segments, params: at, name, commit: this.#commit,
      rows: { segments: [this.sheet], params: [["_key", this.key], ...at] },
      page: (commit) => toRecord(this.sheet, this.key, { at: commit }),
    };
  }

  async begin() {
    await Promise.all([this.readValue(), this.#history.read()]);
    // Its message and its author are known now.
    this.#showNote();
  }

  async update({ params }) {
    const before = this.params;
    this.params = params;
    if (before.get("at") !== params.get("at")) {
      this.#tree = null;
      this.#current = null;
      await this.readValue();
    } else if (this.#references && before.get("view") !== params.get("view")) await this.#showValue();
    await this.#history.show(params);
    this.#showNote();
  }

  /** Reads the value, as it is served or as it was at a commit, and marks its changed fields. */
  async readValue() {
    const at = this.#at;
    try {
      const sheets = at ? (await read(["_sheets"], { at }, this.signal)).body.items : live.sheets;
      const references = new References(sheets, this.sheet, at);
      const asked = { ...(at && { at }), ...references.params };
      const { body, commit } = await read(this.#segments, asked, this.signal);
      const value = references.params ? body.value : body;
      if (references.params) references.take(body.included);
      const isFirst = this.#current === null;
      const changed = isFirst ? [] : fields(this.#current, value).map(({ pointer }) => pointer);
      Object.assign(this, { sheets });
      [this.#current, this.#commit, this.#references] = [value, commit, references];
      put(this.#title, titleOf(value, this.key));
      document.title = `${this.#title.textContent} · Headwater`;
      this.#showNote();
      await this.#showValue(new Set(changed));
      this.#showReferring(references, value);
    } catch (error) {
      if (error.name === "AbortError") return;
      [this.#current, this.#tree, this.#commit, this.#references] = [null, null, null, null];
      this.#showNote();
      put(this.#tabs);
      put(this.#folding);
      put(this.#referring);
      const isAbsent = error.status === 404 && error.code === "not_found";
      put(this.#value, h("p", { class: "soft" }, isAbsent ? (at ? "There was no such public record then." : "No such public record.") : sentence(error, "this")));
    }
  }

  /** The list of those that refer to a record is read behind its value. */
  async #showReferring(references, value) {
    const list = await references.referring(this.key, value, this.signal).catch(() => null);
    if (references === this.#references) put(this.#referring, list);
  }

  async #showValue(fresh = new Set()) {
    const view = this.params.get("view") === "json" ? "json" : "fields";
    this.#showTabs(view);
    if (view === "json") return this.#showJson();
    const settings = {
      fresh,
      referred: (path, value) => this.#references.link(path, value),
      attachment: (target) => this.#attachment(target),
      isMarkdown: /^(?:markdown|mdx)$/.test(this.sheets.find(({ name }) => name === this.sheet)?.format),
    };
    if (this.#tree) this.#tree.replace(this.#current, settings);
    else this.#tree = new ValueTree(this.#current, settings);
    put(this.#value, this.#tree.element);
    put(this.#folding, isNested(this.#current) && [
      h("button", { type: "button", class: "quiet", onclick: () => this.#expand() }, "Expand all"),
      h("button", { type: "button", class: "quiet", onclick: () => this.#tree.collapseAll() }, "Collapse all"),
    ]);
  }

  #expand() {
    if (!this.#tree.expandAll()) announce("This record is large: its deepest parts are still folded");
  }

  async #showJson() {
    put(this.#folding);
    try {
      const text = await (await readFile(address(this.#segments, this.#commit ? { at: this.#commit } : undefined))).text();
      put(this.#value, rawJson(text));
    } catch (error) {
      if (error.name !== "AbortError") put(this.#value, h("p", { class: "soft" }, sentence(error, "this")));
    }
  }

  #showTabs(view) {
    const tab = (name, label) => h("button", {
      type: "button", role: "tab", id: `tab-${name}`, "aria-selected": String(view === name), "aria-controls": "record-value", tabindex: view === name ? null : "-1",
      onclick: () => this.#choose(name),
      onkeydown: ({ key }) => (key === "ArrowLeft" || key === "ArrowRight") && this.#choose(name === "json" ? "fields" : "json"),
    }, label);
    put(this.#tabs, tab("fields", "Fields"), tab("json", "JSON"));
    this.#value.setAttribute("aria-labelledby", `tab-${view}`);
  }

  #choose(view) {
    const params = [...this.params].filter(([name]) => name !== "view");
    replace(toRecord(this.sheet, this.key, view === "json" ? [...params, ["view", view]] : params));
    document.getElementById(`tab-${view}`)?.focus();
  }

  /** Returns where a file beside the record is. A picture that needs a token cannot be shown in place. */
  #attachment(target) {
    const name = decoded(target.replace(/^\.\//, ""));
    return { address: address(["_attachments", ...this.#segments, name], this.#at && { at: this.#at }), isOpen: token() === null };
  }

  /** Says that the record is shown as it was, and leads back. */
  #showNote() {
    const at = this.#at;
    if (!at) return put(this.#note);
    const known = this.#history.commit(at);
    const told = this.#commit && !this.#commit.startsWith(at) ? [" ", h("code", {}, at), ", at ", h("code", {}, short(this.#commit))] : [" at ", h("code", {}, short(at))];
    const newest = this.#history.newest;
    put(this.#note, h("div", { class: "banner warn note" },
      h("p", {}, h("strong", {}, "As it was"), told, known && `: “${known.summary}” by ${known.author}, ${when(known.time)}`, "."),
      h("p", { class: "actions" },
        h("a", { href: toRecord(this.sheet, this.key) }, "Show the current version"),
        newest && this.#commit && newest !== this.#commit && h("a", { href: toRecord(this.sheet, this.key, { from: this.#commit, to: newest }) }, "What has changed since"))));
  }

  async changed({ items }) {
    const isOurs = items === null || items.some((item) => item.sheet === this.sheet && item.key === this.key);
    if (!isOurs) return;
    if (!this.#at) await this.readValue();
    await this.#history.read();
    if (items) announce(`${this.key} has changed`);
  }
}

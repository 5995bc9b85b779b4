// The references of a record: links to the records that it refers to, and the records that refer to it.

import { read } from "./api.js";
import { h, section } from "./dom.js";
import { plural } from "./format.js";
import { toRecord, toSheet } from "./route.js";
import { fieldOf, scalar, titleOf } from "./value.js";

/** The records of each sheet that are named among those that refer to a record. */
const NAMED = 3;

/** The fields of a sheet that refer to records, and what is known of those records. */
export class References {
  #fields;
  #found = new Map();

  /** `sheets` are the sheets at the commit `at`, which is undefined for the present. */
  constructor(sheets, sheet, at) {
    Object.assign(this, { sheets, sheet, at });
    const { references = [] } = sheets.find(({ name }) => name === sheet) ?? {};
    // Names are listed with commas between them.
    this.#fields = new Map(references.filter(({ field }) => !field.includes(",")).map((reference) => [reference.field, reference]));
  }

  /** The parameters that make the server send the records that a record refers to; null if there are none. */
  get params() {
    return this.#fields.size > 0 ? { include: [...this.#fields.keys()].join(",") } : null;
  }

  /** Takes the records that a record refers to, by sheet and key. */
  take(included) {
    for (const { field, sheet, target } of this.#fields.values()) {
      const records = Object.entries(included[sheet] ?? {}).map(([key, value]) => [String(target === undefined ? key : fieldOf(value, target)), { key, title: titleOf(value, key) }]);
      this.#found.set(field, new Map(records));
    }
  }

  /** Returns a link for the value of a field, or null if the field does not refer to anything. */
  link(path, value) {
    const reference = this.#fields.get(path.join("."));
    if (!reference || value === null || value === "" || typeof value === "object") return null;
    const { sheet, target } = reference;
    const found = this.#found.get(reference.field)?.get(String(value));
    const at = this.at && { at: this.at };
    if (found) return h("span", { class: "reference", title: String(value) }, h("a", { href: toRecord(sheet, found.key, at) }, found.title), " ", h("span", { class: "soft" }, sheet));
    // The record may be hidden, or have that value by its path alone.
    const told = target === undefined ? `no record of ${sheet}` : h("a", { href: toSheet(sheet, { [target]: value, ...at }) }, `find it in ${sheet}`);
    return h("span", { class: "reference" }, scalar(value), " ", h("span", { class: "soft" }, told));
  }

  /** Returns the part of the page with the records that refer to this one; null if none can. */
  async referring(key, value, signal) {
    const fields = this.sheets.flatMap(({ name, references = [] }) => references.filter(({ sheet }) => sheet === this.sheet).map(({ field, target }) => ({ sheet: name, field, value: target === undefined ? key : fieldOf(value, target) })));
    const asked = fields.filter(({ value }) => value !== undefined && value !== null && typeof value !== "object");
    if (asked.length === 0) return null;
    const at = this.at ? { at: this.at } : {};
    const lists = await Promise.all(asked.map(async (each) => ({ ...each, ...(await read([each.sheet], { [`${each.field}[eq]`]: each.value, limit: NAMED, ...at }, signal)).body })));
    const some = lists.filter(({ total }) => total > 0);
    return section("Referred to by", some.length === 0 ? h("p", { class: "soft" }, "No record refers to this one.") : h("ul", { class: "referring" }, some.map((list) => this.#list(list))));
  }

  #list({ sheet, field, value, total, items }) {
    const at = this.at && { at: this.at };
    const all = toSheet(sheet, { [field]: value, ...at });
    return h("li", {},
      h("p", {}, h("a", { href: all }, plural(total, "record")), " of ", sheet, " ", h("span", { class: "soft" }, `by ${field}`)),
      h("ul", {}, items.map((item) => h("li", {}, h("a", { href: toRecord(sheet, item.key, at) }, titleOf(item.value, item.key)))),
        total > items.length && h("li", {}, h("a", { href: all }, `and ${plural(total - items.length, "other")}`))));
  }
}

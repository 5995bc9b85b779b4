// Changes a field of all records that a filter selects, as one commit. It is tried first, and shows what
// would change.

import { CommitForm, refusal } from "./commit_form.js";
import { fieldChanges } from "./difference.js";
import { announce, h, put } from "./dom.js";
import { Draft } from "./draft.js";
import { isEqual, parse, plain, text } from "./exact.js";
import { Form } from "./form.js";
import { plural } from "./format.js";
import { live } from "./live.js";
import { shownChanges } from "./merge.js";
import { member, valueAt, withValue } from "./pointer.js";
import { mayNotWrite } from "./record_actions.js";
import { toRecord, toSheet } from "./route.js";
import { goSaved } from "./saved.js";
import { kindOf, resolved, schemaOf } from "./schema.js";
import { titleOf } from "./value.js";
import { attempt, change, readExactly, tried, written } from "./write.js";

/** The most records of one commit, and how many of them are shown. */
const MOST = 1_000;
const SHOWN = 50;

/** How many records are read at once. */
const PAGE = 100;

/** The parameters of a sheet that do not select records. */
const OTHERS = ["sort", "fields", "cursor"];

/** What can be done with a field. */
const ACTIONS = {
  set: { label: "Set it to", takes: (schema) => schema, next: (_, given) => given },
  clear: { label: "Remove it", takes: () => null, next: () => undefined },
  add: { label: "Add to the list", takes: (schema) => schema.items ?? {}, next: (old, given) => (old ?? []).some((one) => isEqual(one, given)) ? old : [...(old ?? []), given] },
  take: { label: "Take from the list", takes: (schema) => schema.items ?? {}, next: (old, given) => old?.filter((one) => !isEqual(one, given)) },
};

/** `#/bulk/<sheet>` with the filters of the sheet. */
export async function show({ element, route, signal }) {
  const [sheet] = route.rest;
  const filters = [...route.params].filter(([name]) => !OTHERS.includes(name));
  const lead = h("p", { class: "lead" });
  const body = h("div", {});
  put(element, h("header", { class: "head" }, h("p", { class: "over" }, h("a", { href: toSheet(sheet, filters) }, sheet)), h("h1", { tabindex: "-1" }, "Change many records"), lead), body);
  if (!live.mayWrite(sheet)) return put(body, mayNotWrite(sheet));
  try {
    const [{ document, schema }, { total }] = await Promise.all([schemaOf(sheet, signal), readExactly([sheet], [...filters, ["limit", 1]], signal)]);
    const told = filters.map(([name, value]) => `${name} ${value}`).join(", ");
    put(lead, filters.length > 0 ? `${plural(total, "record")} with ${told}.` : `All ${plural(total, "record")}.`);
    if (total > MOST) return put(body, h("p", {}, `One change takes at most ${plural(MOST, "record")}. `, h("a", { href: toSheet(sheet, filters) }, "Filter the sheet"), " first, and come back."));
    new Bulk({ sheet, filters, document, schema, signal, body }).show();
  } catch (error) {
    if (error.name === "AbortError") throw error;
    put(lead, refusal(error));
  }
}

class Bulk {
  #result = h("div", { class: "bulk-result" });
  #place = h("div", { class: "bulk-value" });
  #field;
  #action;
  #form = null;
  #texts = {};
  #draft;
  #message;

  constructor(given) {
    Object.assign(this, given);
    this.#draft = new Draft(["bulk", this.sheet, ...this.filters.flat()], this.signal);
    this.#message = new Draft(["bulk message", this.sheet, ...this.filters.flat()], this.signal);
    const declared = Object.keys(this.schema.properties ?? {});
    const known = (live.sheets.find(({ name }) => name === this.sheet)?.fields ?? []).filter((name) => !name.includes("."));
    const fields = [...new Set([...declared, ...known])];
    this.#field = h("select", { id: "bulk-field", onchange: () => {
      this.#showActions();
      this.#keep();
    } }, fields.map((name) => h("option", { value: name }, name)));
    this.#action = h("select", { id: "bulk-action", onchange: () => {
      this.#showValue();
      this.#keep();
    } });
  }

  show() {
    put(this.body, h("form", { class: "bulk-form", onsubmit: (event) => {
      event.preventDefault();
      this.#try();
    } },
    h("div", {}, h("label", { for: "bulk-field" }, "Field"), this.#field),
    h("div", {}, h("label", { for: "bulk-action" }, "What to do"), this.#action),
    this.#place,
    h("p", { class: "actions" }, h("button", { type: "submit" }, "Show what would change"))), this.#result);
    this.#showActions();
    this.#restore();
  }

  /** Shows again what was chosen before a reload. */
  #restore() {
    const draft = this.#draft.read();
    if (draft === null) return;
    const { field, action, value, texts } = parse(draft);
    this.#field.value = field;
    this.#showActions();
    this.#action.value = action;
    Object.assign(this.#texts, texts);
    this.#showValue(value);
  }

  #keep() {
    put(this.#result);
    this.#draft.keep(() => text({ field: this.#field.value, action: this.#action.value, value: this.#form?.value ?? {}, texts: this.#texts }));
  }

  get #schema() {
    return resolved(this.document, this.schema.properties?.[this.#field.value]);
  }

  #showActions() {
    const isList = this.#schema.type === "array" || kindOf(this.#schema, undefined) === "list";
    const names = isList ? ["add", "take", "set", "clear"] : ["set", "clear"];
    put(this.#action, names.map((name) => h("option", { value: name }, ACTIONS[name].label)));
    this.#showValue();
  }

  #showValue(value = {}) {
    put(this.#result);
    const schema = ACTIONS[this.#action.value].takes(this.#schema);
    this.#form = null;
    if (schema === null) return put(this.#place);
    const whole = { properties: { value: { ...schema, title: "Value" } }, required: [], additionalProperties: false };
    const { references = [] } = live.sheets.find(({ name }) => name === this.sheet) ?? {};
    const own = references.filter(({ field }) => field === this.#field.value).map((reference) => ({ ...reference, field: "value" }));
    this.#form = new Form({ document: this.document, schema: whole, value, base: {}, texts: this.#texts, references: own, onchange: () => this.#keep() });
    return put(this.#place, this.#form.element);
  }

  async #try() {
    const given = this.#form?.value.value;
    if (this.#form && given === undefined) return put(this.#result, h("p", { class: "commit-note bad" }, "Enter a value first."));
    put(this.#result, h("p", { class: "soft" }, "Trying it…"));
    const { next } = ACTIONS[this.#action.value];
    const pointer = member("", this.#field.value);
    try {
      const records = (await this.#records()).map(({ key, value }) => ({ key, before: value, after: withValue(value, pointer, next(valueAt(value, pointer), given)) }));
      const different = records.filter(({ before, after }) => !isEqual(before, after));
      if (different.length === 0) return put(this.#result, h("p", { class: "commit-note" }, "Nothing would change: all of them are like that already."));
      const operations = different.map(({ key, before, after }) => change({ sheet: this.sheet, key, before, after }));
      const { results } = await tried(operations, this.signal);
      this.#offer(different, operations.map((operation, index) => ({ ...operation, ifMatch: results[index].ifMatch })));
    } catch (error) {
      if (error.name !== "AbortError") put(this.#result, this.#refused(error));
    }
    return undefined;
  }

  async #records() {
    const all = [];
    let cursor = null;
    do {
      const { items, next } = await readExactly([this.sheet], [...this.filters, ["limit", PAGE], ...(cursor ? [["cursor", cursor]] : [])], this.signal);
      all.push(...items);
      cursor = next;
    } while (cursor && all.length <= MOST);
    return all;
  }

  #offer(different, operations) {
    const id = attempt();
    const told = `${plural(operations.length, "record")} would change`;
    const { label } = ACTIONS[this.#action.value];
    const suggested = `Change ${this.#field.value} of ${plural(operations.length, "record")}: ${label.toLowerCase()} ${this.#form ? JSON.stringify(plain(this.#form.value.value)) : ""}`.trim();
    const commit = new CommitForm({ action: `Change ${plural(operations.length, "record")}`, cancel: toSheet(this.sheet, this.filters), suggested, draft: this.#message, onsave: async () => {
      try {
        const { commit: made } = await written(operations, commit.subject, id);
        this.#draft.forget();
        this.#message.forget();
        goSaved(toSheet(this.sheet, this.filters), { text: `${plural(operations.length, "record")} changed.`, commit: made });
      } catch (error) {
        if (error.status === 412) put(this.#result, h("p", { class: "commit-note bad" }, "Somebody else changed one of these records. Nothing is saved. Look again at what would change."));
        else commit.say("bad", refusal(error));
      }
    } });
    const shown = ({ key, before, after }) => h("li", { class: "change" },
      h("p", {}, h("a", { href: toRecord(this.sheet, key) }, titleOf(plain(before), key))),
      fieldChanges(shownChanges(before, after)));
    put(this.#result, h("div", { class: "edit-columns" },
      h("section", { "aria-labelledby": "bulk-head" }, h("h2", { id: "bulk-head", tabindex: "-1" }, told),
        h("ol", { class: "changes" }, different.slice(0, SHOWN).map(shown)),
        different.length > SHOWN && h("p", { class: "soft" }, `These are the first ${SHOWN}.`)),
      h("aside", { class: "edit-panel", "aria-label": "Save" }, h("p", { class: "soft" }, "All of them change at once, or none."), commit.element)));
    document.getElementById("bulk-head").focus();
    announce(told);
  }

  #refused(error) {
    if (error.errors.length === 0) return h("p", { class: "commit-note bad" }, refusal(error));
    return h("div", { class: "commit-note bad" }, h("p", {}, "It cannot be done, so nothing is changed:"),
      h("ul", {}, error.errors.slice(0, 10).map(({ pointer, detail }) => h("li", {}, pointer && [h("code", {}, pointer.slice(1)), ": "], detail))));
  }
}

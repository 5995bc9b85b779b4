// The page on which a record is changed or made. What is typed is checked by the server as one types, and
// kept until it is saved.

import { attachments } from "./attachments.js";
import { fieldChanges } from "./difference.js";
import { CommitForm, refusal } from "./commit_form.js";
import { choices } from "./conflict.js";
import { announce, h, put } from "./dom.js";
import { Draft } from "./draft.js";
import { isEqual, parse, plain, text } from "./exact.js";
import { Form } from "./form.js";
import { clock, plural } from "./format.js";
import { live } from "./live.js";
import { merged, nameOfPlace, shownChanges } from "./merge.js";
import { member, withValue } from "./pointer.js";
import { mayNotWrite } from "./record_actions.js";
import { toRecord, toSheet } from "./route.js";
import { goSaved } from "./saved.js";
import { schemaOf } from "./schema.js";
import { titleOf } from "./value.js";
import { attempt, change, readRecord, tried, written } from "./write.js";

/** How long typing must pause before it is checked. */
const PAUSE = 350;

/** The most fields that the suggested message names. */
const NAMED = 3;

/** `#/edit/<sheet>/<key…>`, and `#/new/<sheet>` with the record to begin `from`. */
export async function show({ element, route, signal }) {
  const [sheet, ...segments] = route.rest;
  const key = route.name === "edit" ? segments.join("/") : null;
  const page = new EditPage({ sheet, key, from: route.params.get("from"), signal });
  put(element, page.heading());
  if (!live.mayWrite(sheet)) return void element.append(mayNotWrite(sheet));
  try {
    await page.begin(element);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    element.append(h("p", { class: "soft" }, error.status === 404 ? "There is no such record." : refusal(error)));
    return undefined;
  }
  live.on("changes", signal, (event) => page.changed(event));
  return () => undefined;
}

class EditPage {
  #title = h("h1", { tabindex: "-1" });
  #notes = h("div", { class: "edit-notes", role: "status" });
  #conflict = h("div", {});
  #body = h("div", { class: "edit-columns" });
  #place = h("div", {});
  #difference = h("div", { class: "edit-difference" });
  #general = h("ul", { class: "general-errors" });
  #mode = "form";
  #texts = {};
  #base;
  #tag = null;
  #attempt = attempt();
  #pause = 0;
  #asked = new AbortController();
  #isSaving = false;
  /** The version of somebody else that one chooses from now. */
  #asking = null;
  /** The key that the record would get, and the field for it where the others do not say it. */
  #wouldBe = null;
  #key = keyField(() => this.#typed());
  #form;
  #commit;
  #draft;

  constructor(place) {
    Object.assign(this, place);
    this.signal.addEventListener("abort", () => {
      clearTimeout(this.#pause);
      this.#asked.abort();
    });
  }

  get #isNew() {
    return this.key === null;
  }

  get #back() {
    return this.#isNew ? toSheet(this.sheet) : toRecord(this.sheet, this.key);
  }

  heading() {
    this.#entitle();
    const over = [h("a", { href: toSheet(this.sheet) }, this.sheet), !this.#isNew && [" / ", h("a", { href: this.#back }, h("code", {}, this.key))]];
    return h("header", { class: "head" }, h("p", { class: "over" }, over), this.#title);
  }

  #entitle(value) {
    const title = this.#isNew ? (this.from ? "Duplicate" : "New record") : `Edit ${titleOf(value, this.key)}`;
    this.#title.textContent = title;
    document.title = `${title} · Headwater`;
  }

  async begin(element) {
    const source = this.key ?? this.from;
    const [{ document, schema }, read] = await Promise.all([schemaOf(this.sheet, this.signal), source === null ? null : readRecord(this.sheet, source, this.signal)]);
    this.#base = this.#isNew ? undefined : read.value;
    this.#tag = this.#isNew ? null : read.tag;
    this.#entitle(plain(read?.value));
    this.#draft = new Draft([this.#isNew ? "new" : "edit", this.sheet, source ?? ""], this.signal);
    this.#commit = new CommitForm({ action: "Save", cancel: this.#back, onsave: () => this.#save(), onmessage: () => this.#typed() });
    const references = live.sheets.find(({ name }) => name === this.sheet)?.references ?? [];
    this.#form = new Form({ document, schema, value: read?.value ?? {}, base: this.#base, texts: this.#texts, references, onchange: () => this.#typed() });
    put(this.#body,
      h("div", {}, this.#modes(), this.#place),
      h("aside", { class: "edit-panel", "aria-label": "Your changes" }, h("h2", {}, "Your changes"), this.#difference, this.#general, this.#commit.element));
    // Enter in a line saves, as in any form, but only from the message.
    element.append(this.#notes, this.#conflict, this.#body);
    const draft = this.#draft.read();
    if (draft !== null) await this.#restore(parse(draft));
    this.#showPlace();
    this.#showDifference();
    if (this.#isChanged) this.#check();
    const files = this.#isNew ? null : await attachments(this.sheet, this.key, this.signal);
    if (files) this.#place.after(files);
  }

  get #isChanged() {
    return Object.keys(this.#texts).length > 0 || !isEqual(this.#form.value, this.#base ?? (this.from ? undefined : {}));
  }

  /** Continues with what was typed before a reload, also if the record has changed meanwhile. */
  async #restore({ base, tag, value, texts, message, at }) {
    const [now, nowTag] = [this.#base, this.#tag];
    Object.assign(this.#texts, texts);
    this.#commit.message = message;
    this.#form.replace(value, this.#base);
    this.#note(`What you typed at ${clock(at)} is back.`, h("button", { type: "button", class: "quiet small", onclick: () => this.#startOver() }, "Start over"));
    if (tag === nowTag) return;
    this.#base = base;
    this.#meet({ value: now, tag: nowTag });
  }

  #startOver() {
    for (const pointer of Object.keys(this.#texts)) delete this.#texts[pointer];
    this.#commit.message = "";
    this.#form.replace(this.#base ?? {}, this.#base);
    put(this.#notes);
    this.#draft.forget();
    this.#showPlace();
    this.#showDifference();
    this.#told([]);
    this.#commit.say();
    this.#title.focus();
  }

  #note(...words) {
    put(this.#notes, words.length > 0 && h("p", { class: "banner note" }, words.map((word) => [word, " "])));
  }

  /** Returns the choice between the form and JSON. */
  #modes() {
    const button = (mode, label) => h("button", { type: "button", class: "quiet", "aria-pressed": String(mode === this.#mode), "data-mode": mode, onclick: () => this.#switch(mode) }, label);
    return h("div", { class: "modes", role: "group", "aria-label": "How to edit" }, button("form", "Form"), button("json", "JSON"));
  }

  #switch(mode) {
    if (mode === this.#mode || this.#texts[""] !== undefined) return;
    this.#mode = mode;
    for (const button of this.#body.querySelectorAll("[data-mode]")) button.setAttribute("aria-pressed", String(button.dataset.mode === mode));
    this.#showPlace();
  }

  #showPlace() {
    if (this.#texts[""] !== undefined) this.#mode = "json";
    if (this.#mode === "form") {
      this.#form.show();
      return put(this.#place, this.#form.element);
    }
    const told = h("p", { class: "field-error", role: "status", id: "whole-error" });
    const area = h("textarea", { class: "code whole", id: "whole", spellcheck: "false", "aria-label": "The record as JSON", "aria-describedby": "whole-error", oninput: () => {
      try {
        const value = parse(area.value);
        put(told);
        delete this.#texts[""];
        this.#form.value = value;
      } catch (error) {
        put(told, `This is not JSON yet: ${error.message}`);
        this.#texts[""] = area.value;
      }
      this.#typed();
    } });
    area.value = this.#texts[""] ?? text(this.#form.value, 2);
    put(this.#place, area, told);
  }

  /** Keeps, shows and checks what is typed. */
  #typed() {
    this.#attempt = attempt();
    this.#draft.keep(() => text({ base: this.#base, tag: this.#tag, value: this.#form.value, texts: this.#texts, message: this.#commit.message, at: new Date().toISOString() }));
    this.#showDifference();
    clearTimeout(this.#pause);
    this.#asked.abort();
    this.#pause = setTimeout(() => this.#check(), PAUSE);
  }

  #showDifference() {
    const fields = this.#isNew ? [] : shownChanges(this.#base, this.#form.value);
    const title = titleOf(plain(this.#form.value), this.#isNew ? "a record" : this.key);
    this.#commit.suggest(this.#isNew || this.#base === undefined ? `Add ${title}` : named(fields, title));
    const nothing = this.#isNew ? "This makes a new record." : "Nothing yet. Change a field, and it appears here.";
    put(this.#difference, fields.length === 0 ? h("p", { class: "soft" }, nothing) : fieldChanges(fields));
  }

  get #lacksKey() {
    return this.#key.element.isConnected && this.#key.input.value.trim() === "";
  }

  /** Returns what saving asks for. */
  #operation() {
    const { sheet, key } = this;
    if (this.#isNew && this.#key.element.isConnected) return { op: "put", sheet, key: this.#key.input.value.trim(), value: this.#form.value, ifNoneMatch: "*" };
    if (this.#isNew) return { op: "create", sheet, value: this.#form.value };
    if (this.#base === undefined) return { op: "put", sheet, key, value: this.#form.value, ifNoneMatch: "*" };
    return change({ sheet, key, tag: this.#tag, before: this.#base, after: this.#form.value });
  }

  /** Asks the server what it thinks of what is typed. */
  async #check() {
    if (this.#asking !== null) return undefined;
    if (!this.#isChanged) {
      this.#told([]);
      return this.#commit.say();
    }
    if (Object.keys(this.#texts).length > 0) return this.#commit.say("bad", "Something is not JSON yet.");
    if (this.#lacksKey) return this.#commit.say(null, "It needs a key: the address under which it is found.");
    this.#asked = new AbortController();
    try {
      const { results: [{ key, movedFrom }] } = await tried([this.#operation()], this.#asked.signal);
      this.#wouldBe = key;
      this.#told([]);
      this.#commit.say("good", this.#isNew ? ["It can be saved, as ", h("code", {}, key), "."] : movedFrom ? ["It can be saved, and moves to ", h("code", {}, key), "."] : "It can be saved.");
    } catch (error) {
      if (error.name !== "AbortError") await this.#refused(error);
    }
  }

  async #save() {
    if (!this.#isChanged) return this.#commit.say(null, "There is nothing to save yet.");
    if (Object.keys(this.#texts).length > 0) return this.#commit.say("bad", "Something is not JSON yet.");
    if (this.#lacksKey) return this.#key.input.focus();
    clearTimeout(this.#pause);
    this.#asked.abort();
    this.#isSaving = true;
    this.#commit.say(null, "Saving…");
    try {
      const { commit, changed, results } = await written([this.#operation()], this.#commit.subject, this.#attempt);
      const key = results[0]?.key ?? this.#wouldBe ?? this.key;
      this.#draft.forget();
      const done = this.#isNew ? "The record is made." : "Saved.";
      goSaved(toRecord(this.sheet, key), { text: changed ? done : "Nothing had to be changed.", commit: changed ? commit : null });
    } catch (error) {
      await this.#refused(error);
      this.#body.querySelector("[aria-invalid]")?.focus();
    } finally {
      this.#isSaving = false;
    }
  }

  async #refused(error) {
    if (error.status === 412) return this.#meet(await this.#read());
    if (error.status === 404 && !this.#isNew) return this.#gone();
    if (this.#isNew && asksForKey(error)) return this.#askForKey();
    if (error.errors.length > 0) {
      const errors = error.errors.map(({ pointer, detail }) => placed(pointer, detail));
      this.#told(errors);
      return this.#commit.say("bad", `${plural(errors.length, "thing")} to correct before it can be saved.`);
    }
    this.#told([]);
    return this.#commit.say("bad", refusal(error));
  }

  /** The fields of the record do not say where it goes, so somebody has to. */
  #askForKey() {
    this.#commit.say();
    this.#place.before(this.#key.element);
    this.#typed();
  }

  /** Shows errors beside their fields, and the others above the message. */
  #told(errors) {
    const rest = this.#mode === "form" ? this.#form.tell(errors) : errors;
    put(this.#general, rest.map(({ pointer, detail }) => h("li", {}, pointer && [nameOfPlace(pointer), ": "], detail)));
  }

  async #read() {
    try {
      return await readRecord(this.sheet, this.key, this.signal);
    } catch (error) {
      if (error.status === 404) return null;
      throw error;
    }
  }

  /** Somebody else was faster: takes what only they changed, and asks about what both changed. */
  #meet(theirs) {
    if (theirs === null) return this.#gone();
    // The answer to the same question is not asked for again.
    if (theirs.tag === this.#tag || theirs.tag === this.#asking) return undefined;
    const { value, conflicts, theirs: taken } = merged(this.#base, this.#form.value, theirs.value);
    const go = (next) => {
      [this.#base, this.#tag] = [theirs.value, theirs.tag];
      this.#form.replace(next, this.#base);
      if (this.#mode === "json") this.#showPlace();
      this.#asking = null;
      put(this.#conflict);
      this.#body.hidden = false;
      this.#typed();
    };
    const fields = taken.map(nameOfPlace).join(", ");
    if (conflicts.length === 0) {
      const isChanged = this.#isChanged;
      go(value);
      if (!isChanged) this.#draft.forget();
      this.#note(h("strong", {}, "Somebody else changed this record."), isChanged ? `They changed ${fields || "the same as you"}. What you typed is kept.` : "You see their version.");
      return undefined;
    }
    this.#asking = theirs.tag;
    this.#body.hidden = true;
    this.#note();
    const chosen = (given) => {
      go(given.reduce((sum, { pointer, value: one }) => withValue(sum, pointer, one), value));
      this.#title.focus();
    };
    put(this.#conflict, h("section", { "aria-labelledby": "conflict-head" },
      h("h2", { id: "conflict-head", tabindex: "-1" }, "Somebody else changed this record"),
      h("p", { class: "lead" }, "While you were typing, they changed the same as you. Choose for each field which version to keep. Nothing is saved yet.", fields && ` They also changed ${fields}, which is kept.`),
      choices({ conflicts, names: { ours: "Yours", theirs: "Theirs" }, action: "Continue", onchosen: chosen })));
    document.getElementById("conflict-head").focus();
    announce("Somebody else changed this record");
    return undefined;
  }

  /** Somebody else deleted the record. */
  #gone() {
    const again = () => {
      [this.#base, this.#tag] = [undefined, null];
      this.#note();
      this.#typed();
    };
    this.#commit.say("bad", "This record does not exist any more.");
    this.#note(h("strong", {}, "Somebody else deleted this record."), "What you typed is kept.",
      h("button", { type: "button", class: "quiet small", onclick: again }, "Make it again"));
  }

  async changed({ items }) {
    if (this.#isNew || this.#isSaving || this.#base === undefined) return;
    if (items !== null && !items.some(({ sheet, key }) => sheet === this.sheet && key === this.key)) return;
    this.#meet(await this.#read());
  }
}

/** Returns the field for the key of a new record. */
function keyField(oninput) {
  const input = h("input", { type: "text", id: "new-key", autocomplete: "off", spellcheck: "false", oninput });
  const element = h("div", { class: "form new-key" }, h("div", { class: "field-row" },
    h("div", { class: "field-head" }, h("label", { for: "new-key" }, "Key")),
    h("p", { class: "soft field-hint" }, "The address under which the record is found, such as 2026/a-title."), input));
  return { element, input };
}

/** Says in words what changes in a record. */
function named(fields, title) {
  const names = [...new Set(fields.map(({ pointer }) => nameOfPlace(pointer).split(" › ")[0]).filter(Boolean))];
  const listed = names.slice(0, NAMED).join(", ");
  return `Change ${listed ? `${listed}${names.length > NAMED ? " and more" : ""} of ` : ""}${title}`;
}

/** Moves an error about a missing field to that field. */
function placed(pointer, detail) {
  const missing = detail.match(/"((?:[^"\\]|\\.)*)" is a required property/) ?? detail.match(/the path needs the field "([^"]*)"/);
  return missing ? { pointer: member(pointer, missing[1]), detail: "This is needed." } : { pointer, detail };
}

/** Whether somebody has to say where a new record goes. */
const asksForKey = ({ errors }) => errors.some(({ detail }) => detail.includes("has no path template"));

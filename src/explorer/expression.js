// The form for an expression: names and values are completed while one types, and what is wrong is
// shown below its column.

import { DATES, namesFor, placeOf, valuesFor } from "./completion.js";
import { h, put } from "./dom.js";
import { number, plural } from "./format.js";

/** How long typing must pause before the expression is tried. */
const PAUSE = 300;

/** How many characters are shown before and behind a wrong one. */
const AROUND = 48;

/** Returns where an expression is wrong: `{ column, message }`, or null if the error is another one. */
export function flawOf(error) {
  const found = (error.errors ?? []).find(({ parameter }) => parameter === "filter")?.detail.match(/^column (\d+): (.*)$/s);
  return found ? { column: Number(found[1]), message: found[2] } : null;
}

/** Shows an expression with what is wrong below its column. */
export function shownFlaw(expression, { column, message }) {
  // A column counts characters, of which some are two units of a text.
  const characters = [...expression.replaceAll(/\s/g, " ")];
  const from = Math.max(0, column - 1 - AROUND);
  const before = (from > 0 ? "…" : "") + characters.slice(from, column - 1).join("");
  const rest = characters.slice(column, column + AROUND).join("");
  return h("div", { class: "flaw" },
    h("pre", { tabindex: "0", "aria-label": "The expression" }, before, h("mark", {}, characters[column - 1] ?? " "), rest, "\n", h("span", { "aria-hidden": "true" }, `${" ".repeat([...before].length)}^`)),
    h("p", {}, `Column ${number(column)}: ${message}.`));
}

export class ExpressionForm {
  #input = h("input", {
    id: "filter-expression", autocomplete: "off", spellcheck: "false", autocapitalize: "off", placeholder: "size(tags) > 1 && has(name)", role: "combobox",
    "aria-expanded": "false", "aria-autocomplete": "list", "aria-controls": "expression-options", "aria-describedby": "expression-told",
    oninput: () => this.#typed(), onkeydown: (event) => this.#key(event), onblur: () => this.#offer([]),
  });
  #list = h("ul", { id: "expression-options", role: "listbox", "aria-label": "What can follow", hidden: true });
  #told = h("div", { id: "expression-told", role: "status" });
  #menu = h("details", { class: "menu", ontoggle: () => this.#menu.open && this.#input.focus() }, h("summary", {}, "Expression"),
    h("form", { class: "menu-body wide-menu", onsubmit: (event) => this.#submit(event) },
      h("div", { class: "combo" }, h("label", { for: "filter-expression" }, "Expression in CEL"), this.#input, this.#list),
      this.#told,
      h("div", { class: "row" }, h("button", { type: "submit" }, "Set the expression"))));
  element = h("div", { class: "tool" }, this.#menu);
  #options = [];
  #active = -1;
  #place = null;
  #pause = 0;
  #asked = new AbortController();

  /** `tried` counts the records of an expression, or throws what is wrong; `suggested` returns the
   * frequent values of a field; `onset` gets an expression, or null to take it away. */
  constructor(fields, { tried, suggested, onset }) {
    this.fields = fields;
    Object.assign(this, { tried, suggested, onset });
  }

  /** Shows the expression that is set, unless another one is being written. */
  show(text) {
    if (!this.#menu.open) this.#input.value = text;
  }

  #typed() {
    this.#tryLater();
    this.#complete();
  }

  #tryLater() {
    this.#asked.abort();
    this.#asked = new AbortController();
    clearTimeout(this.#pause);
    // What is half written is wrong as long as there is something to choose.
    this.#pause = setTimeout(() => this.#list.hidden && this.#try(), PAUSE);
  }

  async #try() {
    const text = this.#input.value.trim();
    if (!text) {
      put(this.#told);
      return true;
    }
    try {
      const matching = await this.tried(text, this.#asked.signal);
      put(this.#told, h("p", { class: "soft" }, `${plural(matching, "record")} ${matching === 1 ? "matches" : "match"}.`));
      return true;
    } catch (error) {
      if (error.name === "AbortError") return false;
      const flaw = flawOf(error);
      put(this.#told, flaw ? shownFlaw(text, flaw) : h("p", { class: "flaw" }, `${error.message}.`));
      return false;
    }
  }

  async #submit(event) {
    event.preventDefault();
    clearTimeout(this.#pause);
    this.#offer([]);
    if (!await this.#try()) return;
    put(this.#told);
    this.#menu.open = false;
    this.#menu.querySelector("summary").focus();
    this.onset(this.#input.value.trim() || null);
  }

  /** Offers what can follow at the cursor; all names only if `isWanted`. */
  async #complete(isWanted = false) {
    const { signal } = this.#asked;
    const place = placeOf(this.#input.value, this.#input.selectionStart);
    this.#place = place;
    if (place === null) return this.#offer([]);
    if (place.kind === "name") return this.#offer(place.typed || isWanted ? namesFor(place.typed, this.fields.names) : []);
    if (!this.fields.has(place.field)) return this.#offer([]);
    if (this.fields.typeOf(place.field) === "date") return this.#offer(DATES);
    const values = await this.suggested(place.field, place.typed, signal).catch(() => []);
    if (!signal.aborted) this.#offer(valuesFor(values));
  }

  #offer(options) {
    this.#options = options;
    this.#active = -1;
    const isOpen = options.length > 0;
    this.#list.hidden = !isOpen;
    this.#input.setAttribute("aria-expanded", String(isOpen));
    this.#input.removeAttribute("aria-activedescendant");
    put(this.#list, options.map(({ text, told, count }, at) => {
      const take = (event) => {
        // The focus stays in the input.
        event.preventDefault();
        this.#take(at);
      };
      return h("li", { role: "option", id: `expression-option-${at}`, "aria-selected": "false", onmousedown: take }, h("code", {}, text), h("span", { class: "soft" }, count === undefined ? told : number(count)));
    }));
  }

  #key(event) {
    const { key } = event;
    const count = this.#options.length;
    if (count === 0) return key === "ArrowDown" && this.#complete(true);
    if (key === "ArrowDown" || key === "ArrowUp") {
      const step = key === "ArrowDown" ? 1 : -1;
      this.#point((this.#active + step + count + (this.#active < 0 && step < 0 ? 1 : 0)) % count);
    } else if ((key === "Enter" || key === "Tab") && this.#active >= 0) this.#take(this.#active);
    else if (key === "Escape") {
      // The menu stays open.
      event.stopPropagation();
      this.#offer([]);
      this.#tryLater();
    } else return;
    event.preventDefault();
  }

  #point(at) {
    this.#active = at;
    [...this.#list.children].forEach((option, index) => option.setAttribute("aria-selected", String(index === at)));
    this.#input.setAttribute("aria-activedescendant", `expression-option-${at}`);
    this.#list.children[at].scrollIntoView({ block: "nearest" });
  }

  #take(at) {
    const { text } = this.#options[at];
    const { value, selectionStart } = this.#input;
    const place = this.#place;
    // A string that is open is replaced as a whole, with the quote that closes it.
    const end = place.kind === "value" && /^["']/.test(value.slice(selectionStart)) ? selectionStart + 1 : selectionStart;
    this.#input.value = value.slice(0, place.from) + text + value.slice(end);
    this.#input.setSelectionRange(place.from + text.length, place.from + text.length);
    this.#offer([]);
    this.#tryLater();
  }
}

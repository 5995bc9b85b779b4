// A form for a value: made from the schema and from what the value is now. It holds the value that it
// shows, and tells each change.

import { h, put } from "./dom.js";
import { showErrors } from "./field.js";
import { group, members } from "./field_group.js";
import { json } from "./field_json.js";
import { list } from "./field_list.js";
import { reference } from "./field_reference.js";
import { choice, date, flag, number, text } from "./field_scalar.js";
import { isObject } from "./exact.js";
import { namesOf, valueAt, withValue } from "./pointer.js";
import { kindOf, resolved } from "./schema.js";

/** The depth from which on what is deeper is JSON. */
const DEEPEST = 12;

export class Form {
  element = h("div", { class: "form" });
  /** Whether parts that can be closed are open, by pointer. */
  opened = new Map();
  #errors = [];

  /** `texts` are what is typed and is no value yet, by pointer. `references` are those of the sheet. */
  constructor({ document, schema, value, base, texts, references, onchange }) {
    Object.assign(this, { document, schema, value, texts, references, onchange });
    this.baseValue = base;
    this.show();
  }

  get(pointer) {
    return valueAt(this.value, pointer);
  }

  /** Returns what was there before anybody typed. */
  base(pointer) {
    return valueAt(this.baseValue, pointer);
  }

  set(pointer, value) {
    this.value = withValue(this.value, pointer, value);
    this.onchange();
  }

  /** Keeps what is typed at `pointer` and is no value yet. */
  keep(pointer, typed) {
    if (typed === undefined) delete this.texts[pointer];
    else this.texts[pointer] = typed;
    this.onchange();
  }

  /** Forgets what is typed in the parts of `pointer` and is no value yet: they are elsewhere now. */
  forget(pointer) {
    for (const typed of Object.keys(this.texts)) if (typed.startsWith(`${pointer}/`)) delete this.texts[typed];
  }

  kept(pointer) {
    return this.texts[pointer];
  }

  /** Shows the whole value. */
  show() {
    const schema = resolved(this.document, this.schema);
    const whole = isObject(this.value) ? members(this, "", schema, 0) : json(this, { pointer: "", label: "Record" });
    put(this.element, whole);
    showErrors(this.element, this.#errors);
  }

  /** Shows another value, and leaves the focus and the selection where they are. */
  replace(value, base) {
    const { id, selectionStart, selectionEnd } = document.activeElement ?? {};
    Object.assign(this, { value, baseValue: base });
    this.show();
    const focused = id ? this.element.querySelector(`#${CSS.escape(id)}`) : null;
    focused?.focus();
    if (focused && typeof selectionStart === "number") focused.setSelectionRange(selectionStart, selectionEnd);
  }

  /** Shows the form again after its parts have changed, and moves the focus to the element with this id. */
  redraw(focused) {
    this.show();
    document.getElementById(focused)?.focus();
  }

  /** Returns the field at a place. */
  field(place, schema, depth) {
    const { pointer } = place;
    const whole = resolved(this.document, schema);
    const value = this.get(pointer);
    const target = this.#reference(pointer);
    const isText = value === undefined || typeof value === "string";
    if (target && isText && kindOf(whole, value) !== "list") return reference(this, place, target);
    if (this.kept(pointer) !== undefined || depth > DEEPEST) return json(this, place);
    switch (kindOf(whole, value)) {
      case "choice": return choice(this, place, whole.enum);
      case "flag": return flag(this, place);
      case "number": return number(this, place);
      case "date": return date(this, place);
      case "line": return text(this, place, false);
      case "lines": return text(this, place, true);
      case "list": return list(this, place, whole.items, depth);
      case "group": return group(this, place, whole, depth);
      default: return json(this, place);
    }
  }

  /** Returns the reference that the field at `pointer` is; positions in lists do not count. */
  #reference(pointer) {
    const name = namesOf(pointer).filter((part) => !/^\d+$/.test(part)).join(".");
    return this.references.find(({ field }) => field === name);
  }

  /** Shows errors beside their fields, and returns the others. */
  tell(errors) {
    this.#errors = errors;
    return showErrors(this.element, errors);
  }
}

// A field that refers to a record of another sheet, which is found by its words.

import { read } from "./api.js";
import { h, put } from "./dom.js";
import { framed, idOf, nothing } from "./field.js";
import { titleOf } from "./value.js";

/** How many records are offered, and how long typing must pause before they are searched. */
const OFFERED = 8;
const PAUSE = 150;

export function reference(form, place, { sheet, target }) {
  const { pointer } = place;
  const listId = `${idOf(pointer)}-list`;
  const value = form.get(pointer);
  const input = h("input", { type: "text", role: "combobox", autocomplete: "off", spellcheck: "false", "aria-expanded": "false", "aria-autocomplete": "list", "aria-controls": listId });
  const options = h("ul", { role: "listbox", id: listId, class: "options", "aria-label": `Records of ${sheet}`, hidden: true });
  const chosen = h("p", { class: "soft field-hint" });
  let [offered, active, pause, asked] = [[], -1, 0, new AbortController()];

  const show = (record) => {
    input.value = record ? titleOf(record.value, record.key) : form.get(pointer) ?? "";
    input.dataset.shown = input.value;
    put(chosen, record ? [sheet, " / ", h("code", {}, record.key)] : form.get(pointer) && `No record of ${sheet} that you may see.`);
  };
  const close = () => {
    options.hidden = true;
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
    active = -1;
  };
  const choose = (record) => {
    form.set(pointer, target === undefined ? record.key : record.value[target]);
    close();
    show(record);
  };
  const mark = (index) => {
    active = index;
    [...options.children].forEach((option, at) => option.setAttribute("aria-selected", at === index));
    if (index < 0) return input.removeAttribute("aria-activedescendant");
    input.setAttribute("aria-activedescendant", options.children[index].id);
    options.children[index].scrollIntoView({ block: "nearest" });
  };
  const offer = async () => {
    asked.abort();
    asked = new AbortController();
    const q = input.value.trim();
    const isNew = q && q !== input.dataset.shown;
    const query = isNew ? read(["_search"], { q, sheet, perPage: OFFERED }, asked.signal) : read([sheet], { limit: OFFERED }, asked.signal);
    offered = await query.then(({ body }) => body.items, () => []);
    put(options, offered.map((record, index) => h("li", {
      role: "option", id: `${listId}-${index}`, "aria-selected": "false",
      // The input keeps the focus.
      onmousedown: (event) => {
        event.preventDefault();
        choose(record);
      },
    }, titleOf(record.value, record.key), " ", h("code", { class: "soft" }, record.key))));
    options.hidden = offered.length === 0 || document.activeElement !== input;
    input.setAttribute("aria-expanded", String(!options.hidden));
    mark(-1);
  };
  input.addEventListener("input", () => {
    clearTimeout(pause);
    if (input.value.trim() === "") form.set(pointer, nothing(place));
    pause = setTimeout(offer, PAUSE);
  });
  input.addEventListener("keydown", (event) => {
    const isOpen = !options.hidden;
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && !isOpen) offer();
    if (step) {
      event.preventDefault();
      if (isOpen) mark((active + step + offered.length) % offered.length);
    } else if (event.key === "Enter") {
      event.preventDefault();
      if (isOpen && active >= 0) choose(offered[active]);
    } else if (event.key === "Escape" && isOpen) {
      event.stopPropagation();
      close();
    }
  });
  input.addEventListener("focus", () => input.select());
  input.addEventListener("click", offer);
  // What is typed and not chosen is taken as the value itself: the server says whether it refers to a record.
  input.addEventListener("blur", () => {
    clearTimeout(pause);
    close();
    const typed = input.value.trim();
    if (typed === "" || typed === input.dataset.shown) return;
    form.set(pointer, typed);
    find(sheet, target, typed).then(show);
  });
  show(undefined);
  put(chosen);
  if (value !== undefined) find(sheet, target, value).then(show);
  const label = h("span", {}, place.label, h("span", { class: "soft" }, ` from ${sheet}`));
  return framed({ ...place, label }, input, options, chosen);
}

/** Finds the record that a value refers to. */
async function find(sheet, target, value) {
  try {
    if (target === undefined) return { key: value, value: (await read([sheet, ...value.split("/")])).body };
    return (await read([sheet], { [target]: value, limit: 1 })).body.items[0];
  } catch {
    return undefined;
  }
}

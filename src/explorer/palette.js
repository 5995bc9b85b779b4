// The box behind Ctrl+K: it goes to pages, sheets, records, fields and commits, and does commands, by a
// few letters.

import { read } from "./api.js";
import { commands } from "./commands.js";
import { h, put } from "./dom.js";
import { plural, short, when } from "./format.js";
import { live } from "./live.js";
import { link, parse, toCompare, toRecord, toSheet } from "./route.js";
import { titleOf } from "./value.js";

/** How long typing must pause before the server is asked. */
const PAUSE = 150;

/** The most entries of one kind, and the most sheets before anything is typed. */
const MOST = 6;
const ALL = 100;

/** The most commands before anything is typed. */
const COMMANDS = 8;

const PAGES = [
  ["Overview", "#/"],
  ["Changes", "#/commits"],
  ["Reloads", "#/reloads"],
  ["Problems", "#/problems"],
  ["API", "#/api"],
];

/** Opens the box, unless a dialog is open already. */
export function openPalette() {
  if (document.querySelector("dialog[open]")) return;
  const input = h("input", {
    type: "text", id: "palette-text", role: "combobox", autocomplete: "off", spellcheck: "false", placeholder: "Go to…",
    "aria-label": "Go to a page, sheet, record, field or change, or do something", "aria-expanded": "true", "aria-controls": "palette-list", "aria-autocomplete": "list",
  });
  const list = h("div", { id: "palette-list", role: "listbox", "aria-label": "Places" });
  const told = h("p", { class: "unseen", role: "status" });
  const dialog = h("dialog", { class: "palette", "aria-label": "Go to" }, input, list, told,
    h("p", { class: "soft keys", "aria-hidden": "true" }, "↑ ↓ to choose, Enter to go, Escape to close"));
  let asked = new AbortController();
  let [pause, chosen, found] = [0, 0, []];

  const choose = (index) => {
    chosen = Math.max(0, Math.min(index, found.length - 1));
    for (const option of list.querySelectorAll("[role=option]")) {
      const isChosen = option.id === `place-${chosen}`;
      option.setAttribute("aria-selected", String(isChosen));
      if (isChosen) option.scrollIntoView({ block: "nearest" });
    }
    if (found.length > 0) input.setAttribute("aria-activedescendant", `place-${chosen}`);
    else input.removeAttribute("aria-activedescendant");
  };
  const render = (groups) => {
    found = groups.flatMap(({ entries }) => entries);
    let index = -1;
    put(list, groups.filter(({ entries }) => entries.length > 0).map(({ name, entries }) =>
      h("div", { role: "group", "aria-label": name }, h("p", { class: "group", "aria-hidden": "true" }, name), entries.map((entry) => {
        index += 1;
        const at = index;
        return h("div", { role: "option", id: `place-${at}`, "aria-selected": "false", onclick: () => go(at), onpointermove: () => chosen !== at && choose(at) },
          entry.title, entry.note && h("span", { class: "soft" }, " ", entry.note));
      }))));
    if (found.length === 0) put(list, h("p", { class: "soft" }, "Nothing has this name."));
    told.textContent = plural(found.length, "place");
    choose(0);
  };
  const go = (index) => {
    const place = found[index];
    if (!place) return;
    dialog.close();
    if (place.run) place.run();
    else location.href = place.address;
  };
  const ask = async () => {
    asked.abort();
    asked = new AbortController();
    const text = input.value.trim();
    const known = knownPlaces(text);
    render(known);
    if (text.length < 2) return;
    try {
      const further = await Promise.all([records(text, asked.signal), commits(text, asked.signal)]);
      render([...known, ...further]);
    } catch (error) {
      if (error.name !== "AbortError") render(known);
    }
  };
  input.addEventListener("input", () => {
    clearTimeout(pause);
    render(knownPlaces(input.value.trim()));
    pause = setTimeout(ask, PAUSE);
  });
  input.addEventListener("keydown", (event) => {
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: MOST, PageUp: -MOST };
    if (event.key in steps) choose(chosen + steps[event.key]);
    else if (event.key === "Enter") go(chosen);
    else return;
    event.preventDefault();
  });
  dialog.addEventListener("click", ({ target }) => target === dialog && dialog.close());
  dialog.addEventListener("close", () => {
    clearTimeout(pause);
    asked.abort();
    dialog.remove();
  });
  render(knownPlaces(""));
  document.body.append(dialog);
  dialog.showModal();
}

/** Returns what needs no answer of the server: pages, sheets, the fields of the shown sheet, and commands. */
function knownPlaces(text) {
  const has = (name) => name.toLowerCase().includes(text.toLowerCase());
  const pages = PAGES.filter(([title]) => has(title)).map(([title, address]) => ({ title, address }));
  const sheets = live.sheets.filter(({ name }) => has(name)).slice(0, text ? MOST : ALL)
    .map(({ name, records }) => ({ title: name, note: plural(records, "record"), address: toSheet(name) }));
  const named = commands().filter(({ title, note }) => has(`${title} ${note ?? ""}`)).slice(0, text ? MOST : COMMANDS);
  return [{ name: "Pages", entries: pages }, { name: "Sheets", entries: sheets }, { name: "Fields", entries: fields(has, text) }, { name: "Commands", entries: named }];
}

/** Returns the fields with this name, first those of the sheet that is shown. */
function fields(has, text) {
  const { name, rest } = parse(location.hash);
  const here = name === "sheet" || name === "record" ? rest[0] : null;
  if (!text && here === null) return [];
  const sheets = live.sheets.filter((sheet) => text || sheet.name === here).sort((a, b) => (b.name === here) - (a.name === here));
  const all = sheets.flatMap((sheet) => sheet.fields.filter(has).map((field) => ({
    title: field, note: `of ${sheet.name}: sort by it`, address: toSheet(sheet.name, { sort: field }),
  })));
  return all.slice(0, MOST);
}

async function records(text, signal) {
  const { items } = (await read(["_search"], { q: text, perPage: MOST }, signal)).body;
  const entries = items.map(({ sheet, key, value }) => ({ title: titleOf(value, key), note: `${sheet} / ${key}`, address: toRecord(sheet, key) }));
  return { name: "Records", entries };
}

/** Returns the latest commits with these words in their message or author, or with this hash. */
async function commits(text, signal) {
  const { items } = (await read(["_commits"], { limit: 100 }, signal)).body;
  const has = ({ commit, author, summary }) => commit.startsWith(text) || `${summary} ${author}`.toLowerCase().includes(text.toLowerCase());
  const entries = items.flatMap((item, index) => {
    const before = items[index + 1]?.commit;
    if (!has(item)) return [];
    const address = before ? toCompare(before, item.commit) : link(["commits"]);
    return [{ title: item.summary || short(item.commit), note: `${item.author}, ${when(item.time)}`, address }];
  });
  return { name: "Changes", entries: entries.slice(0, MOST) };
}

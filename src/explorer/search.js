// A search in all sheets, while the user types.

import { read, sentence } from "./api.js";
import { announce, h, put } from "./dom.js";
import { corrections, plural } from "./format.js";
import { toRecord, toSheet } from "./route.js";
import { titleOf } from "./value.js";

export async function show({ element, route, signal }) {
  const input = document.getElementById("find-text");
  const lead = h("p", { class: "lead" });
  const list = h("div", {});
  put(element, h("header", { class: "head" }, h("h1", { tabindex: "-1" }, "Search"), lead), list);
  let asked = new AbortController();
  signal.addEventListener("abort", () => asked.abort());
  const update = async ({ params }) => {
    const q = params.get("q") ?? "";
    if (document.activeElement !== input) input.value = q;
    asked.abort();
    asked = new AbortController();
    if (!q) {
      put(lead, "Words, “phrases in quotes”, -excluded, OR, AND, NOT and brackets, field:word, pre* for a prefix, and word~ to allow a typo.");
      return put(list);
    }
    try {
      const { items, total, corrected, relaxed } = (await read(["_search"], { q }, asked.signal)).body;
      const told = total === 0 ? `No records match “${q}”.` : `${plural(total, "record")} for “${q}”, best first.${relaxed ? " Few have all words, so those with some follow." : ""}${corrections(corrected)}`;
      put(lead, told);
      announce(told);
      put(list, h("ol", { class: "hits" }, items.map(hit)));
    } catch (error) {
      if (error.name === "AbortError") return;
      put(lead, sentence(error, "_search"));
      put(list);
    }
  };
  await update(route);
  return update;
}

function hit({ sheet, key, value, highlights }) {
  const parts = Object.entries(highlights).slice(0, 3);
  return h("li", { class: "hit" },
    h("h2", {}, h("a", { href: toRecord(sheet, key) }, titleOf(value, key))),
    h("p", { class: "soft" }, h("a", { href: toSheet(sheet) }, sheet), " / ", h("code", {}, key)),
    parts.map(([field, texts]) => h("p", { class: "excerpt" }, h("span", { class: "soft field" }, field), " ", texts.slice(0, 2).map((text) => [marked(text), " "]))));
}

const ENTITIES = { "&amp;": "&", "&lt;": "<", "&gt;": ">", "&quot;": "\"", "&#39;": "'", "&#x27;": "'" };

/** Turns an excerpt, which is escaped and has `<mark>` around the matches, into text and marks. */
function marked(excerpt) {
  const text = (escaped) => escaped.replace(/&(amp|lt|gt|quot|#39|#x27);/g, (entity) => ENTITIES[entity]);
  return excerpt.split(/<mark>(.*?)<\/mark>/s).map((part, index) => (index % 2 === 1 ? h("mark", {}, text(part)) : text(part)));
}

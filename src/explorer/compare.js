// The comparison of two commits: all records that differ, and their differing fields.

import { read, sentence } from "./api.js";
import { fieldChanges } from "./difference.js";
import { h, put } from "./dom.js";
import { number, plural, short } from "./format.js";
import { toRecord, toSheet } from "./route.js";
import { shownValue } from "./tree.js";
import { titleOf } from "./value.js";

/** The most records that are listed. */
const LISTED = 100;

export async function show({ element, route, signal }) {
  const lead = h("p", { class: "lead" });
  const list = h("div", {});
  put(element, h("header", { class: "head" }, h("h1", { tabindex: "-1" }, "What changed"), lead), list);
  const update = async ({ params }) => {
    const [from, to, sheet] = ["from", "to", "sheet"].map((name) => params.get(name) ?? "");
    put(lead, "From ", h("code", { title: from }, short(from)), " to ", h("code", { title: to }, short(to)), sheet && ` in ${sheet}`, ".");
    try {
      const diff = (await read(["_diff"], { from, to, limit: LISTED, ...(sheet && { sheet }) }, signal)).body;
      put(list, records(diff));
    } catch (error) {
      if (error.name !== "AbortError") put(list, h("p", { class: "soft" }, sentence(error, "_diff")));
    }
  };
  await update(route);
  return update;
}

function records({ items, counts, total }) {
  if (total === 0) return h("p", { class: "soft" }, "No records differ.");
  const told = (name, { added, modified, removed }) =>
    h("li", {}, h("a", { href: toSheet(name) }, name), ` ${[added && `${number(added)} added`, modified && `${number(modified)} modified`, removed && `${number(removed)} removed`].filter(Boolean).join(", ")}`);
  return [
    h("ul", { class: "counts" }, Object.entries(counts).map(([name, count]) => told(name, count))),
    h("ol", { class: "changes" }, items.map(item)),
    total > items.length && h("p", { class: "soft" }, `These are the first ${number(items.length)} of ${plural(total, "record")}.`),
  ];
}

function item({ sheet, key, change, fields, value }) {
  const name = value ? titleOf(value, key) : key;
  const title = change === "removed" ? name : h("a", { href: toRecord(sheet, key) }, name);
  return h("li", { class: "change" },
    h("h2", {}, h("span", { class: `kind ${change}` }, change), " ", title),
    h("p", { class: "soft" }, h("a", { href: toSheet(sheet) }, sheet), " / ", h("code", {}, key)),
    change === "modified" ? fieldChanges(fields ?? []) : value !== undefined && h("details", {}, h("summary", {}, "Its value"), shownValue(value)));
}

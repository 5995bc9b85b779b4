// The problems of the data: file, line, rule.

import { read, sentence } from "./api.js";
import { h, put, scrolling } from "./dom.js";
import { plural } from "./format.js";
import { live } from "./live.js";
import { toRecord, toSheet } from "./route.js";

export async function show({ element, route, signal }) {
  let sheet = route.params.get("sheet");
  const lead = h("p", { class: "lead" }, "Files that cannot be records, and values that break a rule.");
  const list = h("div", {});
  put(element, h("header", { class: "head" }, h("h1", { tabindex: "-1" }, "Problems"), lead), list);
  const render = async () => {
    try {
      const { items, total } = await all(signal);
      const listed = sheet === null ? items : items.filter((problem) => problem.sheet === sheet);
      const of = sheet === null ? "" : ` in ${sheet}`;
      put(lead, total === 0 ? "No problems: every file is a valid record."
        : `${plural(listed.length, "problem")}${of}. A file with a problem is absent until it is fixed.`,
      sheet !== null && [" ", h("a", { href: "#/problems" }, "Show all sheets")]);
      put(list, listed.length > 0 && table(listed));
    } catch (error) {
      if (error.name !== "AbortError") put(list, h("p", { class: "soft" }, sentence(error, "_problems")));
    }
  };
  await render();
  live.on("changes", signal, render);
  return (next) => {
    sheet = next.params.get("sheet");
    return render();
  };
}

/** Reads the first pages: nobody reads more than a few thousand problems. */
async function all(signal) {
  const items = [];
  let page = { next: undefined };
  for (let pages = 0; pages < 5 && page.next !== null; pages += 1) {
    page = (await read(["_problems"], page.next && { cursor: page.next }, signal)).body;
    items.push(...page.items);
  }
  return { items, total: page.total };
}

function table(problems) {
  const head = ["File", "Rule", "Problem"].map((name) => h("th", { scope: "col" }, name));
  return scrolling("Problems", h("table", { class: "problem-table" }, h("thead", {}, h("tr", {}, head)), h("tbody", {}, problems.map(row))));
}

function row({ sheet, key, path, line, column, pointer, rule, message }) {
  const place = [line, column].filter((part) => part !== undefined).join(":");
  const file = h("code", {}, path, place && h("span", { class: "place" }, `:${place}`));
  const source = sourceOf(path, line);
  return h("tr", {},
    h("th", { scope: "row" },
      source ? h("a", { href: source, rel: "noreferrer", title: "Show the file at the forge" }, file) : file,
      sheet && h("div", { class: "soft" }, h("a", { href: toSheet(sheet), class: "soft" }, sheet), key !== undefined && [" / ", h("a", { href: toRecord(sheet, key), class: "soft" }, key)])),
    h("td", {}, h("span", { class: "chip" }, rule)),
    h("td", {}, message, pointer && h("div", { class: "soft" }, "at ", h("code", {}, pointer))));
}

/** Returns the address of a line of a file at the forge, if the server knows how such addresses are made. */
function sourceOf(path, line) {
  const { sourceUrl, commit } = live.status ?? {};
  const segments = path.split("/").map(encodeURIComponent).join("/");
  return sourceUrl?.replaceAll("{commit}", commit).replaceAll("{line}", String(line ?? 1)).replaceAll("{path}", () => segments);
}

// The commits of the branch as a timeline: who changed what, and when. New ones appear as they go live.

import { read, sentence } from "./api.js";
import { h, put, since, whenChanged } from "./dom.js";
import { number, plural, short } from "./format.js";
import { live } from "./live.js";
import { link, replace, toCompare, toSheet } from "./route.js";

/** The commits of a page, and how often the server is asked for them. */
const PAGE = 30;
const MOST_ASKED = 10;

const DAY = new Intl.DateTimeFormat("en-GB", { weekday: "long", day: "numeric", month: "long", year: "numeric" });

const VERBS = { added: "new", modified: "changed", removed: "removed" };

export async function show({ element, route, signal }) {
  let sheet = route.params.get("sheet") ?? "";
  let commits = [];
  let next = null;
  const list = h("div", { class: "timeline" });
  const older = h("button", { type: "button", class: "quiet", onclick: () => more() }, "Show older changes");
  const foot = h("p", {}, older);
  const choice = h("select", { id: "timeline-sheet", onchange: () => replace(link(["commits"], choice.value ? { sheet: choice.value } : undefined)) });
  put(element,
    h("header", { class: "head" }, h("h1", { tabindex: "-1" }, "Changes"),
      h("p", { class: "lead" }, "Everything that was changed, newest first: each entry is a commit of the branch.")),
    h("p", { class: "choice" }, h("label", { for: "timeline-sheet" }, "Sheet"), choice),
    list, foot);

  /** The server ends a page early when the commits are costly to compare. */
  const page = async (cursor) => {
    const found = { items: [], next: cursor };
    for (let asked = 0; asked < MOST_ASKED && found.items.length < PAGE && found.next !== null; asked += 1) {
      const limit = PAGE - found.items.length;
      const params = { limit, ...(sheet && { sheet }), ...(found.next && { cursor: found.next }) };
      const { items, next } = (await read(["_commits"], params, signal)).body;
      found.items.push(...items);
      found.next = next;
    }
    return found;
  };
  const render = () => {
    put(list, commits.length > 0 ? days(commits, sheet, next === null) : h("p", { class: "soft" }, sheet ? `No commit changed ${sheet}.` : "This branch has no commits yet."));
    foot.hidden = next === null;
  };
  const guarded = async (work) => {
    try {
      await work();
      render();
    } catch (error) {
      if (error.name === "AbortError") return;
      put(list, h("p", { class: "soft" }, sentence(error, "_commits")));
      foot.hidden = true;
    }
  };
  const more = () => guarded(async () => {
    const { items, next: following } = await page(next);
    commits.push(...items);
    next = following;
  });
  const anew = () => guarded(async () => {
    const { items, next: following } = await page();
    const known = items.findIndex(({ commit }) => commit === commits[0]?.commit);
    // What was read further down stays, unless the branch was rewritten.
    if (known >= 0) commits = [...items.slice(0, known), ...commits];
    else [commits, next] = [items, following];
  });
  const options = whenChanged(() => [live.sheets.map(({ name }) => name), sheet], () => {
    const names = live.sheets.map(({ name }) => name);
    if (sheet && !names.includes(sheet)) names.push(sheet);
    put(choice, h("option", { value: "" }, "All sheets"), names.map((name) => h("option", { value: name }, name)));
    choice.value = sheet;
  });
  options();
  live.on("status", signal, options);
  live.on("changes", signal, anew);
  await anew();
  return (updated) => {
    sheet = updated.params.get("sheet") ?? "";
    commits = [];
    options();
    return anew();
  };
}

/** The commits that were shown before; others are new. */
const shown = new Set();

/** Returns the commits by day, of one sheet or of all. `isWhole` tells whether the last one is the first of the branch. */
function days(commits, sheet, isWhole) {
  const isFirst = shown.size === 0;
  const parts = [...grouped(commits)].map(([day, entries]) => h("section", {},
    h("h2", {}, day),
    h("ol", { class: "commits" }, entries.map(([index, commit]) => {
      // No commit between two that changed a sheet has changed it, so of this sheet the two tell all.
      const before = commits[index + 1]?.commit;
      const isNew = !isFirst && !shown.has(commit.commit);
      const isLast = !sheet && isWhole && index === commits.length - 1;
      return item(commit, before && toCompare(before, commit.commit, sheet), isLast, isNew);
    }))));
  for (const { commit } of commits) shown.add(commit);
  return parts;
}

function grouped(commits) {
  const byDay = new Map();
  for (const [index, commit] of commits.entries()) {
    const day = DAY.format(new Date(commit.time));
    byDay.set(day, [...(byDay.get(day) ?? []), [index, commit]]);
  }
  return byDay;
}

function item({ commit, time, author, summary, changed }, differences, isFirst, isNew) {
  const counts = Object.entries(changed);
  const hash = h("code", { title: commit }, short(commit));
  return h("li", { class: isNew ? "commit arrived" : "commit" },
    h("p", { class: "subject" }, differences ? h("a", { href: differences }, summary || "Without a message") : summary || "Without a message"),
    h("p", { class: "soft" }, author, " · ", since(time), " · ", hash, isFirst && " · the first commit"),
    h("p", { class: "what" }, counts.length > 0 ? counts.map(([sheet, numbers]) => [
      h("span", { class: "chip" }, h("a", { href: toSheet(sheet) }, sheet), " ", counted(numbers)), " ",
    ]) : h("span", { class: "soft" }, "No records changed")));
}

/** `3 new, 1 removed` */
function counted(numbers) {
  const told = Object.entries(VERBS).filter(([kind]) => numbers[kind] > 0);
  return told.map(([kind, verb]) => `${number(numbers[kind])} ${verb}`).join(", ") || plural(0, "record");
}

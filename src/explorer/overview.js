// An overview of the served state: the commit, the sheets, and the last pushes that went live.

import { h, put, section, since, whenChanged } from "./dom.js";
import { ms, number, plural, seconds, short, when } from "./format.js";
import { live } from "./live.js";
import { reloadList } from "./reloads.js";
import { toSheet } from "./route.js";

/** The most reloads that are shown here. */
const LATEST = 5;

export async function show({ element, signal }) {
  const heading = h("h1", { tabindex: "-1", "data-title": "Overview" }, live.status?.branch ?? "Overview");
  const lead = h("p", { class: "lead" });
  const figures = h("dl", { class: "figures" });
  const [sheets, facts, latest] = [h("div", {}), h("dl", { class: "facts" }), h("div", {})];
  const render = () => {
    if (!live.status) return put(lead, "The records are still loading.");
    put(heading, live.status.branch);
    showLead(lead, live.status);
    put(figures, figuresOf(live).map(([name, value, href]) =>
      h("div", {}, h("dt", {}, name), h("dd", {}, href ? h("a", { href }, value) : value))));
    put(facts, factsOf(live.status).map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]));
    put(sheets, sheetTable(live.sheets));
    showLatest(latest);
  };
  put(element,
    h("header", { class: "head" }, h("p", { class: "over" }, "Branch"), heading, lead),
    figures,
    h("div", { class: "columns" },
      h("div", {}, section("Sheets", sheets), section("State", facts)),
      h("div", {}, section("Recent deploys", latest))));
  const renderNews = whenChanged(() => [{ ...live.status, ageSeconds: 0 }, live.reloads, live.sheets], render);
  renderNews();
  for (const event of ["status", "reloads"]) live.on(event, signal, renderNews);
}

function showLead(lead, { commit, publishedAt }) {
  put(lead, "Every answer is built from ", h("code", { title: commit }, short(commit)), ", which went live ",
    since(publishedAt), ".");
}

function figuresOf({ status, sheets, reloads }) {
  const last = reloads?.find(({ ok, outcome }) => ok && outcome !== "unchanged");
  return [
    [status.records === 1 ? "record" : "records", number(status.records)],
    [sheets.length === 1 ? "sheet" : "sheets", number(sheets.length)],
    [status.problems === 1 ? "problem" : "problems", number(status.problems), "#/problems"],
    ["to go live, last time", last ? ms(last.durationMs) : "–", "#/reloads"],
  ];
}

function factsOf({ commit, digest, pinned, held, lag, ahead, push, degraded, last }) {
  const behind = lag.seconds > 0 ? `${seconds(lag.seconds)} behind the remote` : "none: the remote's head is served";
  return [
    ["Commit", h("code", { class: "long" }, commit)],
    ["Digest", h("code", { class: "long" }, digest)],
    ["Lag", lag.remoteHead ? behind : "unknown: there is no remote, or it has not been polled yet"],
    lag.fetchedAt && ["Fetched", h("time", { datetime: lag.fetchedAt }, when(lag.fetchedAt))],
    ["Pinned", pinned ? `to ${short(pinned.commit)}, since ${when(pinned.since)}` : "no"],
    ["Held", held ? `${short(held.commit)} (${held.reason.replaceAll("_", " ")}), since ${when(held.since)}` : "nothing"],
    degraded && ["Degraded", "yes"],
    ahead > 0 && ["Ahead", `${plural(ahead, "commit")} not pushed yet`],
    push?.failure && ["Push", `failed ${plural(push.failures, "time")}: ${push.failure.replaceAll("_", " ")}`],
    last && ["Last reload", [`${last.outcome}${last.code ? ` (${last.code.replaceAll("_", " ")})` : ""}, `, since(last.at)]],
  ].filter(Boolean);
}

function sheetTable(sheets) {
  if (sheets.length === 0) return h("p", { class: "soft" }, "There are no sheets in this commit. Push a folder with records, or declare sheets in headwater.toml, and they appear here.");
  const most = Math.max(...sheets.map(({ records }) => records), 1);
  return h("table", { class: "sheet-table" },
    h("thead", {}, h("tr", {}, ["Name", "Records", "Problems", "Format"].map((name) => h("th", { scope: "col", class: name.toLowerCase() }, name)))),
    h("tbody", {}, sheets.map(({ name, records, problems, format, root }) =>
      h("tr", {},
        h("th", { scope: "row" }, h("a", { href: toSheet(name) }, name), root !== name && h("span", { class: "soft root" }, ` ${root}/`)),
        h("td", { class: "records" }, number(records), h("meter", { min: 0, max: most, value: records, "aria-hidden": "true", tabindex: "-1" })),
        h("td", { class: "problems" }, problems > 0 ? h("a", { href: `#/problems?sheet=${encodeURIComponent(name)}` }, number(problems)) : h("span", { class: "soft" }, "0")),
        h("td", { class: "soft format" }, format)))));
}

function showLatest(element) {
  const latest = (live.reloads ?? []).filter(({ outcome }) => outcome !== "unchanged").slice(0, LATEST);
  if (latest.length > 0) return put(element, reloadList(latest), h("p", {}, h("a", { href: "#/reloads" }, "All reloads")));
  put(element, h("p", { class: "soft" }, live.reloads ? "No push has gone live since this server started." : "This server has no route _reloads, so reloads are not shown."));
}

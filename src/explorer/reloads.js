// The feed of reloads: each with its stages and its changes, and the durations over time.

import { latencyPlot, legend, stageBar, stageText, summary } from "./chart.js";
import { h, put, since, whenChanged } from "./dom.js";
import { ms, plural, short } from "./format.js";
import { live } from "./live.js";
import { toCompare, toRecord } from "./route.js";

/** The most records that a reload names. */
const NAMED = 5;

const TRIGGERS = {
  boot: "at startup",
  webhook: "by a webhook",
  poll: "by a poll",
  audit: "by an audit",
  operator: "by the operator",
  push: "after our own push",
};

export async function show({ element, signal }) {
  const plot = h("div", {});
  const list = h("div", {});
  const all = h("input", { type: "checkbox", id: "all-reloads", onchange: () => render() });
  const choice = h("p", { class: "choice" }, all, h("label", { for: "all-reloads" }, "Show reloads that found nothing new"));
  const render = () => {
    if (!live.reloads) return put(list, h("p", { class: "soft" }, "This server has no route _reloads, so reloads are not shown."));
    const listed = live.reloads.filter((reload) => all.checked || isNews(reload));
    put(plot, listed.length > 0 && latencyPlot([...listed].reverse()));
    put(list, listed.length > 0 ? reloadList(listed) : h("p", { class: "soft" }, "No reloads since this server started."));
  };
  put(element,
    h("header", { class: "head" }, h("h1", { tabindex: "-1" }, "Reloads"),
      h("p", { class: "lead" }, "Every push that went live: fetched, compared, decoded, applied next to the live state, and published by one swap.")),
    plot, legend(), choice, list);
  const renderNews = whenChanged(() => [live.reloads, [...live.seen.keys()]], render);
  renderNews();
  live.on("reloads", signal, renderNews);
  live.on("changes", signal, renderNews);
}

/** The reloads that were shown before; others are new. */
const known = new Set();

const isNews = ({ outcome }) => outcome !== "unchanged";

/** Returns a list of reloads whose bars have the same scale. */
export function reloadList(reloads) {
  const longest = Math.max(...reloads.map(({ durationMs }) => durationMs));
  const isFirst = known.size === 0;
  const items = reloads.map((reload) => item(reload, longest, isFirst || known.has(reload.id)));
  for (const { id } of reloads) known.add(id);
  return h("ol", { class: "reloads" }, items);
}

function item(reload, longest, isKnown) {
  const { at, ok, outcome, oldCommit, newCommit, trigger, durationMs, timings, reason, code } = reload;
  const moved = oldCommit !== newCommit;
  const told = [code, reason].filter(Boolean).join(", ").replaceAll("_", " ");
  return h("li", { class: isKnown ? "reload" : "reload arrived" },
    h("div", { class: "reload-head" },
      h("span", { class: `outcome ${ok ? outcome : "failed"}` }, outcome),
      since(at),
      h("span", { class: "soft trigger" }, TRIGGERS[trigger] ?? trigger),
      moved ? h("a", { class: "commits", href: toCompare(oldCommit, newCommit), title: "What changed" }, h("code", {}, short(oldCommit)), " → ", h("code", {}, short(newCommit)))
        : h("code", { class: "commits soft" }, short(newCommit)),
      h("span", { class: "figure total" }, ms(durationMs))),
    timings && h("div", { class: "reload-bar" }, stageBar(timings, longest)),
    timings && h("p", { class: "stage-text" }, stageText(timings)),
    told && h("p", { class: "why" }, ok ? "" : "The old state is still served: ", told),
    moved && h("p", { class: "what" }, summary(reload), " ", named(newCommit)));
}

/** Names the first changed records, if this page saw the change. */
function named(commit) {
  const items = live.seen.get(commit) ?? [];
  const links = items.slice(0, NAMED).map(({ sheet, key, change }) =>
    change === "leave" ? h("span", { class: "gone" }, `${sheet}/${key}`) : h("a", { href: toRecord(sheet, key) }, `${sheet}/${key}`));
  const more = items.length > NAMED ? ` and ${plural(items.length - NAMED, "more", "more")}` : "";
  return h("span", { class: "named" }, links.map((link) => [link, " "]), more);
}

// Undoes a commit: what it changed becomes as it was before, as a new commit. What has changed again since
// then stays as it is.

import { read } from "./api.js";
import { CommitForm, refusal } from "./commit_form.js";
import { fieldChanges } from "./difference.js";
import { h, put } from "./dom.js";
import { plain } from "./exact.js";
import { plural, short } from "./format.js";
import { live } from "./live.js";
import { changes, merged, nameOfPlace, shownChanges } from "./merge.js";
import { withValue } from "./pointer.js";
import { mayNotWrite } from "./record_actions.js";
import { toRecord, toSheet } from "./route.js";
import { goSaved } from "./saved.js";
import { titleOf } from "./value.js";
import { attempt, change, readExactly, readRecord, tried, written } from "./write.js";

/** The most records of a commit that is undone here. */
const MOST = 200;

/** How many records are read at once. */
const AT_ONCE = 6;

/** `#/undo/<commit>`, or the last change of a record: `#/undo?sheet=…&key=…` */
export async function show({ element, route, signal }) {
  const lead = h("p", { class: "lead" });
  const body = h("div", { class: "edit-columns" });
  put(element, h("header", { class: "head" }, h("h1", { tabindex: "-1" }, "Undo a change"), lead), body);
  try {
    const commit = route.rest[0] ?? await lastOf(route.params.get("sheet"), route.params.get("key") ?? "", signal);
    await offer({ commit, lead, body, signal });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    put(lead, error.code === "unknown_commit" ? "There is no such change in the history." : refusal(error));
  }
}

/** Returns the last commit that changed a record. */
async function lastOf(sheet, key, signal) {
  const { items } = (await read(["_history", sheet, ...key.split("/")], { limit: 1 }, signal)).body;
  return items[0]?.commit ?? "";
}

/** Names a commit by its summary, unless that is only the request that made it. */
function named({ commit, summary }) {
  return /^\S+: (PUT|PATCH|POST|DELETE) \//.test(summary) ? short(commit) : `${short(commit)}: ${summary}`;
}

async function offer({ commit, lead, body, signal }) {
  const [undone, parent] = (await read(["_commits"], { until: commit, limit: 2 }, signal)).body.items;
  if (!parent) return put(lead, "This is the first change of all, so there is nothing to go back to.");
  const { items, total } = await readExactly(["_diff"], { from: parent.commit, to: undone.commit, limit: MOST }, signal);
  const sheets = [...new Set(items.map(({ sheet }) => sheet))];
  const closed = sheets.find((sheet) => !live.mayWrite(sheet));
  if (closed) return put(body, mayNotWrite(closed));
  if (total > MOST) return put(lead, `This change touched ${plural(total, "record")}. So many are undone with git, not here.`);
  const plans = await planned(items, signal);
  const open = plans.filter(({ operation }) => operation !== null);
  // A record that moved is first removed where it is, so that its unique values are free.
  const operations = open.map(({ operation }) => operation).sort((one, other) => (other.op === "delete") - (one.op === "delete"));
  put(lead, `${plural(operations.length, "record")} will be as before `, h("code", {}, short(undone.commit)), ` by ${undone.author}.`);
  const newer = plans.flatMap(({ item, kept }) => kept.map((pointer) => `${item.key}: ${nameOfPlace(pointer) || "the whole record"}`));
  put(body, h("div", {}, open.map(shown),
    newer.length > 0 && h("p", { class: "banner note" }, h("strong", {}, "Changed again since then, and kept as it is: "), newer.join(", "))));
  if (operations.length === 0) return put(lead, "Nothing is left to undo: everything is as it was before, or has changed again since then.");
  const back = open.length === 1 ? toRecord(open[0].item.sheet, open[0].item.key) : toSheet(open[0].item.sheet);
  const form = new CommitForm({ action: "Undo this change", cancel: back, message: `Undo ${named(undone)}`, onsave: save });
  body.append(h("aside", { class: "edit-panel", "aria-label": "Undo" }, form.element));
  const id = attempt();
  async function save() {
    try {
      const { commit: made } = await written(operations, `${form.message || "Undo"} (reverts ${undone.commit})`, id);
      const isGone = open.length === 1 && open[0].operation.op === "delete";
      goSaved(isGone ? toSheet(open[0].item.sheet) : back, { text: "Undone.", commit: made });
    } catch (error) {
      if (error.status === 412) {
        await offer({ commit, lead, body, signal });
        return;
      }
      said(form, error);
    }
  }
  await tried(operations, signal).then(() => form.say("good", "It can be undone."), (error) => said(form, error));
}

function said(form, error) {
  if (error.name === "AbortError") return;
  const [first] = error.errors;
  form.say("bad", "It cannot be undone: ", first ? first.detail : refusal(error));
}

/** Returns what to do with each record. */
async function planned(items, signal) {
  const plans = new Array(items.length);
  const rest = items.map((item, index) => ({ item, index }));
  const work = async () => {
    for (let next = rest.shift(); next; next = rest.shift()) plans[next.index] = plan(next.item, await current(next.item, signal));
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return plans;
}

async function current({ sheet, key }, signal) {
  try {
    return await readRecord(sheet, key, signal);
  } catch (error) {
    if (error.status === 404) return { value: undefined, tag: null };
    throw error;
  }
}

/** Decides about one record: `{ item, before, after, operation, kept }`, where `kept` are the pointers of what has
 * changed again. */
function plan(item, { value: now, tag }) {
  const { sheet, key, change: kind, fields = [], value } = item;
  const set = (side) => fields.reduce((sum, field) => withValue(sum, field.pointer, field[side]), now);
  const [then, before] = { added: [value, undefined], removed: [undefined, value], modified: now === undefined ? [null, now] : [set("after"), set("before")] }[kind] ?? [null, now];
  if (now === undefined || then === undefined || before === undefined) {
    const isFree = changes(then, now).length === 0;
    const isDone = changes(before, now).length === 0;
    const operation = !isFree || isDone ? null : before === undefined ? { op: "delete", sheet, key, ifMatch: tag } : { op: "put", sheet, key, value: before, ifNoneMatch: "*" };
    return { item, before: now, after: before, operation, kept: isFree || isDone ? [] : [""] };
  }
  const { value: after, conflicts } = merged(then, before, now);
  const result = conflicts.reduce((sum, { pointer, theirs }) => withValue(sum, pointer, theirs), after);
  const isSame = changes(now, result).length === 0;
  return { item, before: now, after: result, operation: isSame ? null : change({ sheet, key, tag, before: now, after: result }), kept: conflicts.map(({ pointer }) => pointer) };
}

function shown({ item: { sheet, key }, before, after }) {
  const what = before === undefined ? "comes back" : after === undefined ? "is removed" : null;
  return h("section", { class: "change" },
    h("h2", {}, h("a", { href: toRecord(sheet, key) }, titleOf(plain(before ?? after), key)), what && ` ${what}`),
    h("p", { class: "soft" }, sheet, " / ", h("code", {}, key)),
    !what && fieldChanges(shownChanges(before, after)));
}

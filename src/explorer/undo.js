// Undoes a commit: the records and files that it changed become as they were before, as new commits. What has
// changed again since then stays as it is.

import { read } from "./api.js";
import { CommitForm, refusal } from "./commit_form.js";
import { fieldChanges } from "./difference.js";
import { h, put } from "./dom.js";
import { Draft } from "./draft.js";
import { plain } from "./exact.js";
import { fileChanges, undoFile } from "./files.js";
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

/** The most records whose files are looked at. Of more, only those that were removed had files. */
const FEW = 20;

/** `#/undo/<commit>`, with the record whose files it changed as `?sheet=…&key=…`; or the last change of a
 * record: `#/undo?sheet=…&key=…` */
export async function show({ element, route, signal }) {
  const lead = h("p", { class: "lead" });
  const body = h("div", { class: "edit-columns" });
  put(element, h("header", { class: "head" }, h("h1", { tabindex: "-1" }, "Undo a change"), lead), body);
  try {
    const record = route.params.has("sheet") ? { sheet: route.params.get("sheet"), key: route.params.get("key") ?? "" } : null;
    const commit = route.rest[0] ?? await lastOf(record, signal);
    await offer({ commit, record, lead, body, signal });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    put(lead, error.code === "unknown_commit" ? "There is no such change in the history." : refusal(error));
  }
}

/** Returns the last commit that changed a record. */
async function lastOf({ sheet, key }, signal) {
  const { items } = (await read(["_history", sheet, ...key.split("/")], { limit: 1 }, signal)).body;
  return items[0]?.commit ?? "";
}

/** Names a commit by its summary, unless that is only the request that made it. */
function named({ commit, summary }) {
  return /^\S+: (PUT|PATCH|POST|DELETE) \//.test(summary) ? short(commit) : `${short(commit)}: ${summary}`;
}

async function offer({ commit, record, lead, body, signal }) {
  const [undone, parent] = (await read(["_commits"], { until: commit, limit: 2 }, signal)).body.items;
  if (!parent) return put(lead, "This is the first change of all, so there is nothing to go back to.");
  const { items, total } = await readExactly(["_diff"], { from: parent.commit, to: undone.commit, limit: MOST }, signal);
  const sheets = [...new Set([...items, ...(record ? [record] : [])].map(({ sheet }) => sheet))];
  const closed = sheets.find((sheet) => !live.mayWrite(sheet));
  if (closed) return put(body, mayNotWrite(closed));
  if (total > MOST) return put(lead, `This change touched ${plural(total, "record")}. So many are undone with git, not here.`);
  const plans = await planned(items, signal);
  const open = plans.filter(({ operation }) => operation !== null);
  // A record that moved is first removed where it is, so that its unique values are free.
  const operations = open.map(({ operation }) => operation).sort((one, other) => (other.op === "delete") - (one.op === "delete"));
  const files = await filesToUndo({ items, record, operations }, { commit: undone.commit, parent: parent.commit }, signal);
  const what = [operations.length > 0 && plural(operations.length, "record"), files.open.length > 0 && plural(files.open.length, "file")].filter(Boolean);
  put(lead, `${what.join(" and ")} will be as before `, h("code", {}, short(undone.commit)), ` by ${undone.author}.`);
  const newer = plans.flatMap(({ item, kept }) => kept.map((pointer) => `${item.key}: ${nameOfPlace(pointer) || "the whole record"}`));
  const kept = [...newer, ...files.kept.map(({ key, name }) => `${key}: ${name}`)];
  put(body, h("div", {}, open.map(shown), files.open.map(shownFile),
    kept.length > 0 && h("p", { class: "banner note" }, h("strong", {}, "Changed again since then, and kept as it is: "), kept.join(", "))));
  if (what.length === 0) return put(lead, "Nothing is left to undo: everything is as it was before, or has changed again since then.");
  const one = open.length === 1 ? open[0].item : record ?? (open.length === 0 ? files.open[0] : null);
  const isGone = open.length === 1 && operations[0].op === "delete";
  const back = one ? toRecord(one.sheet, one.key) : toSheet(open[0].item.sheet);
  const draft = new Draft(["undo", undone.commit], signal);
  const form = new CommitForm({ action: "Undo this change", cancel: back, message: `Undo ${named(undone)}`, draft, onsave: save });
  body.append(h("aside", { class: "edit-panel", "aria-label": "Undo" }, form.element));
  const id = attempt();
  async function save() {
    const message = `${form.subject || "Undo"}\n\nReverts ${undone.commit}`;
    try {
      let made = operations.length > 0 ? (await written(operations, message, id)).commit : null;
      // A file can be put back only next to its record.
      for (const file of files.open) made = await undoFile(file, parent.commit, message);
      draft.forget();
      goSaved(isGone ? toSheet(one.sheet) : back, { text: "Undone.", commit: files.open.length > 0 ? null : made });
    } catch (error) {
      if (error.status === 412) {
        await offer({ commit, record, lead, body, signal });
        return;
      }
      said(form, error);
    }
  }
  if (operations.length === 0) return form.say("good", "It can be undone.");
  await tried(operations, signal).then(() => form.say("good", "It can be undone."), (error) => said(form, error));
}

/** Returns the files to put back or to remove, and those that have changed again. Those of a record that
 * is removed go with it. */
async function filesToUndo({ items, record, operations }, between, signal) {
  const isOf = (one) => (other) => one.sheet === other.sheet && one.key === other.key;
  const others = record && !items.some(isOf(record)) ? [record] : [];
  const looked = items.length > FEW ? items.filter(({ change }) => change === "removed") : items;
  const stay = [...looked, ...others].filter((one) => !operations.some((operation) => operation.op === "delete" && isOf(one)(operation)));
  const changed = (await inTurns(stay, (one) => fileChanges(one, between, signal))).flat();
  return { open: changed.filter(({ kept }) => !kept), kept: changed.filter(({ kept }) => kept) };
}

function said(form, error) {
  if (error.name === "AbortError") return;
  const [first] = error.errors;
  form.say("bad", "It cannot be undone: ", first ? first.detail : refusal(error));
}

/** Returns what to do with each record. */
const planned = (items, signal) => inTurns(items, async (item) => plan(item, await current(item, signal)));

/** Does `work` for each item, a few at a time. */
async function inTurns(items, work) {
  const results = new Array(items.length);
  const rest = items.map((item, index) => ({ item, index }));
  const turn = async () => {
    for (let next = rest.shift(); next; next = rest.shift()) results[next.index] = await work(next.item);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, turn));
  return results;
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

function shownFile({ sheet, key, name, before }) {
  return h("section", { class: "change" },
    h("h2", {}, name, before ? " becomes as it was" : " is removed"),
    h("p", { class: "soft" }, "A file next to ", h("a", { href: toRecord(sheet, key) }, sheet, " / ", h("code", {}, key))));
}

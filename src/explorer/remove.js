// Deletes a record, after showing it once more.

import { CommitForm, refusal } from "./commit_form.js";
import { h, put } from "./dom.js";
import { Draft } from "./draft.js";
import { plain } from "./exact.js";
import { live } from "./live.js";
import { mayNotWrite } from "./record_actions.js";
import { toRecord, toSheet } from "./route.js";
import { goSaved } from "./saved.js";
import { shownValue } from "./tree.js";
import { titleOf } from "./value.js";
import { attempt, readRecord, written } from "./write.js";

/** `#/delete/<sheet>/<key…>` */
export async function show({ element, route, signal }) {
  const [sheet, ...segments] = route.rest;
  const key = segments.join("/");
  const title = h("h1", { tabindex: "-1" }, `Delete ${key}`);
  const note = h("div", { role: "status" });
  const body = h("div", { class: "edit-columns" });
  put(element, h("header", { class: "head" }, h("p", { class: "over" }, h("a", { href: toSheet(sheet) }, sheet), " / ", h("code", {}, key)), title), note, body);
  if (!live.mayWrite(sheet)) return put(body, mayNotWrite(sheet));
  const offer = async () => {
    const { value, tag } = await readRecord(sheet, key, signal);
    const id = attempt();
    title.textContent = `Delete ${titleOf(plain(value), key)}`;
    const draft = new Draft(["delete", sheet, key], signal);
    const form = new CommitForm({ action: "Delete this record", danger: true, cancel: toRecord(sheet, key), suggested: `Delete ${titleOf(plain(value), key)}`, draft, onsave: async () => {
      try {
        const { commit } = await written([{ op: "delete", sheet, key, ifMatch: tag }], form.subject, id);
        draft.forget();
        goSaved(toSheet(sheet), { text: `${titleOf(plain(value), key)} is deleted.`, commit });
      } catch (error) {
        if (error.status === 412) {
          put(note, h("p", { class: "banner note" }, h("strong", {}, "Somebody else changed this record."), " This is how it is now. Delete it all the same?"));
          return offer();
        }
        form.say("bad", error.status === 404 ? "It is deleted already." : refusal(error));
      }
    } });
    put(body, h("div", {}, shownValue(plain(value))),
      h("aside", { class: "edit-panel", "aria-label": "Delete" }, h("p", { class: "soft" }, "You can undo this afterwards."), form.element));
  };
  try {
    await offer();
  } catch (error) {
    if (error.name === "AbortError") throw error;
    put(body, h("p", { class: "soft" }, error.status === 404 ? "There is no such record." : refusal(error)));
  }
}

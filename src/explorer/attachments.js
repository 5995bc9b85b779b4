// The files next to a record: dropped on the page or picked, replaced, deleted, and undone. Each is a change
// of its own.

import { refusal } from "./commit_form.js";
import { announce, h, put, section } from "./dom.js";
import { answerLink } from "./download.js";
import { changeFile, fileAddress, filesOf } from "./files.js";
import { plural } from "./format.js";
import { link } from "./route.js";

/** Returns the part of the page with the files of a record, or nothing if it cannot have any. */
export async function attachments(sheet, key, signal) {
  const files = new Attachments({ sheet, key }, signal);
  return await files.read() ? files.element : null;
}

class Attachments {
  element;
  #list = h("ul", { class: "files" });
  #note = h("p", { class: "commit-note", role: "status" });
  #items = [];

  constructor(record, signal) {
    Object.assign(this, { record, signal });
    const pick = h("input", { type: "file", id: "pick-files", multiple: true, class: "unseen", onchange: () => this.#add([...pick.files]).then(() => (pick.value = "")) });
    const over = (isOver) => (event) => {
      if (!event.dataTransfer?.types.includes("Files")) return;
      event.preventDefault();
      zone.classList.toggle("over", isOver);
    };
    const zone = h("div", { class: "drop", ondragenter: over(true), ondragover: over(true), ondragleave: over(false), ondrop: (event) => {
      over(false)(event);
      this.#add([...event.dataTransfer.files]);
    } },
    pick, h("label", { for: "pick-files", class: "button quiet" }, "Choose files"), h("span", { class: "soft" }, " or drop them here"));
    this.element = section("Files", h("p", { class: "soft" }, "A file is saved at once, next to the record."), this.#list, zone, this.#note);
  }

  /** Reads the names of the files. Returns whether there can be any. */
  async read() {
    const items = await filesOf(this.record, this.signal);
    this.#items = items ?? [];
    put(this.#list, this.#items.map(({ name, etag }) => h("li", {},
      answerLink(fileAddress(this.record, name), name, name, { download: name }),
      h("button", { type: "button", class: "quiet small", "aria-label": `Delete ${name}`, onclick: () => this.#remove(name, etag) }, "Delete"))));
    return items !== null;
  }

  async #add(files) {
    const done = [];
    for (const file of files) {
      // A file of this name is replaced only as it is known here.
      const known = this.#items.find(({ name }) => name === file.name);
      const condition = known ? { "If-Match": known.etag } : { "If-None-Match": "*" };
      if (known && !confirm(`Replace ${file.name}?`)) continue;
      this.#say(null, `Saving ${file.name}…`);
      const commit = await this.#change({ method: "PUT", name: file.name, condition, body: file, message: `${known ? "Replace" : "Add"} ${file.name}` });
      if (commit === null) return;
      done.push({ name: file.name, commit });
    }
    if (done.length > 0) this.#say("good", `${plural(done.length, "file")} saved.`, done);
  }

  async #remove(name, etag) {
    if (!confirm(`Delete ${name}?`)) return;
    const commit = await this.#change({ method: "DELETE", name, condition: { "If-Match": etag }, message: `Delete ${name}` });
    if (commit !== null) this.#say("good", `${name} is deleted.`, [{ name, commit }]);
    document.getElementById("pick-files").focus();
  }

  /** Makes a change of a file. Returns its commit, or null if it is not done. */
  async #change(change) {
    try {
      return await changeFile({ ...this.record, ...change });
    } catch (error) {
      this.#say("bad", `${change.name}: ${error.status === 412 ? "Somebody else changed this file. Look at it first." : error.status === 413 ? "The file is too large." : refusal(error)}`);
      return null;
    } finally {
      await this.read();
    }
  }

  /** Says what was done, and offers to undo it. */
  #say(kind, words, done = []) {
    const undo = ({ name, commit }) => [" ", h("a", { class: "button quiet small", href: link(["undo", commit], this.record), "aria-label": `Undo: ${name}` }, done.length > 1 ? `Undo ${name}` : "Undo")];
    this.#note.className = `commit-note ${kind ?? ""}`;
    put(this.#note, words, done.map(undo));
    announce(words);
  }
}

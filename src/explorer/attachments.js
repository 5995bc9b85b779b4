// The files next to a record: dropped on the page or picked, replaced, and deleted. Each is a change of its
// own, which can be undone with git.

import { address, answered, request } from "./api.js";
import { refusal } from "./commit_form.js";
import { announce, h, put, section } from "./dom.js";
import { answerLink } from "./download.js";
import { plural } from "./format.js";

/** Returns the part of the page with the files of a record, or nothing if it cannot have any. */
export async function attachments(sheet, key, signal) {
  const files = new Attachments(["_attachments", sheet, ...key.split("/")], signal);
  return await files.read() ? files.element : null;
}

class Attachments {
  element;
  #list = h("ul", { class: "files" });
  #note = h("p", { class: "commit-note", role: "status" });
  #items = [];

  constructor(place, signal) {
    Object.assign(this, { place, signal });
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
    try {
      const { body } = await answered(await request(address([...this.place, ""]), { signal: this.signal, cache: "no-store" }));
      this.#items = body.items;
    } catch (error) {
      if (error.status === 404) return false;
      throw error;
    }
    put(this.#list, this.#items.map(({ name, etag }) => h("li", {},
      answerLink(address([...this.place, name]), name, name, { download: name }),
      h("button", { type: "button", class: "quiet small", "aria-label": `Delete ${name}`, onclick: () => this.#remove(name, etag) }, "Delete"))));
    return true;
  }

  async #add(files) {
    for (const file of files) {
      this.#say(null, `Saving ${file.name}…`);
      // A file of this name is replaced only as it is known here.
      const known = this.#items.find(({ name }) => name === file.name);
      const condition = known ? { "If-Match": known.etag } : { "If-None-Match": "*" };
      if (known && !confirm(`Replace ${file.name}?`)) continue;
      if (!await this.#sent("PUT", file.name, condition, file)) return;
    }
    if (files.length > 0) this.#say("good", `${plural(files.length, "file")} saved.`);
  }

  async #remove(name, etag) {
    if (!confirm(`Delete ${name}?`)) return;
    if (await this.#sent("DELETE", name, { "If-Match": etag })) this.#say("good", `${name} is deleted.`);
    document.getElementById("pick-files").focus();
  }

  /** Sends a change of a file. Returns whether it is done. */
  async #sent(method, name, condition, body) {
    try {
      const headers = { ...condition, ...(body ? { "Content-Type": body.type || "application/octet-stream" } : {}) };
      const response = await request(address([...this.place, name]), { method, headers, body, purpose: "write" });
      if (!response.ok) await answered(response);
      await this.read();
      return true;
    } catch (error) {
      this.#say("bad", `${name}: ${error.status === 412 ? "Somebody else changed this file. Look at it first." : error.status === 413 ? "The file is too large." : refusal(error)}`);
      await this.read();
      return false;
    }
  }

  #say(kind, words) {
    this.#note.className = `commit-note ${kind ?? ""}`;
    put(this.#note, words);
    announce(words);
  }
}

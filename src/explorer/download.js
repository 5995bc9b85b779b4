// Links to answers of the server. A browser follows a link without the token of the reader, so with
// a token the answer is read, and saved as a file.

import { readFile, sentence } from "./api.js";
import { token } from "./credential.js";
import { h, put } from "./dom.js";

/** How long a saved answer stays in memory, for the browser to write it. */
const KEPT = 60_000;

/** Returns a link to the answer at `url`; `name` is that of the file, if it is saved. */
export function answerLink(url, name, label, attributes) {
  const note = h("span", { class: "soft", role: "status" });
  const follow = async (event) => {
    if (token() === null) return;
    event.preventDefault();
    try {
      saveFile(await readFile(url), name);
      put(note);
    } catch (error) {
      put(note, ` ${sentence(error, "this")}`);
    }
  };
  return [h("a", { href: url, onclick: follow, ...attributes }, label), note];
}

/** Saves a file. It is never shown, so its content cannot do anything in the name of the page. */
export function saveFile(file, name) {
  const url = URL.createObjectURL(file);
  h("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), KEPT);
}

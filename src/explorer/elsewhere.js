// Takes what a page shows elsewhere: as an address, as code, as a file, or as a link that always
// shows the same.

import { address, readFile, sentence } from "./api.js";
import { token } from "./credential.js";
import { announce, h, put } from "./dom.js";
import { saveFile } from "./download.js";
import { short } from "./format.js";
import { snippets } from "./snippets.js";

/**
 * Returns the button that opens the dialog. `source` returns what the page shows now:
 *
 * - `segments` and `params`: the request for it
 * - `rows`: the request for it as a list, if it is no list itself
 * - `name`: that of its files, without the ending
 * - `commit`: where it comes from, or null if that is not known
 * - `page`: a function that returns the hash of the page at a commit
 */
export function elsewhereButton(source) {
  return h("button", { type: "button", class: "quiet", id: "elsewhere", onclick: () => open(source()) }, "Use it elsewhere");
}

function open(source) {
  const dialog = h("dialog", { class: "elsewhere", "aria-labelledby": "elsewhere-head" });
  const close = h("button", { type: "button", class: "close quiet", "aria-label": "Close", onclick: () => dialog.close() }, "×");
  put(dialog,
    h("header", {}, h("h2", { id: "elsewhere-head", tabindex: "-1", autofocus: true }, "Use it elsewhere"), close),
    codePart(source), filePart(source), linkPart(source));
  dialog.addEventListener("close", () => dialog.remove());
  // A click beside the dialog closes it.
  dialog.addEventListener("pointerdown", ({ target }) => target === dialog && dialog.close());
  document.body.append(dialog);
  dialog.showModal();
}

const whole = (relative) => new URL(relative, document.baseURI).href;

function part(title, ...children) {
  return h("section", {}, h("h3", {}, title), ...children);
}

function codePart({ segments, params, commit }) {
  const shown = h("div", {});
  let [isPinned, chosen] = [false, "Address"];
  const show = () => {
    const at = isPinned ? [["at", commit]] : [];
    const all = snippets(whole(address(segments, [...params, ...at])), token() !== null);
    const { name, text } = all.find((snippet) => snippet.name === chosen);
    put(shown,
      h("div", { class: "switch", role: "group", "aria-label": "Language" }, all.map((snippet) => h("button", {
        type: "button", "aria-pressed": String(snippet.name === chosen), id: `snippet-${snippet.name}`,
        onclick: () => {
          chosen = snippet.name;
          show();
          document.getElementById(`snippet-${chosen}`).focus();
        },
      }, snippet.name))),
      h("div", { class: "snippet" }, h("pre", { tabindex: "0", "aria-label": `The request: ${name}`, role: "region" }, h("code", {}, text)), copyButton(name === "Address" ? "Copy the address" : `Copy for ${name}`, text)));
  };
  const isAtCommit = params.some(([name]) => name === "at");
  const pin = h("input", { type: "checkbox", id: "elsewhere-pin", onchange: () => {
    isPinned = pin.checked;
    show();
  } });
  show();
  return part("Ask for it", shown,
    commit && !isAtCommit && h("p", { class: "choice" }, pin, h("label", { for: "elsewhere-pin" }, "Always as it is now, at commit ", h("code", {}, short(commit)))),
    token() !== null && h("p", { class: "soft" }, "The token is read from ", h("code", {}, "HEADWATER_TOKEN"), "."));
}

function filePart({ segments, params, rows, name }) {
  const note = h("p", { class: "soft", role: "status" });
  const button = (label, file, make) => h("button", {
    type: "button", class: "quiet",
    onclick: async () => {
      put(note, "Reading…");
      try {
        saveFile(await make(), file);
        put(note, `${file} is saved.`);
      } catch (error) {
        put(note, sentence(error, "this"));
      }
    },
  }, label);
  const list = rows ?? { segments, params };
  const answer = (format) => readFile(address(list.segments, [...list.params, ["format", format]]));
  const json = rows ? () => readFile(address(segments, params)) : async () => asArray(await answer("ndjson"));
  return part("Download it",
    h("p", { class: "files" }, button("JSON", `${name}.json`, json), button("NDJSON", `${name}.ndjson`, () => answer("ndjson")), button("CSV", `${name}.csv`, () => answer("csv"))),
    note);
}

/** Turns a file of lines into one list. As JSON, the server sends only pages of a list. */
async function asArray(file) {
  const lines = (await file.text()).trimEnd();
  return new Blob(["[\n", lines.replaceAll("\n", ",\n"), "\n]\n"], { type: "application/json" });
}

function linkPart({ page, commit }) {
  if (!commit) return null;
  const link = whole(page(commit));
  return part("Link to it",
    h("p", {}, "This link always shows what it shows now, whatever changes."),
    h("div", { class: "snippet" }, h("pre", { tabindex: "0", role: "region", "aria-label": "The link" }, h("code", {}, link)), copyButton("Copy the link", link)));
}

function copyButton(label, text) {
  const button = h("button", { type: "button", class: "quiet copy", "aria-label": label }, "Copy");
  button.addEventListener("click", async () => {
    const isCopied = await copied(text, button);
    button.textContent = isCopied ? "Copied" : "Not copied";
    announce(isCopied ? "Copied" : "The browser did not copy it");
    setTimeout(() => (button.textContent = "Copy"), 2_000);
  });
  return button;
}

/** Copies a text. Without HTTPS, browsers offer only the old way. */
async function copied(text, beside) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text).then(() => true, () => false);
  const field = h("textarea", { class: "unseen", readonly: true }, text);
  beside.after(field);
  field.select();
  const isCopied = document.execCommand("copy");
  field.remove();
  beside.focus();
  return isCopied;
}

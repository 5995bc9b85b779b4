// The token of the reader: asked for when the server wants one, and kept until the tab is closed.

import { h } from "./dom.js";

/** The page of the API document reads the same. */
const NAME = "headwater-token";

/** Whether a token decides what this server shows. */
let decides = false;

/** Whether the reader does not want to be asked again. */
let declined = false;

/** The open question; all who wait for a token share it. */
let question = null;

/** Returns the token, or null. */
export function token() {
  return sessionStorage.getItem(NAME);
}

/** Returns the headers that show the token. */
export function authorization() {
  return token() === null ? {} : { Authorization: `Bearer ${token()}` };
}

/** Takes note of an answer, whose headers tell whether a token decides what it shows. */
export function noteAnswer(response) {
  decides ||= response.status === 401 || /\bauthorization\b/i.test(response.headers.get("Vary") ?? "");
}

/** Asks for a token after a refusal. Returns whether there is another one now. Whoever declined is asked
 * again only for a `write`. */
export async function renewToken(purpose) {
  if (declined && purpose !== "write") return false;
  const needed = purpose === "read"
    ? "This server shows its records only to those who have a token."
    : "Saving needs a token. What you typed stays here.";
  const wrong = "The server does not accept this token. It may have expired.";
  question ??= ask(token() === null ? needed : purpose === "read" ? wrong : `${wrong} What you typed stays here.`).finally(() => (question = null));
  declined = !(await question);
  return !declined;
}

/** Returns the button that signs in or out, if this server knows tokens: those that `write`, or others. */
export function signButton(write) {
  if (token() !== null) return h("button", { type: "button", class: "quiet", id: "sign", onclick: signOut }, "Sign out");
  return (decides || write) && h("button", { type: "button", class: "quiet", id: "sign", onclick: signIn }, "Sign in");
}

/** Drafts may quote what only the token shows, so they go with it. */
function signOut() {
  sessionStorage.clear();
  location.reload();
}

/** Asks for a token, and shows the page as that token does. */
export async function signIn() {
  if (await ask("A token says which sheets you may see, and which you may change.")) location.reload();
}

/** Shows the question; the promise is whether it was answered. */
function ask(reason) {
  return new Promise((resolve) => {
    const input = h("input", { type: "password", id: "token", autocomplete: "off", required: true });
    const answered = (event) => {
      event.preventDefault();
      sessionStorage.setItem(NAME, input.value.trim());
      dialog.close("answered");
    };
    const dialog = h("dialog", { class: "sign-in", "aria-labelledby": "sign-in-head" },
      h("form", { onsubmit: answered },
        h("h2", { id: "sign-in-head" }, "Sign in"),
        h("p", {}, reason),
        h("label", { for: "token" }, "Token"), input,
        h("p", { class: "actions" },
          h("button", { type: "submit" }, "Sign in"),
          h("button", { type: "button", class: "quiet", onclick: () => dialog.close() }, "Cancel"))));
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "answered");
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}

// The token of the reader: kept until the tab is closed, and asked for again when the server refuses it.

import { h } from "./dom.js";
import { SignInError, claimsOf, comeBack } from "./oidc.js";
import { ask } from "./sign_in.js";

const NAME = "headwater-token";

/** The pages on which one types what is to be saved. */
const TYPING = /^#\/(edit|new|delete|undo|bulk)\b/;

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

function keep(token) {
  sessionStorage.setItem(NAME, token);
}

/** Takes the token of somebody whom an issuer has sent back. Returns how to tell why there is none, if it
 * did not work. */
export async function arrive() {
  try {
    const given = await comeBack();
    if (given !== null) keep(given);
  } catch (error) {
    if (!(error instanceof SignInError)) throw error;
    return () => signIn(`You are not signed in. ${error.message}`);
  }
  return null;
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
    ? "This server shows its records only to those who sign in."
    : "Saving needs a token. What you typed stays here.";
  // Whatever asks first asks for all.
  const isTyping = purpose !== "read" || TYPING.test(location.hash);
  const wrong = `The server does not accept this token. It may have expired.${isTyping ? " What you typed stays here." : ""}`;
  question ??= asked(token() === null ? needed : wrong).finally(() => (question = null));
  declined = !(await question);
  return !declined;
}

/** Whether it makes sense to sign in: tokens `write` here, or decide what one sees. */
export const canSignIn = (write) => token() === null && (decides || write);

/** Returns the button that signs in or out, if this server knows tokens: those that `write`, or others. */
export function signButton(write) {
  const button = (label, onclick) => h("button", { type: "button", class: "quiet", id: "sign", onclick }, label);
  if (token() !== null) return [name(), button("Sign out", signOut)];
  return canSignIn(write) && button("Sign in", signIn);
}

/** Returns the name of the person, if the token tells it. */
function name() {
  const { name, preferred_username: user, email } = claimsOf(token()) ?? {};
  const known = [name, user, email].find((one) => typeof one === "string");
  return known && h("span", { class: "person" }, known, " ");
}

/** Drafts may quote what only the token shows, so they go with it. */
export function signOut() {
  sessionStorage.clear();
  location.reload();
}

/** Asks for a token, and shows the page as that token does. `why` is why the last attempt failed. */
export async function signIn(why) {
  const reason = "A token says which sheets you may see, and which you may change.";
  if (await asked(typeof why === "string" ? why : reason)) location.reload();
}

/** Asks the reader to sign in. Returns whether there is a token now. */
async function asked(reason) {
  const given = await ask(reason);
  if (given !== null) keep(given);
  return given !== null;
}

// The question that signs somebody in: at an issuer that knows this page, or with a token.

import { h, put } from "./dom.js";
import { SignInError, issuers, leaveFor } from "./oidc.js";

/** Asks for a token, and says why. Returns it, or null if the reader does not sign in. Who signs in at an
 * issuer leaves the page, and comes back to it. */
export async function ask(reason) {
  const known = await issuers();
  return new Promise((resolve) => {
    const input = h("input", { type: "password", id: "token", autocomplete: "off", required: true });
    const told = h("p", { class: "commit-note bad", role: "status" });
    const dialog = h("dialog", { class: "sign-in", "aria-labelledby": "sign-in-head" });
    const cancel = h("button", { type: "button", class: "quiet", onclick: () => dialog.close() }, "Cancel");
    const answered = (event) => {
      event.preventDefault();
      dialog.close("answered");
    };
    const form = h("form", { onsubmit: answered },
      h("label", { for: "token" }, "Token"), input,
      h("p", { class: "actions" }, h("button", { type: "submit" }, "Sign in"), known.length === 0 && cancel));
    put(dialog, h("h2", { id: "sign-in-head" }, "Sign in"), h("p", {}, reason),
      known.length > 0
        ? [h("p", { class: "actions" }, known.map((provider) => atIssuer(provider, told)), cancel), told,
          h("details", {}, h("summary", {}, "Sign in with a token instead"), form)]
        : form);
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "answered" ? input.value.trim() : null);
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}

/** Returns the button that goes to an issuer. */
function atIssuer(provider, told) {
  const { host } = new URL(provider.issuer);
  const button = h("button", { type: "button", class: "primary", onclick: async () => {
    button.disabled = true;
    put(told, `Going to ${host}…`);
    try {
      await leaveFor(provider);
    } catch (error) {
      button.disabled = false;
      if (!(error instanceof SignInError)) throw error;
      put(told, error.message);
    }
  } }, `Sign in at ${host}`);
  return button;
}

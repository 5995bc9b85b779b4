// A long text: cut after some lines until one asks for all of it, and as written or rendered if it
// is Markdown.

import { h, put } from "./dom.js";
import { isMarkdown, markdown } from "./markdown.js";

/** The height of a line, in ems. */
const LINE = 1.55;

/**
 * Returns the element of a text of which `lines` are shown at first. `isMarkdown` is whether it is
 * known to be Markdown; otherwise the text itself tells.
 */
export function longText(text, { lines, attachment, isMarkdown: isKnown }) {
  const body = h("div", { class: "text" });
  const all = h("button", { type: "button", class: "more", "aria-expanded": "false", hidden: true }, "Show all of it");
  const cut = (isCut) => {
    body.classList.toggle("cut", isCut);
    body.classList.remove("faded");
    body.style.maxHeight = isCut ? `${lines * LINE}em` : "";
    all.setAttribute("aria-expanded", String(!isCut));
    all.textContent = isCut ? "Show all of it" : "Show less";
  };
  all.addEventListener("click", () => cut(!body.classList.contains("cut")));
  // What the keyboard comes to must be seen.
  body.addEventListener("focusin", () => cut(false));
  const measure = () => {
    if (!body.classList.contains("cut")) return;
    const isTaller = body.scrollHeight > body.clientHeight + LINE;
    all.hidden = !isTaller;
    body.classList.toggle("faded", isTaller);
  };
  new ResizeObserver(measure).observe(body);
  cut(true);
  if (!isKnown && !isMarkdown(text)) {
    put(body, text);
    return h("div", { class: "long-text" }, body, all);
  }
  const forms = [["Rendered", () => put(body, markdown(text, attachment))], ["As written", () => put(body, h("div", { class: "written" }, text))]];
  const buttons = forms.map(([name, show]) => h("button", {
    type: "button",
    onclick: () => {
      show();
      buttons.forEach((button) => button.setAttribute("aria-pressed", String(button.textContent === name)));
      measure();
    },
  }, name));
  buttons[0].click();
  return h("div", { class: "long-text" }, h("div", { class: "switch", role: "group", "aria-label": "Form of the text" }, buttons), body, all);
}

// For the demonstration: a button that pushes a change, and a report of how it went live.

import { pushChange } from "./api.js";
import { stageBar, stageText, summary } from "./chart.js";
import { announce, h, put } from "./dom.js";
import { ms, short } from "./format.js";
import { live } from "./live.js";
import { toCompare } from "./route.js";

const panel = document.getElementById("pushed");
let button = null;

/** Shows the button if the server is the demonstration. */
export function showDemo() {
  if (button || !live.status.demo) return;
  button = h("button", { type: "button", class: "primary", onclick: push }, "Push a change");
  document.getElementById("state").before(button);
}

/** Hides the last push. */
export function hidePushed() {
  panel.hidden = true;
}

async function push() {
  button.disabled = true;
  button.textContent = "Pushing…";
  try {
    const { message, reload } = (await pushChange()).body;
    told(message, reload);
    await live.refresh();
  } catch (error) {
    shown(h("p", {}, h("strong", {}, "Not pushed. "), error.message));
  }
  button.disabled = false;
  button.textContent = "Push a change";
}

function told(message, reload) {
  if (!reload.ok) return shown(h("p", {}, h("strong", {}, "Pushed, but not live: "), reload.code));
  const { oldCommit, newCommit, durationMs, timings } = reload;
  announce(`${message}: live after ${ms(durationMs)}`);
  shown(
    h("p", { class: "pushed-line" },
      h("strong", {}, `“${message}”`), " is live after ", h("strong", { class: "figure" }, ms(durationMs)), ". ",
      summary(reload), " ",
      h("a", { href: toCompare(oldCommit, newCommit) }, `What changed at ${short(newCommit)}`)),
    stageBar(timings, durationMs),
    h("p", { class: "stage-text" }, stageText(timings)));
}

function shown(...children) {
  const close = h("button", { type: "button", class: "quiet close", "aria-label": "Close", onclick: hidePushed }, "×");
  put(panel, h("div", { class: "pushed-text" }, children), close);
  panel.hidden = false;
}

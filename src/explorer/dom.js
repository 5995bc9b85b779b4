// Builds elements. Data gets into the page as text and attributes, never as markup.

import { ago, when } from "./format.js";

const SVG = "http://www.w3.org/2000/svg";

/** Returns an element; attributes called on… are listeners, and children may be nested lists. */
export function h(tag, attributes, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/** Returns an element of a drawing. */
export function draw(tag, attributes, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

/** Replaces the children of `element` with `children`. */
export function put(element, ...children) {
  element.replaceChildren(...known(children));
  return element;
}

/** Does `work`, which may rebuild the focused element, and focuses its replacement. */
export function keepingFocus(work) {
  const { id } = document.activeElement ?? {};
  work();
  if (id && document.activeElement?.id !== id) document.getElementById(id)?.focus();
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...known(children));
  return element;
}

function known(children) {
  return children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false);
}

/** Returns an element with the time since something, which is kept up to date. */
export function since(time) {
  return h("time", { class: "since", datetime: time, title: when(time) }, ago(time));
}

/** Updates the elements that `since` returned. */
export function count() {
  for (const time of document.querySelectorAll("time.since")) time.textContent = ago(time.dateTime);
}

/** Returns a function that does `work` only if the result of `what` has changed. */
export function whenChanged(what, work) {
  let before;
  return () => {
    const now = JSON.stringify(what());
    if (now === before) return;
    before = now;
    work();
  };
}

/** Announces an event to screen readers. */
export function announce(text) {
  document.getElementById("announcer").textContent = text;
}

/** Returns a part of the page with a heading. */
export function section(title, ...children) {
  const id = `part-${title.toLowerCase().replace(/[^a-z]+/g, "-")}`;
  return h("section", { "aria-labelledby": id }, h("h2", { id }, title), ...children);
}

/** Returns a table that scrolls by itself if the page is narrow. */
export function scrolling(label, table) {
  return h("div", { class: "scroll", role: "region", "aria-label": label, tabindex: "0" }, table);
}

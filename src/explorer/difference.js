// Shows what differs between two values: field by field, and within a text the lines and words.

import { align, areFlat, fields, lines, shortened, words } from "./diff.js";
import { h } from "./dom.js";
import { number, plural } from "./format.js";
import { shownValue } from "./tree.js";
import { scalar } from "./value.js";

/** The fields and lines that are shown at first, and the elements of a list. */
const FIELDS = 12;
const LINES = 24;
const ELEMENTS = 20;

/** Shows fields with their values before and after: `{ pointer, before, after }`. */
export function fieldChanges(changes) {
  // The server compares lists as a whole.
  const all = changes.flatMap(({ pointer, before, after }) => fields(before, after, pointer));
  if (all.length === 0) return h("p", { class: "soft" }, "No fields differ.");
  const entry = ({ pointer, before, after }) =>
    h("div", {}, h("dt", {}, named(pointer)), h("dd", {}, difference(before, after)));
  const list = h("dl", { class: "fields" }, all.slice(0, FIELDS).map(entry));
  return [list, rest(all, FIELDS, "field", (left) => list.append(...left.map(entry)))];
}

/** Shows a pointer as people write a path; a place in a list counts from one, as in its table. */
function named(pointer) {
  if (!pointer) return "the whole value";
  const names = pointer.slice(1).split("/").map((name) => name.replaceAll("~1", "/").replaceAll("~0", "~"));
  return h("code", { title: pointer }, names.map((name, at) => [at > 0 && " › ", /^\d+$/.test(name) ? `#${Number(name) + 1}` : name]));
}

/** Returns a button that shows what is left, if there is anything. */
function rest(all, shown, one, show) {
  if (all.length <= shown) return null;
  const told = plural(all.length - shown, `more ${one}`);
  const button = h("button", { type: "button", class: "more", "aria-label": `Show ${told}` }, told);
  button.addEventListener("click", () => {
    show(all.slice(shown));
    button.remove();
  });
  return button;
}

function difference(before, after) {
  if (typeof before === "string" && typeof after === "string") return before.includes("\n") || after.includes("\n") ? byLine(before, after) : h("p", { class: "words" }, marked(words(before, after)));
  if (areFlat(before, after)) return byElement(before, after);
  return [
    before !== undefined && h("div", { class: "removed-part" }, h("span", { class: "unseen" }, "Before: "), h("del", {}, shownValue(before))),
    after !== undefined && h("div", { class: "added-part" }, h("span", { class: "unseen" }, "After: "), h("ins", {}, shownValue(after))),
  ];
}

/** Marks the words that differ, and leaves out most of what does not. */
function marked(parts) {
  return shortened(parts).map(([kind, text]) => {
    if (text === null) return h("span", { class: "soft", title: "unchanged text" }, " … ");
    return kind === "same" ? text : h(kind === "added" ? "ins" : "del", {}, text);
  });
}

function byLine(before, after) {
  const all = lines(before, after);
  const shown = (line) => {
    if (line.kind === "gap") return h("li", { class: "gap" }, line.count === 1 ? "1 unchanged line" : `${number(line.count)} unchanged lines`);
    const isBlank = line.parts.every(([, text]) => text.trim() === "");
    return h("li", { class: line.kind }, isBlank && line.kind !== "same" ? h(line.kind === "added" ? "ins" : "del", {}, "an empty line") : marked(line.parts));
  };
  const list = h("ol", { class: "line-changes" }, all.slice(0, LINES).map(shown));
  return [list, rest(all, LINES, "line", (left) => list.append(...left.map(shown)))];
}

function byElement(before, after) {
  const steps = align(before.map((value) => JSON.stringify(value)), after.map((value) => JSON.stringify(value)));
  const changed = steps.filter(({ kind }) => kind !== "same");
  const item = ({ kind, before: i, after: j }) => h("li", {}, kind === "added" ? h("ins", {}, scalar(after[j])) : h("del", {}, scalar(before[i])));
  const list = h("ul", { class: "flat" }, changed.slice(0, ELEMENTS).map(item));
  const same = steps.length - changed.length;
  return [list, rest(changed, ELEMENTS, "element", (left) => list.append(...left.map(item))), same > 0 && h("p", { class: "soft" }, `${plural(same, "other element")} unchanged`)];
}

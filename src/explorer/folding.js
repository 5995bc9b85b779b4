// Decides what of a value is shown before one unfolds anything, so that a record of thousands of
// values is a few screens tall. Everything here is computed from the value and the room for it.

import { kindOf } from "./value.js";

/** The rows of a table, and the lines of a list of short values, that are shown at first. */
export const ROWS = 8;
const LIST_LINES = 4;

/** The lines of a long text that are shown at first: at least and at most. */
const TEXT_LINES = [2, 10];

/** Tables of so few rows have their rows unfolded if there is room. */
const FEW_ROWS = 3;

/** The height of an entry without its value, and of a line, in pixels. */
const ENTRY = 14;
const LINE = 24;

/** The length from which on a text is one to read. */
const LONG = 90;

export const isNested = (value) => value !== null && typeof value === "object";

export const isLong = (value) => typeof value === "string" && (value.length > LONG || value.includes("\n"));

/** Whether a list has only short values, and so is shown in a line. */
export const isFlat = (list) => list.every((element) => !isNested(element) && !isLong(element));

/** Whether a list is shown as a table: all its elements are objects, and one of them has fields. */
export const isTable = (list) => list.length > 0 && list.every((element) => kindOf(element) === "object") && list.some((element) => Object.keys(element).length > 0);

/** Whether a value has parts that can be folded away. */
export const isFoldable = (value) => isNested(value) && Object.keys(value).length > 0 && !(Array.isArray(value) && isFlat(value));

export const pointerTo = (pointer, name) => `${pointer}/${String(name).replaceAll("~", "~0").replaceAll("/", "~1")}`;

/** The lines that a text takes. */
export const linesOf = (text, columns) => text.split("\n").reduce((sum, line) => sum + Math.max(1, Math.ceil(line.length / columns)), 0);

/**
 * Returns the first view of a value: the pointers of its parts that are unfolded, and the lines of each
 * long text. `room` is `{ height, columns, beside }`: pixels, the characters of a line, and whether
 * names are beside their values.
 */
export function firstView(value, room) {
  const texts = isNested(value) ? Object.values(value).filter(isLong).length : 0;
  const [least, most] = TEXT_LINES;
  const lines = Math.max(least, Math.min(most, Math.floor(room.height / 2 / LINE / Math.max(1, texts))));
  const open = new Set();
  let left = room.height;
  // What is less deep comes first, and what does not fit stays folded.
  const waiting = [{ pointer: "", part: value, depth: 0 }];
  for (const { pointer, part, depth } of waiting) {
    const cost = costOf(part, { ...room, beside: room.beside && depth < 2 }, lines);
    if (depth > 0 && cost > left) continue;
    left -= cost;
    open.add(pointer);
    for (const [name, inner] of unfoldable(part)) waiting.push({ pointer: pointerTo(pointer, name), part: inner, depth: depth + 1 });
  }
  return { open, lines };
}

/** The parts of a value that may be unfolded at first. */
function unfoldable(part) {
  if (!Array.isArray(part)) return Object.entries(part).filter(([, inner]) => isFoldable(inner));
  if (isTable(part) && part.length > FEW_ROWS) return [];
  return [...part.slice(0, ROWS).entries()].filter(([, inner]) => isFoldable(inner));
}

/** Returns the height of an unfolded value whose parts are folded. */
function costOf(part, room, lines) {
  if (!isNested(part)) return heightOf(part, room, lines);
  if (Array.isArray(part) && isTable(part)) return (3 + Math.min(part.length, ROWS)) * (LINE + ENTRY);
  const heights = Object.values(part).slice(0, entriesShown(part, room, lines)).map((inner) => entryHeight(inner, room, lines));
  return heights.reduce((sum, height) => sum + height, 0);
}

/** Returns how many entries of an object or a list are shown at first: those for which there is room. */
export function entriesShown(part, room, lines) {
  const all = Object.values(part);
  let [count, height] = [0, 0];
  while (count < all.length) {
    height += entryHeight(all[count], room, lines);
    if (height > room.height && count >= ROWS) break;
    count += 1;
  }
  // A button that would show a single entry takes the place of that entry.
  return count >= all.length - 1 ? all.length : count;
}

const entryHeight = (value, room, lines) => ENTRY + (room.beside ? 0 : LINE) + heightOf(value, room, lines);

/** Returns the height of a value in an entry, where what is nested is folded. */
function heightOf(value, { columns }, lines) {
  if (Array.isArray(value) && value.length > 0 && isFlat(value)) return LINE * Math.min(LIST_LINES, Math.ceil(value.slice(0, LIST_LINES * columns).join(", ").length / columns) || 1);
  if (typeof value !== "string") return LINE;
  return LINE * Math.min(isLong(value) ? lines + 2 : Infinity, linesOf(value, columns));
}

/** Returns how many elements of a list of short values are shown at first. */
export function elementsShown(list, columns) {
  let length = 0;
  const count = list.findIndex((element) => {
    length += String(element).length + 2;
    return length > LIST_LINES * columns;
  });
  return count < 0 || count >= list.length - 1 ? list.length : Math.max(1, count);
}

// A list of objects as a table: a row for each element, a column for each field that most of them have.

import { isLong, isNested } from "./folding.js";
import { kindOf } from "./value.js";

/** The most columns, and how deep objects within the elements are spread over columns. */
const COLUMNS = 6;
const DEEPEST = 2;

/** The most elements that are looked at to choose the columns. */
const SAMPLE = 200;

/** The longest text of a cell that is shown as a whole. */
export const CELL = 60;

/** Returns the paths of the fields that the columns show: those that most elements have, what is short first. */
export function columnsOf(list) {
  const counts = new Map();
  const sample = list.slice(0, SAMPLE);
  for (const element of sample) for (const path of paths(element, [])) counts.set(JSON.stringify(path), (counts.get(JSON.stringify(path)) ?? 0) + 1);
  const most = [...counts.entries()].sort(([, one], [, other]) => other - one).slice(0, COLUMNS).map(([path]) => path);
  const shown = [...counts.keys()].filter((path) => most.includes(path)).map((path) => JSON.parse(path));
  const isShort = (path) => !sample.some((element) => isNested(valueAt(element, path)));
  return [...shown.filter(isShort), ...shown.filter((path) => !isShort(path))];
}

function paths(object, above) {
  return Object.entries(object).flatMap(([name, value]) => {
    const path = [...above, name];
    const isSpread = kindOf(value) === "object" && path.length < DEEPEST && Object.keys(value).length > 0;
    return isSpread ? paths(value, path) : [path];
  });
}

/** Returns the value at a path, `undefined` if there is none. */
export const valueAt = (value, path) => path.reduce((inner, name) => (isNested(inner) && Object.hasOwn(inner, name) ? inner[name] : undefined), value);

/** Returns the names of the fields of an element that its row does not show as a whole. */
export function leftOut(element, columns) {
  const shown = new Set(columns.map((path) => JSON.stringify(path)));
  const isShown = (path) => shown.has(JSON.stringify(path)) && !isCut(valueAt(element, path));
  return Object.entries(element).filter(([name, value]) => !paths({ [name]: value }, []).every(isShown)).map(([name]) => name);
}

function isCut(value) {
  if (Array.isArray(value)) return value.some(isNested) || value.join(", ").length > CELL;
  return isNested(value) && Object.keys(value).length > 0 || isLong(value);
}

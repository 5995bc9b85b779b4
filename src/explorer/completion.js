// What can follow in an expression at the cursor: a name, or a value of a field.

/** What expressions offer besides the fields, each as it is inserted. */
const FUNCTIONS = ["has(", "size(", "timestamp(\"", "duration(\"", "now", "ref(", "referrers(\"", "matches(\"", "contains(\"", "startsWith(\"", "endsWith(\"", "exists(", "cvss(", "semver(\"", "true", "false"];

/** The most names that are offered. */
const NAMES = 12;

const COMPARED = /([A-Za-z_][\w.]*)\s*(?:==|!=|<=|>=|<|>)\s*$/;
const CALLED = /([A-Za-z_][\w.]*)\.(?:startsWith|endsWith|contains)\(\s*$/;
const LISTED = /([A-Za-z_][\w.]*)\s+in\s+\[[^\]]*$/;

/** Returns where the cursor is: `{ kind: "value", field, typed, from }` if a value of a field is
 * expected, `{ kind: "name", typed, from }` within a name, and null elsewhere. */
export function placeOf(text, cursor) {
  const before = text.slice(0, cursor);
  const quote = openQuote(before);
  const outside = quote < 0 ? before : before.slice(0, quote);
  const expected = [COMPARED, CALLED, LISTED].map((pattern) => outside.match(pattern)?.[1]).find(Boolean);
  if (quote >= 0) return expected ? { kind: "value", field: expected, typed: before.slice(quote + 1), from: quote } : null;
  const [typed] = before.match(/[A-Za-z_][\w.]*$/) ?? [""];
  const compared = outside.slice(0, outside.length - typed.length).match(COMPARED)?.[1];
  if (compared) return { kind: "value", field: compared, typed, from: cursor - typed.length };
  if (expected) return { kind: "value", field: expected, typed: "", from: cursor };
  return { kind: "name", typed, from: cursor - typed.length };
}

/** Returns where the string begins that is open at the end of a text, or -1. */
function openQuote(text) {
  let open = -1;
  for (let at = 0; at < text.length; at += 1) {
    if (text[at] === "\\" && open >= 0) at += 1;
    else if (open < 0 && (text[at] === "\"" || text[at] === "'")) open = at;
    else if (open >= 0 && text[at] === text[open]) open = -1;
  }
  return open;
}

/** Returns the names that begin with `typed`, or have a part that does, then those that contain it. */
export function namesFor(typed, fields) {
  const wanted = typed.toLowerCase();
  const rank = (name) => {
    const lower = name.toLowerCase();
    return lower.startsWith(wanted) ? 0 : lower.includes(`.${wanted}`) ? 1 : lower.includes(wanted) ? 2 : 3;
  };
  const names = [...fields.map((name) => ({ text: name, told: "field" })), ...FUNCTIONS.map((text) => ({ text, told: "function" }))];
  const ranked = names.map((entry) => ({ ...entry, rank: rank(entry.text) })).filter((entry) => entry.rank < 3 && entry.text !== typed);
  return ranked.sort((one, other) => one.rank - other.rank).slice(0, NAMES);
}

/** Returns values as they are written in an expression. */
export function valuesFor(values) {
  return values.filter(({ value }) => value !== null && typeof value !== "object").map(({ value, count }) => ({ text: JSON.stringify(value), count }));
}

/** What a field of dates is compared with. */
export const DATES = ["now", "now - duration(\"720h\")", "timestamp(\"2024-01-01\")"].map((text) => ({ text, told: "date" }));

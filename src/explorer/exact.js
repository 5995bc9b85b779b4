// JSON whose numbers stay as they are written: `1.0`, `1e5` and integers beyond 2^53. A browser that
// cannot keep the text of a number reads it as a number.

const keeps = typeof JSON.rawJSON === "function";

/** Whether a value is a number, kept or not. */
export const isNumber = (value) => typeof value === "number" || isKept(value);

const isKept = (value) => keeps && JSON.isRawJSON(value);

/** Parses JSON. */
export function parse(text) {
  if (!keeps) return JSON.parse(text);
  return JSON.parse(text, (_, value, context) => {
    const isOther = typeof value === "number" && context?.source !== undefined && String(value) !== context.source;
    return isOther ? JSON.rawJSON(context.source) : value;
  });
}

/** Writes JSON. */
export const text = (value, indent) => JSON.stringify(value, null, indent);

/** Whether two values are equal; `undefined` equals itself alone. */
export const isEqual = (one, other) => text(sorted(one)) === text(sorted(other));

/** Reads a number as it is typed; `undefined` if it is none. */
export function numberOf(typed) {
  return /^-?(0|[1-9]\d*)(\.\d+)?([eE][-+]?\d+)?$/.test(typed) ? parse(typed) : undefined;
}

/** Returns the text of a number. */
export const numeral = (value) => text(value);

/** Returns the value as the rest of the page shows it; a number that is kept is its text. */
export function plain(value) {
  if (isKept(value)) return value.rawJSON;
  if (Array.isArray(value)) return value.map(plain);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, plain(inner)]));
}

/** Whether a value has members that are shown one by one. */
export const isObject = (value) => value !== null && typeof value === "object" && !Array.isArray(value) && !isKept(value);

function sorted(value) {
  if (Array.isArray(value)) return value.map(sorted);
  if (!isObject(value)) return value;
  return Object.fromEntries(Object.keys(value).sort().map((name) => [name, sorted(value[name])]));
}

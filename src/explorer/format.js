// Formats numbers, times and commits for people.

const NUMBER = new Intl.NumberFormat("en");
const WHEN = new Intl.DateTimeFormat("en-GB", {
  day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit",
});

export const number = (value) => NUMBER.format(value);

export function plural(count, one, many = `${one}s`) {
  return `${number(count)} ${count === 1 ? one : many}`;
}

/** Explains which words replaced those that occur nowhere; empty if all occur. */
export function corrections(corrected) {
  const told = Object.entries(corrected ?? {}).map(([typed, used]) => ` “${typed}” occurs nowhere; these are the results for “${used.join("” and “")}”.`);
  return told.join("");
}

export const short = (commit) => commit.slice(0, 7);

/** Milliseconds with as many digits as are useful. */
export function ms(value) {
  if (value >= 10_000) return `${(value / 1000).toFixed(1)} s`;
  if (value >= 100) return `${number(Math.round(value))} ms`;
  return `${value.toFixed(1)} ms`;
}

export function seconds(value) {
  if (value < 60) return `${Math.max(0, Math.round(value))} s`;
  if (value < 3600) return `${Math.round(value / 60)} min`;
  if (value < 172_800) return `${Math.round(value / 3600)} h`;
  return plural(Math.round(value / 86_400), "day");
}

export const ago = (time) => `${seconds((Date.now() - Date.parse(time)) / 1000)} ago`;

export const when = (time) => WHEN.format(new Date(time));

export const clock = (time) => new Date(time).toLocaleTimeString("en-GB");

/** Whether a text is a date or a date and time, as formats write them. */
export const isDate = (text) => /^\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)?)?$/.test(text);

export const isUuid = (text) => /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text);

export const isUrl = (text) => /^https?:\/\/\S+$/.test(text);

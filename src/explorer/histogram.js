// How often numbers and dates occur in ranges, and a choice of a range: by dragging over the bars, or
// with two sliders.

import { draw, h, put } from "./dom.js";
import { number } from "./format.js";

/** About how many ranges of numbers there are, and how many periods of time at most. */
const RANGES = 24;
const PERIODS = 62;

/** How long a slider must rest before its range is chosen. */
const PAUSE = 300;

const WIDTH = 184;
const HEIGHT = 46;

/** Returns how the values of a field are grouped: `{ facet, bins }`, where a bin has the bounds `low`
 * and `high` as literals of the API. `type` is `number` or `date`. Null
 * if all values are the same. */
export function grouped(field, type, min, max) {
  if (min === undefined || min === null || min === max) return null;
  const bins = type === "date" ? periods(min, max) : ranges(Number(min), Number(max));
  if (bins === null) return null;
  const facet = type === "date" ? `${field}:${bins.unit}` : `${field}:${[...bins.list.map(({ low }) => low), bins.list.at(-1).high].join(",")}`;
  return { facet, bins: bins.list };
}

/** Returns ranges of equal width whose bounds are round numbers. */
function ranges(least, most) {
  if (!Number.isFinite(most - least) || most <= least) return null;
  const isWhole = Number.isInteger(least) && Number.isInteger(most);
  const rough = (most - least) / RANGES;
  const power = 10 ** Math.floor(Math.log10(rough));
  let step = [1, 2, 5, 10].map((digit) => digit * power).find((width) => width >= rough);
  if (isWhole) step = Math.max(1, Math.round(step));
  const first = Math.floor(least / step);
  const last = Math.floor(most / step);
  // Counting in steps, and cutting the digits that a double adds, keeps the bounds round.
  const bound = (at) => String(Number((at * step).toPrecision(12)));
  const list = Array.from({ length: last - first + 1 }, (_, n) => ({ low: bound(first + n), high: bound(first + n + 1) }));
  return { list };
}

/** Returns the days, months or years from `least` to `most`, several years to a bin if there are many. */
function periods(least, most) {
  const [from, to] = [dated(least), dated(most)];
  if (!from || !to) return null;
  const days = Math.round((Date.UTC(...to) - Date.UTC(...from)) / 86_400_000) + 1;
  const months = (to[0] - from[0]) * 12 + to[1] - from[1] + 1;
  const years = to[0] - from[0] + 1;
  const year = (value) => String(value).padStart(4, "0");
  const iso = (...parts) => new Date(Date.UTC(...parts)).toISOString();
  if (days <= PERIODS) return { unit: "day", list: Array.from({ length: days }, (_, n) => ({ low: iso(from[0], from[1], from[2] + n).slice(0, 10), high: iso(from[0], from[1], from[2] + n + 1).slice(0, 10) })) };
  if (months <= PERIODS) return { unit: "month", list: Array.from({ length: months }, (_, n) => ({ low: iso(from[0], from[1] + n, 1).slice(0, 7), high: iso(from[0], from[1] + n + 1, 1).slice(0, 7) })) };
  const each = [1, 2, 5, 10, 20, 50, 100, 200, 500].find((width) => years / width <= PERIODS);
  if (!each) return null;
  const first = Math.floor(from[0] / each);
  const last = Math.floor(to[0] / each);
  return { unit: "year", list: Array.from({ length: last - first + 1 }, (_, n) => ({ low: year((first + n) * each), high: year((first + n + 1) * each) })) };
}

/** Returns year, month (from 0) and day of a date in UTC, for years of four digits. */
function dated(value) {
  const text = String(value).replace(/^(\d{4})[/.](\d\d)[/.](\d\d)/, "$1-$2-$3").replace(" ", "T");
  // Without an offset it is in UTC.
  const time = new Date(/T[\d:.]+$/.test(text) ? `${text}Z` : text);
  return Number.isNaN(time.valueOf()) || time.getUTCFullYear() < 0 || time.getUTCFullYear() > 9990 ? null : [time.getUTCFullYear(), time.getUTCMonth(), time.getUTCDate()];
}

/** Returns how many values are in each bin, by the values of the facet. */
export function filled(bins, type, values) {
  const counts = bins.map(() => 0);
  for (const { value, count } of values) {
    const low = type === "date" ? value : value?.gte;
    if (low === null || low === undefined) continue;
    const at = bins.findLastIndex((bin) => !isBelow(type, low, bin.low));
    if (at >= 0 && isBelow(type, low, bins[at].high)) counts[at] += count;
  }
  return counts;
}

function isBelow(type, one, other) {
  return type === "date" ? String(one) < String(other) : Number(one) < Number(other);
}

/** The names of the filters that choose a range of a field. */
export const rangeNames = (field) => ["gte", "gt", "lt", "lte"].map((operator) => `${field}[${operator}]`);

/** Returns the first and the last bin that the filters of a field touch. */
function chosen(field, type, bins, filters) {
  const bound = (operator) => filters.find(([name]) => name === `${field}[${operator}]`)?.[1];
  const low = bound("gte") ?? bound("gt");
  const [below, upTo] = [bound("lt"), bound("lte")];
  const from = low === undefined ? 0 : bins.findLastIndex((bin) => !isBelow(type, low, bin.low));
  let to = bins.length - 1;
  if (below !== undefined) to = bins.findIndex((bin) => !isBelow(type, bin.high, below));
  else if (upTo !== undefined) to = bins.findIndex((bin) => isBelow(type, upTo, bin.high));
  const first = Math.max(0, from);
  return { from: first, to: Math.max(first, to < 0 ? bins.length - 1 : to) };
}

/** Draws a field; `onchoose` gets the filters of the chosen range, none for the whole. While a range is being
 * chosen, the element has the class `held`: whoever draws it anew then takes the choice away. It sends a
 * `rest` event afterwards. */
export function histogram({ field, type, bins, counts, filters, onchoose }) {
  const most = Math.max(1, ...counts);
  const width = WIDTH / bins.length;
  const id = encodeURIComponent(field);
  const range = chosen(field, type, bins, filters);
  const bars = bins.map((bin, at) => {
    // A bar that has anything is seen.
    const height = counts[at] === 0 ? 0 : Math.max(1.5, (counts[at] / most) * (HEIGHT - 2));
    return draw("rect", { x: at * width, y: HEIGHT - height, width: Math.max(width - (width > 3 ? 1 : 0.2), 0.5), height }, draw("title", {}, `${told(type, bin, bin)}: ${number(counts[at])}`));
  });
  const top = counts.indexOf(Math.max(...counts));
  const label = `${field}: ${told(type, bins[0], bins.at(-1))}, most of them ${told(type, bins[top], bins[top])} (${number(counts[top])})`;
  const plot = draw("svg", { class: "bars", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img", "aria-label": label }, bars);
  const slider = (end, name) => h("input", { type: "range", id: `range-${end}-${id}`, min: 0, max: bins.length - 1, step: 1, value: range[end], "aria-label": `${field} ${name}` });
  const sliders = { from: slider("from", "from"), to: slider("to", "up to") };
  const summary = h("p", { class: "soft range-told" });
  const element = h("div", { class: "histogram" }, plot, h("div", { class: "sliders" }, sliders.from, sliders.to), summary);

  const paint = () => {
    bars.forEach((bar, at) => bar.classList.toggle("out", at < range.from || at > range.to));
    for (const end of ["from", "to"]) {
      sliders[end].value = range[end];
      sliders[end].setAttribute("aria-valuetext", end === "from" ? firstOf(type, bins[range.from]) : lastOf(type, bins[range.to]));
    }
    const sum = counts.slice(range.from, range.to + 1).reduce((all, count) => all + count, 0);
    put(summary, h("span", {}, told(type, bins[range.from], bins[range.to])), h("span", { class: "count" }, number(sum)));
  };
  const choose = () => {
    const isWhole = range.from === 0 && range.to === bins.length - 1;
    const low = range.from > 0 && [`${field}[gte]`, bins[range.from].low];
    const high = range.to < bins.length - 1 && [`${field}[lt]`, bins[range.to].high];
    onchoose(isWhole ? [] : [low, high].filter(Boolean));
    rest();
  };
  const hold = () => element.classList.add("held");
  const rest = () => {
    element.classList.remove("held");
    element.dispatchEvent(new Event("rest", { bubbles: true }));
  };
  listen(sliders, range, paint, { hold, choose });
  drag(plot, bins.length, range, paint, { hold, rest, choose });
  paint();
  return element;
}

/** Returns the beginning and the end of a bin for people; a period of time ends with its last day, month or year. */
const firstOf = (type, { low }) => (type === "date" ? low : number(Number(low)));

function lastOf(type, { low, high }) {
  if (type !== "date") return number(Number(high));
  const isOne = low.includes("-") || Number(high) - Number(low) === 1;
  return isOne ? low : String(Number(high) - 1).padStart(4, "0");
}

function told(type, one, other) {
  const [from, to] = [firstOf(type, one), lastOf(type, other)];
  return from === to ? from : `${from} to ${to}`;
}

/** Chooses a range once the sliders rest. */
function listen(sliders, range, paint, { hold, choose }) {
  let pause = 0;
  for (const end of ["from", "to"]) {
    sliders[end].addEventListener("input", () => {
      hold();
      const at = Number(sliders[end].value);
      range[end] = end === "from" ? Math.min(at, range.to) : Math.max(at, range.from);
      paint();
    });
    sliders[end].addEventListener("change", () => {
      clearTimeout(pause);
      pause = setTimeout(choose, PAUSE);
    });
  }
}

/** Chooses the range that a pointer is dragged over. Escape leaves the range as it was. */
function drag(plot, length, range, paint, { hold, rest, choose }) {
  let anchor = null;
  let before = null;
  const binAt = ({ clientX }) => {
    const { left, width } = plot.getBoundingClientRect();
    return Math.min(length - 1, Math.max(0, Math.floor(((clientX - left) / width) * length)));
  };
  const end = () => {
    anchor = null;
    document.removeEventListener("keydown", escape);
  };
  const cancel = () => {
    end();
    Object.assign(range, before);
    paint();
    rest();
  };
  const escape = ({ key }) => key === "Escape" && cancel();
  const move = (event) => {
    if (anchor === null) return;
    const at = binAt(event);
    [range.from, range.to] = [Math.min(anchor, at), Math.max(anchor, at)];
    paint();
  };
  plot.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    event.preventDefault();
    plot.setPointerCapture(event.pointerId);
    before = { ...range };
    anchor = binAt(event);
    hold();
    document.addEventListener("keydown", escape);
    move(event);
  });
  plot.addEventListener("pointermove", move);
  plot.addEventListener("pointerup", () => {
    if (anchor === null) return;
    end();
    choose();
  });
  plot.addEventListener("pointercancel", () => anchor !== null && cancel());
}

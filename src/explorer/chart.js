// The stages of a reload as a bar, and the durations of reloads over time.

import { draw, h } from "./dom.js";
import { clock, ms, number, plural, short } from "./format.js";

export const STAGES = ["fetch", "diff", "decode", "apply", "text", "swap"];

const WHAT = {
  fetch: "fetching and checking the new objects",
  diff: "walking the two trees",
  decode: "reading the changed files",
  apply: "updating maps and indexes",
  text: "building the text index",
  swap: "moving the branch and the pointer",
};

/** The smallest width of a stage that took any time, in thousandths. */
const THINNEST = 6;

export const stageText = (timings) => STAGES.map((stage) => `${stage} ${timings[stage].toFixed(1)}`).join("  ·  ");

/** Draws the stages in proportion to `longest`, in milliseconds. */
export function stageBar(timings, longest) {
  const total = Math.max(longest, STAGES.reduce((sum, stage) => sum + timings[stage], 0), 0.001);
  let x = 0;
  const parts = STAGES.map((stage) => {
    const width = timings[stage] > 0 ? Math.max(THINNEST, (timings[stage] / total) * (1000 - THINNEST * STAGES.length)) : 0;
    const part = draw("rect", { class: `stage ${stage}`, x, y: 0, width: Math.max(0, width - 2), height: 10 },
      draw("title", {}, `${stage}: ${ms(timings[stage])}`));
    x += width;
    return part;
  });
  const label = `Stages in milliseconds: ${STAGES.map((stage) => `${stage} ${timings[stage].toFixed(1)}`).join(", ")}`;
  return draw("svg", { class: "bar", viewBox: "0 0 1000 10", preserveAspectRatio: "none", role: "img", "aria-label": label }, parts);
}

/** Returns the legend of the colours. */
export function legend() {
  return h("ul", { class: "legend", "aria-label": "Stages of a reload" }, STAGES.map((stage) =>
    h("li", {}, draw("svg", { class: "key", viewBox: "0 0 10 10", "aria-hidden": "true" }, draw("rect", { class: `stage ${stage}`, width: 10, height: 10 })),
      h("b", {}, stage), h("span", {}, ` ${WHAT[stage]}`))));
}

/** Shows how many records of which sheets changed. */
export function summary({ changed }) {
  const sheets = Object.entries(changed);
  if (sheets.length === 0) return h("span", { class: "soft" }, "No records changed.");
  return h("span", { class: "chips" }, sheets.map(([sheet, { added, modified, removed }]) => {
    const told = [added && `${number(added)} added`, modified && `${number(modified)} modified`, removed && `${number(removed)} removed`];
    const signs = [added && `+${number(added)}`, modified && `~${number(modified)}`, removed && `−${number(removed)}`];
    return h("span", { class: "chip" }, sheet, " ",
      h("span", { class: "signs", "aria-hidden": "true" }, signs.filter(Boolean).join(" ")),
      h("span", { class: "unseen" }, told.filter(Boolean).join(", ")));
  }));
}

/** The width of the page, so that text is as large as elsewhere. */
const widthOfPage = () => Math.min(1000, Math.max(320, document.getElementById("main").clientWidth));

const HEIGHT = 190;
const LEFT = 58;
const BOTTOM = 26;
const TOP = 12;

/** Returns the values of the series 1, 2, 5, 10 … from below `least` to above `most`. */
function ticksAround(least, most) {
  const series = [];
  for (let power = 0.1; power <= 1e7; power *= 10) series.push(power, 2 * power, 5 * power);
  const from = Math.max(0, series.findLastIndex((value) => value < least));
  return series.slice(from, series.findIndex((value) => value > most) + 1);
}

/** Draws the duration of each reload, on a logarithmic scale, from the oldest to the newest. */
export function latencyPlot(reloads) {
  const whole = widthOfPage();
  const times = reloads.map(({ at }) => Date.parse(at));
  const [first, last] = [Math.min(...times), Math.max(...times)];
  const span = Math.max(last - first, 1000);
  const all = reloads.map(({ durationMs }) => Math.max(durationMs, 0.1));
  const ticks = ticksAround(Math.min(...all), Math.max(...all));
  const [low, high] = [ticks[0], ticks.at(-1)];
  const right = whole - 16;
  const xOf = (time) => LEFT + 14 + ((time - first) / span) * (right - LEFT - 28);
  const yOf = (value) => TOP + (1 - Math.log(value / low) / Math.log(high / low)) * (HEIGHT - TOP - BOTTOM);
  const rules = ticks.map((value) => [
    draw("line", { class: "rule", x1: LEFT, x2: right, y1: yOf(value), y2: yOf(value) }),
    draw("text", { class: "tick", x: LEFT - 8, y: yOf(value) + 4, "text-anchor": "end" }, ms(value).replace(".0 ", " ")),
  ]);
  const middle = median(all);
  const points = reloads.map((reload, index) => {
    const [x, y] = [xOf(times[index]), yOf(all[index])];
    const kind = !reload.ok ? "failed" : reload.outcome;
    return draw("g", { class: `point ${kind}` },
      draw("line", { x1: x, x2: x, y1: y, y2: HEIGHT - BOTTOM }),
      reload.ok ? draw("circle", { cx: x, cy: y, r: 5 }) : draw("path", { d: `M${x - 5} ${y - 5}l10 10m0 -10l-10 10` }),
      draw("title", {}, `${clock(reload.at)}: ${reload.outcome} in ${ms(reload.durationMs)}, ${short(reload.newCommit)}`));
  });
  const label = `${plural(reloads.length, "reload")} from ${clock(first)} to ${clock(last)}: half of them took up to ${ms(middle)}, the slowest ${ms(Math.max(...all))}`;
  return h("figure", { class: "plot" },
    draw("svg", { viewBox: `0 0 ${whole} ${HEIGHT}`, role: "img", "aria-label": label },
      rules,
      draw("line", { class: "median", x1: LEFT, x2: right, y1: yOf(middle), y2: yOf(middle) }),
      points,
      draw("text", { class: "tick", x: LEFT, y: HEIGHT - 6 }, clock(first)),
      draw("text", { class: "tick", x: right, y: HEIGHT - 6, "text-anchor": "end" }, clock(last))),
    h("figcaption", {}, `${label}.`));
}

function median(values) {
  const sorted = [...values].sort((one, other) => one - other);
  return sorted[Math.floor((sorted.length - 1) / 2)];
}

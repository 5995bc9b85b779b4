// Shows Markdown: the usual constructs of CommonMark, and tables and strikethrough of GitHub. It
// builds elements from text, so that no markup of a record gets into the page.

import { h } from "./dom.js";
import { inline } from "./markdown_inline.js";

/** The longest text that is rendered, and the most blocks inside of each other. */
const LONGEST = 100_000;
const DEEPEST = 12;

const FENCE = /^ {0,3}(`{3,}|~{3,})[ \t]*([^`\n]*)$/;
const HEADING = /^ {0,3}(#{1,6})(?:[ \t]+(.*?))??(?:[ \t]+#+)?[ \t]*$/;
const RULE = /^ {0,3}([-*_])(?:[ \t]*\1){2,}[ \t]*$/;
const QUOTE = /^ {0,3}> ?/;
const ITEM = /^( {0,3})([-*+]|\d{1,9}[.)])(?:( +)(?=\S)|[ \t]*$| )/;
const INDENTED = /^ {4}/;
const UNDERLINE = /^ {0,3}(=+|-+)[ \t]*$/;
const COLUMNS = /^ {0,3}\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*$/;
const DEFINITION = /^ {0,3}\[((?:[^\]\\]|\\.)+)\]:[ \t]*<?([^\s>]+)>?(?:[ \t]+(?:"[^"]*"|'[^']*'|\([^)]*\)))?[ \t]*$/;
const COMMENT = /^ {0,3}<!--/;

/** Signs that a text was written as Markdown. */
const SIGNS = [
  /^ {0,3}#{1,6} \S/m, /^ {0,3}(?:`{3}|~{3})/m, /^ {0,3}(?:[-*+]|\d{1,3}[.)]) \S/m, /^ {0,3}> \S/m,
  /\[[^\]\n]+\]\([^)\s]+\)/, /\*\*[^*\n]+\*\*/, /`[^`\n]+`/, /^ {0,3}\|.*\|[ \t]*$/m, /^\S.*\n(?:={3,}|-{3,})[ \t]*$/m,
];

/** Whether a text looks as if it was written as Markdown, and is short enough to be rendered. */
export const isMarkdown = (text) => text.length <= LONGEST && SIGNS.some((sign) => sign.test(text));

/** Returns an element with the text. `attachment` returns the address of a file beside the record. */
export function markdown(text, attachment) {
  const lines = text.replace(/\r\n?/g, "\n").split("\n").map(withoutTabs);
  const context = { attachment, targets: definitions(lines), headings: [] };
  return h("div", { class: "markdown" }, blocks(lines, context, 0));
}

const withoutTabs = (line) => line.replace(/^[ \t]+/, (space) => space.replaceAll("\t", "    "));

const isBlank = (line) => line.trim() === "";

/** Returns the targets that are defined once and named in links, by their label. */
function definitions(lines) {
  const targets = new Map();
  for (const line of lines) {
    const [, label, target] = line.match(DEFINITION) ?? [];
    const name = label?.toLowerCase().replace(/\s+/g, " ").trim();
    if (name && !targets.has(name)) targets.set(name, target);
  }
  return targets;
}

/** Returns the elements of some lines. Each kind of block takes its lines, and says where it ends. */
function blocks(lines, context, depth) {
  if (depth > DEEPEST) return [h("p", {}, lines.join("\n"))];
  const elements = [];
  let at = 0;
  while (at < lines.length) {
    if (isBlank(lines[at]) || DEFINITION.test(lines[at])) {
      at += 1;
      continue;
    }
    const block = fence(lines, at) ?? heading(lines, at, context) ?? rule(lines, at) ?? quote(lines, at, context, depth)
      ?? list(lines, at, context, depth) ?? indented(lines, at) ?? comment(lines, at) ?? table(lines, at, context) ?? paragraph(lines, at, context);
    elements.push(...block.elements);
    at = block.end;
  }
  return elements;
}

/** Whether a line begins a block that ends a paragraph. */
const begins = (line) => FENCE.test(line) || HEADING.test(line) || RULE.test(line) || QUOTE.test(line) || /^ {0,3}(?:[-*+]|1[.)]) +\S/.test(line) || COMMENT.test(line);

function fence(lines, at) {
  const [, mark] = lines[at].match(FENCE) ?? [];
  if (!mark) return null;
  const indent = lines[at].match(/^ */)[0].length;
  const isEnd = (line) => /^ {0,3}(`{3,}|~{3,})[ \t]*$/.test(line) && line.trim().startsWith(mark);
  let end = at + 1;
  while (end < lines.length && !isEnd(lines[end])) end += 1;
  const text = lines.slice(at + 1, end).map((line) => line.replace(new RegExp(`^ {0,${indent}}`), ""));
  return { elements: [code(text)], end: end + 1 };
}

/** Code scrolls by itself if the page is narrow, and so it takes the focus. */
const code = (lines) => h("pre", { tabindex: "0" }, h("code", {}, lines.join("\n")));

function indented(lines, at) {
  if (!INDENTED.test(lines[at])) return null;
  let end = at;
  while (end < lines.length && (INDENTED.test(lines[end]) || isBlank(lines[end]))) end += 1;
  while (isBlank(lines[end - 1])) end -= 1;
  return { elements: [code(lines.slice(at, end).map((line) => line.slice(4)))], end };
}

function heading(lines, at, context) {
  const [, marks, text = ""] = lines[at].match(HEADING) ?? [];
  return marks ? { elements: [headed(marks.length, text, context)], end: at + 1 } : null;
}

/** Returns a heading below those of the page; levels that a text leaves out are not left out here. */
function headed(level, text, context) {
  context.headings = [...context.headings.filter((above) => above < level), level];
  return h(`h${Math.min(6, 2 + context.headings.length)}`, {}, inline(text, context));
}

const rule = (lines, at) => (RULE.test(lines[at]) ? { elements: [h("hr", {})], end: at + 1 } : null);

function comment(lines, at) {
  if (!COMMENT.test(lines[at])) return null;
  let end = at;
  while (end < lines.length && !lines[end].includes("-->")) end += 1;
  const rest = lines[end]?.slice(lines[end].indexOf("-->") + 3) ?? "";
  // A comment that never ends is text.
  return end < lines.length && isBlank(rest) ? { elements: [], end: end + 1 } : null;
}

function quote(lines, at, context, depth) {
  if (!QUOTE.test(lines[at])) return null;
  let end = at;
  // The lines of a paragraph may leave out the mark.
  while (end < lines.length && (QUOTE.test(lines[end]) || (!isBlank(lines[end]) && !isBlank(lines[end - 1].replace(QUOTE, "")) && !begins(lines[end])))) end += 1;
  const inner = lines.slice(at, end).map((line) => line.replace(QUOTE, ""));
  return { elements: [h("blockquote", {}, blocks(inner, context, depth + 1))], end };
}

function list(lines, at, context, depth) {
  const first = lines[at].match(ITEM);
  if (!first) return null;
  const mark = kindOfMark(first[2]);
  const items = [];
  let [end, isLoose] = [at, false];
  while (end < lines.length) {
    const found = lines[end].match(ITEM);
    if (!found || kindOfMark(found[2]) !== mark || RULE.test(lines[end])) break;
    const item = itemOf(lines, end, found);
    items.push(item.lines);
    isLoose ||= item.lines.some((line, index) => isBlank(line) && index < item.lines.length - 1) || isBlank(lines[item.end - 1]) && ITEM.test(lines[item.end] ?? "");
    end = item.end;
  }
  const elements = items.map((inner) => h("li", {}, itemContent(inner, context, depth, isLoose)));
  const start = parseInt(first[2], 10);
  return { elements: [Number.isNaN(start) ? h("ul", {}, elements) : h("ol", { start: start === 1 ? null : start }, elements)], end };
}

/** A list ends where the mark changes: `-`, `+`, `*`, `1.` or `1)`. */
const kindOfMark = (mark) => mark.at(-1);

/** Returns the lines of an item without their indentation, and where the item ends. */
function itemOf(lines, at, [whole, indent, mark, space]) {
  const isCode = (space?.length ?? 0) > 4;
  const width = isCode || space === undefined ? indent.length + mark.length + 1 : whole.length;
  const inner = [lines[at].slice(width)];
  let end = at + 1;
  while (end < lines.length) {
    const line = lines[end];
    const isOurs = line.startsWith(" ".repeat(width));
    const isLazy = !isBlank(line) && !isBlank(lines[end - 1]) && !begins(line) && !ITEM.test(line);
    if (!isBlank(line) && !isOurs && !isLazy) break;
    inner.push(isOurs ? line.slice(width) : line.trimStart());
    end += 1;
  }
  while (inner.length > 1 && isBlank(inner.at(-1))) inner.pop();
  return { lines: inner, end };
}

/** The paragraphs of a list without blank lines are not set apart. */
function itemContent(lines, context, depth, isLoose) {
  const [, state, rest] = lines[0].match(/^\[([ xX])\] (.*)$/) ?? [];
  if (state) lines = [`${state === " " ? "☐" : "☑"} ${rest}`, ...lines.slice(1)];
  const elements = blocks(lines, context, depth + 1);
  return isLoose ? elements : elements.flatMap((element) => (element.tagName === "P" ? [...element.childNodes] : [element]));
}

function table(lines, at, context) {
  if (!lines[at].includes("|") || !COLUMNS.test(lines[at + 1] ?? "")) return null;
  const heads = cells(lines[at]);
  const aligned = cells(lines[at + 1]).map((text) => (text.endsWith(":") && !text.startsWith(":") ? "right" : null));
  if (heads.length !== aligned.length) return null;
  let end = at + 2;
  while (end < lines.length && !isBlank(lines[end]) && !begins(lines[end])) end += 1;
  const row = (tag, line) => h("tr", {}, heads.map((_, column) => h(tag, { class: aligned[column] }, inline(cells(line)[column] ?? "", context))));
  const element = h("table", {}, h("thead", {}, row("th", lines[at])), h("tbody", {}, lines.slice(at + 2, end).map((line) => row("td", line))));
  return { elements: [h("div", { class: "scroll", role: "region", "aria-label": "A table", tabindex: "0" }, element)], end };
}

/** Splits a row at its bars, except those that are escaped. */
const cells = (line) => line.trim().replace(/^\||(?<!\\)\|$/g, "").split(/(?<!\\)\|/).map((text) => text.trim().replaceAll("\\|", "|"));

function paragraph(lines, at, context) {
  let end = at + 1;
  while (end < lines.length && !isBlank(lines[end]) && !UNDERLINE.test(lines[end]) && !begins(lines[end])) end += 1;
  const text = lines.slice(at, end).map((line) => line.trimStart()).join("\n").trimEnd();
  const [, underline] = lines[end]?.match(UNDERLINE) ?? [];
  if (underline) return { elements: [headed(underline[0] === "=" ? 1 : 2, text, context)], end: end + 1 };
  return { elements: [h("p", {}, inline(text, context))], end };
}

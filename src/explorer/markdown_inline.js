// What is inside of a paragraph of Markdown: emphasis, code, links and images.

import { h } from "./dom.js";

/** The longest paragraph whose marks are looked at. */
const LONGEST = 50_000;

const PUNCTUATION = /[!-/:-@[-`{-~\p{P}\p{S}]/u;
const ENTITIES = { amp: "&", lt: "<", gt: ">", quot: "\"", apos: "'", nbsp: "\u00a0", copy: "©", reg: "®", hellip: "…", mdash: "—", ndash: "–", rarr: "→", larr: "←", times: "×" };

/** The destination and the title behind the text of a link. */
const TAIL = /\(\s*(?:<([^<>\n]*)>|((?:[^\s()\\]|\\.|\((?:[^\s()\\]|\\.)*\))*))(?:\s+(?:"[^"]*"|'[^']*'|\([^)]*\)))?\s*\)/y;
const LABEL = /\[((?:[^\[\]\\]|\\.)*)\]/y;
const ANGLED = /<(?:([a-z][a-z0-9+.-]{1,31}:[^\s<>]*)|([^\s<>@]+@[^\s<>@]+))>/iy;
const BARE = /https?:\/\/[^\s<>]*[^\s<>.,;:!?"')\]*_~]/y;
const ENTITY = /&(?:#(\d{1,7})|#x([0-9a-f]{1,6})|([a-z]+));/iy;
const BREAK = /<br ?\/?>/iy;
const COMMENT = /<!--/y;
const PLAIN = /[^\\`*_~[\]!<&\nh]+|h/y;

/** Returns the nodes of a text. `targets` are those that are defined elsewhere, by their label. */
export function inline(text, context) {
  return text.length > LONGEST ? [text] : new Inline(text, context).nodes();
}

class Inline {
  #at = 0;
  /** Nodes and texts, and marks `{ mark, count, opens, closes }` that have not found their other side. */
  #parts = [];
  #brackets = [];
  /** The lengths of runs of backticks that do not occur in the rest. */
  #unclosed = new Set();

  /** From where on no comment ends. */
  #endless = Infinity;

  constructor(text, context) {
    Object.assign(this, { text, context });
  }

  nodes() {
    while (this.#at < this.text.length) this.#step();
    return emphasized(this.#parts);
  }

  #step() {
    const char = this.text[this.#at];
    if (char === "\\") return this.#escape();
    if (char === "`") return this.#code();
    if (char === "*" || char === "_" || char === "~") return this.#mark(char);
    if (char === "!" && this.text[this.#at + 1] === "[") return this.#open("![");
    if (char === "[") return this.#open("[");
    if (char === "]") return this.#close();
    if (char === "<") return this.#angled();
    if (char === "&") return this.#entity();
    if (char === "\n") return this.#newline();
    if (char === "h" && this.#bare()) return;
    const [plain] = this.#match(PLAIN) ?? [char];
    this.#take(plain.length, plain);
  }

  #match(pattern) {
    pattern.lastIndex = this.#at;
    return pattern.exec(this.text);
  }

  #take(length, ...parts) {
    this.#at += length;
    this.#parts.push(...parts);
  }

  #escape() {
    const next = this.text[this.#at + 1];
    if (next === "\n") return this.#take(2, h("br", {}));
    if (next !== undefined && PUNCTUATION.test(next)) return this.#take(2, next);
    this.#take(1, "\\");
  }

  #newline() {
    const last = this.#parts.at(-1);
    if (typeof last === "string" && last.endsWith("  ")) return this.#take(1, h("br", {}));
    this.#take(1, "\n");
  }

  #code() {
    const [run] = this.text.slice(this.#at).match(/^`+/);
    const from = this.#at + run.length;
    if (this.#unclosed.has(run.length)) return this.#take(run.length, run);
    for (const found of this.text.slice(from).matchAll(/`+/g)) {
      if (found[0].length !== run.length) continue;
      const text = this.text.slice(from, from + found.index).replaceAll("\n", " ");
      const isPadded = /^ .*[^ ].* $/s.test(text);
      return this.#take(run.length * 2 + found.index, h("code", {}, isPadded ? text.slice(1, -1) : text));
    }
    this.#unclosed.add(run.length);
    this.#take(run.length, run);
  }

  #angled() {
    const [whole, address, mail] = this.#match(ANGLED) ?? [];
    if (whole) return this.#take(whole.length, this.#link(mail ? `mailto:${mail}` : address, [mail ?? address]));
    const broken = this.#match(BREAK);
    if (broken) return this.#take(broken[0].length, h("br", {}));
    // If this comment does not end, none that begins later does.
    if (this.#match(COMMENT)) {
      const end = this.#at < this.#endless ? this.text.indexOf("-->", this.#at) : -1;
      if (end >= 0) return this.#take(end + 3 - this.#at);
      this.#endless = Math.min(this.#endless, this.#at);
    }
    this.#take(1, "<");
  }

  #entity() {
    const [whole, decimal, hex, name] = this.#match(ENTITY) ?? [];
    const code = decimal ? Number(decimal) : parseInt(hex, 16);
    const text = name ? ENTITIES[name] : code > 0 && code <= 0x10ffff ? String.fromCodePoint(code) : undefined;
    if (whole && text !== undefined) return this.#take(whole.length, text);
    this.#take(1, "&");
  }

  /** Takes an address that stands alone. */
  #bare() {
    if (/\w/.test(this.text[this.#at - 1] ?? "")) return false;
    const [address] = this.#match(BARE) ?? [];
    // Inside of a link it is the text of that link.
    if (!address || this.#brackets.length > 0) return false;
    this.#take(address.length, this.#link(address, [address]));
    return true;
  }

  #mark(mark) {
    const [run] = this.text.slice(this.#at).match(/^(?:\*+|_+|~+)/);
    const [before, after] = [this.text[this.#at - 1] ?? " ", this.text[this.#at + run.length] ?? " "];
    const [isSpaceBefore, isSpaceAfter] = [/\s/.test(before), /\s/.test(after)];
    const [isMarkBefore, isMarkAfter] = [PUNCTUATION.test(before), PUNCTUATION.test(after)];
    const left = !isSpaceAfter && (!isMarkAfter || isSpaceBefore || isMarkBefore);
    const right = !isSpaceBefore && (!isMarkBefore || isSpaceAfter || isMarkAfter);
    // Within a word, an underscore is part of it.
    const opens = mark === "_" ? left && (!right || isMarkBefore) : left;
    const closes = mark === "_" ? right && (!left || isMarkAfter) : right;
    const isAlone = mark === "~" && run.length !== 2;
    this.#take(run.length, isAlone ? run : { mark, count: run.length, opens, closes });
  }

  #open(text) {
    this.#brackets.push({ at: this.#parts.length, from: this.#at + text.length, isImage: text === "![", isActive: true });
    this.#take(text.length, text);
  }

  #close() {
    const opener = this.#brackets.pop();
    if (!opener?.isActive) return this.#take(1, "]");
    const raw = this.text.slice(opener.from, this.#at);
    this.#at += 1;
    const target = this.#target(raw);
    if (target === undefined) return this.#parts.push("]");
    const inner = emphasized(this.#parts.splice(opener.at).slice(1));
    this.#parts.push(opener.isImage ? this.#image(target, raw) : this.#link(target, inner));
    // A link has no links inside.
    if (!opener.isImage) for (const bracket of this.#brackets) bracket.isActive &&= bracket.isImage;
  }

  /** Returns the target behind the text of a link, or the one that its label names. */
  #target(raw) {
    const tail = this.#match(TAIL);
    if (tail) {
      this.#at += tail[0].length;
      return (tail[1] ?? tail[2]).replace(/\\([!-/:-@[-`{-~])/g, "$1");
    }
    const label = this.#match(LABEL);
    const target = this.context.targets.get((label?.[1] || raw).toLowerCase().replace(/\s+/g, " ").trim());
    if (target !== undefined && label) this.#at += label[0].length;
    return target;
  }

  /** Returns a link, or only its text if it leads to something that is not for links. */
  #link(target, inner) {
    if (/^(?:https?|mailto):/i.test(target)) return h("a", { href: target, rel: "noopener noreferrer" }, inner);
    const file = attached(target) && this.context.attachment?.(target);
    return file ? h("a", { href: file.address }, inner) : h("span", {}, inner);
  }

  /** Returns a picture that is beside the record; any other one is not loaded, and is a link. */
  #image(target, alt) {
    const file = attached(target) && this.context.attachment?.(target);
    if (file?.isOpen) return h("img", { src: file.address, alt, loading: "lazy" });
    return this.#link(target, [alt || target]);
  }
}

/** Whether a target is a file beside the record. */
const attached = (target) => /^(?:\.\/)?[^./?#:\\][^/?#:\\]*$/.test(target);

/** Turns the marks of a text that have another side into emphasis, and the others into text. */
function emphasized(parts) {
  const done = [...parts];
  for (let at = 0; at < done.length; at += 1) {
    const closer = done[at];
    if (!closer.closes) continue;
    const from = openerOf(done, at);
    if (from < 0) continue;
    const opener = done[from];
    const count = closer.mark === "~" || closer.count > 1 && opener.count > 1 ? 2 : 1;
    const tag = closer.mark === "~" ? "del" : count === 2 ? "strong" : "em";
    const inner = done.slice(from + 1, at).map(asText);
    const rest = (mark) => (mark.count > count ? [{ ...mark, count: mark.count - count }] : []);
    const replaced = [...rest(opener), h(tag, {}, inner), ...rest(closer)];
    done.splice(from, at - from + 1, ...replaced);
    // What is left of the closing mark may close another one.
    at = from + replaced.length - rest(closer).length - 1;
  }
  return done.map(asText);
}

/** Returns the place of the mark that the one at `at` closes, or -1. */
function openerOf(parts, at) {
  const closer = parts[at];
  for (let from = at - 1; from >= 0 && from > at - 400; from -= 1) {
    const { mark, count, opens, closes } = parts[from];
    if (mark !== closer.mark || !opens) continue;
    // The rule of three: `*a**b*` is not cut in the middle.
    if ((closes || closer.opens) && (count + closer.count) % 3 === 0 && (count % 3 !== 0 || closer.count % 3 !== 0)) continue;
    return from;
  }
  return -1;
}

const asText = (part) => (part.mark ? part.mark.repeat(part.count) : part);

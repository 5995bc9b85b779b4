// The JSON of a record as the server sends it, set in lines and coloured.

import { h } from "./dom.js";

const TOKEN = /"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*|true|false|null|[{}[\],:]/g;

/** The most tokens that are coloured. */
const COLOURED = 20_000;

/** Returns an element with the text of some JSON. Numbers are not read, so that none is rounded. */
export function rawJson(text) {
  const parts = laidOut(text.match(TOKEN) ?? []);
  const content = parts.length > COLOURED ? parts.map(([, part]) => part).join("") : parts.map(([kind, part]) => (kind ? h("span", { class: kind }, part) : part));
  return h("pre", { class: "raw-json", tabindex: "0", role: "region", "aria-label": "JSON of the record" }, h("code", {}, content));
}

/** Returns the parts of the text: `[kind, text]`, where the kind is that of a name or a value. */
function laidOut(tokens) {
  const parts = [];
  let depth = 0;
  const line = () => parts.push([null, `\n${"  ".repeat(depth)}`]);
  tokens.forEach((token, at) => {
    const next = tokens[at + 1];
    if (token === "{" || token === "[") {
      parts.push([null, token]);
      depth += 1;
      if (next !== "}" && next !== "]") line();
    } else if (token === "}" || token === "]") {
      depth -= 1;
      if (tokens[at - 1] !== "{" && tokens[at - 1] !== "[") line();
      parts.push([null, token]);
    } else if (token === ",") {
      parts.push([null, token]);
      line();
    } else if (token === ":") parts.push([null, ": "]);
    else parts.push([next === ":" ? "json-name" : token[0] === "\"" ? "json-text" : "json-value", token]);
  });
  return parts;
}

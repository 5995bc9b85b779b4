// Schemas of the document of the API, as nested lists.

import { h } from "./dom.js";
import { toApi } from "./route.js";

/** How many schemas may be in each other. */
const DEEPEST = 12;

/** How many references may lead to each other. */
const STEPS = 20;

const BOUNDS = [
  ["minimum", "from"], ["maximum", "to"], ["exclusiveMinimum", "above"], ["exclusiveMaximum", "below"],
  ["minLength", "length from"], ["maxLength", "length to"], ["minItems", "items from"], ["maxItems", "items to"], ["default", "default"],
];

/** Returns text in which backticks mark code. */
export const prose = (text = "") => text.split("`").map((part, at) => (at % 2 ? h("code", {}, part) : part));

/** Resolves a reference inside the document. */
export function resolved(api, value) {
  for (let steps = 0; value?.$ref && steps < STEPS; steps += 1) {
    const path = decodeURIComponent(value.$ref.slice(2)).split("/");
    value = path.reduce((inside, name) => inside?.[name.replaceAll("~1", "/").replaceAll("~0", "~")], api);
  }
  return value ?? {};
}

/** Returns the anchor of a shared schema. */
export const schemaId = (name) => `schema-${name}`;

/** Returns a schema as nested lists; a shared one as a link to its place. */
export function schemaList(api, schema, depth = 0) {
  const shared = /^#\/components\/schemas\/([^/]+)$/.exec(schema?.$ref ?? "");
  if (shared) {
    const name = decodeURIComponent(shared[1]);
    return h("a", { href: toApi(schemaId(name)) }, name);
  }
  const target = resolved(api, schema);
  if (typeof target !== "object" || depth > DEEPEST) return kind(target);
  const rows = [...parts(target)].map(([label, inside, note]) =>
    h("li", {}, label, " ", schemaList(api, inside, depth + 1), note && h("span", { class: "soft" }, ` ${note}`)));
  return h("span", {}, kind(target),
    target.description && h("span", { class: "soft" }, " — ", prose(target.description)),
    rows.length > 0 && h("ul", { class: "schema" }, rows));
}

/** Yields what a schema is made of: `[label, schema, note]`. */
function* parts(schema) {
  for (const [name, property] of Object.entries(schema.properties ?? {})) {
    yield [h("code", {}, name), property, schema.required?.includes(name) ? "required" : ""];
  }
  if (schema.items !== undefined) yield ["each item:", schema.items];
  for (const [at, item] of (schema.prefixItems ?? []).entries()) yield [`item ${at + 1}:`, item];
  if (schema.additionalProperties instanceof Object) yield ["any other field:", schema.additionalProperties];
  for (const [word, label] of [["allOf", "all of"], ["anyOf", "any of"], ["oneOf", "one of"]]) {
    for (const part of schema[word] ?? []) yield [`${label}:`, part];
  }
  for (const word of ["if", "then", "else", "not"]) if (schema[word] !== undefined) yield [`${word}:`, schema[word]];
}

/** Returns a schema in a few words. */
function kind(schema) {
  if (schema === true || schema === undefined) return "anything";
  if (schema === false) return "nothing";
  const words = [];
  const types = [schema.type ?? []].flat();
  if (types.length > 0) words.push(types.join(" or "));
  if (schema.format) words.push(`(${schema.format})`);
  if ("const" in schema) words.push(JSON.stringify(schema.const));
  if (schema.enum) words.push(`one of ${schema.enum.map((value) => JSON.stringify(value)).join(", ")}`);
  if (schema.pattern) words.push(`matching ${schema.pattern}`);
  for (const [name, word] of BOUNDS) if (name in schema) words.push(`${word} ${JSON.stringify(schema[name])}`);
  return words.join(" ") || "anything";
}

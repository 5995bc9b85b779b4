// What a sheet says about its records: the schema in the document of the API, or else what its records
// have in common.

import { read, readDocument } from "./api.js";
import { isNumber, isObject } from "./exact.js";
import { isDate } from "./format.js";
import { live } from "./live.js";

/** How many records are looked at where no schema is declared. */
const SAMPLE = 20;

/** The length from which on text gets several lines. */
const LONG = 80;

let known = { commit: null, document: null };

/** Returns the schema of the records of a sheet. */
export async function schemaOf(sheet, signal) {
  if (known.commit !== live.status?.commit) known = { commit: live.status?.commit, document: await readDocument(signal) };
  const { document } = known;
  const path = document.paths?.[`/api/${encodeURIComponent(sheet)}`];
  const declared = resolved(document, path?.post?.requestBody?.content?.["application/json"]?.schema);
  if (Object.keys(declared.properties ?? {}).length > 0) return { document, schema: declared };
  const { items } = (await read([sheet], { limit: SAMPLE }, signal)).body;
  return { document, schema: { ...inferred(items.map(({ value }) => value)), required: [] } };
}

/** Returns a schema without references and combinations, as far as a form needs to know. */
export function resolved(document, schema) {
  if (schema === undefined || schema === null || typeof schema !== "object") return {};
  if (schema.$ref?.startsWith("#/")) {
    const target = schema.$ref.slice(2).split("/").reduce((inner, name) => inner?.[decodeURIComponent(name).replaceAll("~1", "/").replaceAll("~0", "~")], document);
    const { $ref: _, ...rest } = schema;
    return { ...resolved(document, target), ...rest };
  }
  const parts = (schema.allOf ?? []).map((part) => resolved(document, part));
  const choices = (schema.anyOf ?? schema.oneOf ?? []).filter(({ type }) => type !== "null");
  if (choices.length === 1) parts.push(resolved(document, choices[0]));
  return parts.reduce((sum, part) => ({
    ...part, ...sum,
    properties: { ...part.properties, ...sum.properties },
    required: [...(part.required ?? []), ...(sum.required ?? [])],
  }), schema);
}

/** Returns what these values have in common, as a schema. */
function inferred(values) {
  const given = values.filter((value) => value !== undefined && value !== null);
  const [first] = given;
  if (given.length > 0 && given.every(isObject)) {
    const names = [...new Set(given.flatMap(Object.keys))];
    return { type: "object", properties: Object.fromEntries(names.map((name) => [name, inferred(given.map((value) => value[name]))])) };
  }
  if (given.length > 0 && given.every(Array.isArray)) return { type: "array", items: inferred(given.flat()) };
  const types = new Set(given.map(typeOf));
  if (types.size !== 1) return {};
  if (typeof first !== "string") return { type: typeOf(first) };
  return given.some((text) => text.includes("\n")) ? { type: "string", isLong: true } : { type: "string" };
}

const typeOf = (value) => (isNumber(value) ? "number" : Array.isArray(value) ? "array" : typeof value);

/** Returns the kind of field for a schema and the value that it has: `choice`, `flag`, `number`, `date`, `line`,
 * `lines`, `list`, `group` or `json`. What the value is counts more than what it should be, so that
 * nothing is shown as something else. */
export function kindOf(schema, value) {
  const types = [schema.type ?? []].flat().filter((type) => type !== "null");
  const is = (type) => types.length === 1 && types[0] === type;
  if (value === null) return "json";
  if (value !== undefined) {
    if (Array.isArray(value)) return value.every(isPlainElement) ? "list" : "json";
    if (isObject(value)) return "group";
  }
  const isScalar = value === undefined || typeof value !== "object" || isNumber(value);
  if (isScalar && Array.isArray(schema.enum) && schema.enum.every((one) => typeof one === "string")) return "choice";
  if (typeof value === "boolean" || value === undefined && is("boolean")) return "flag";
  if (isNumber(value) || value === undefined && (is("number") || is("integer"))) return "number";
  if (is("array")) return value === undefined ? "list" : "line";
  if (is("object")) return value === undefined ? "group" : "line";
  if (value === undefined && types.length !== 1 && !schema.const) return types.length === 0 && Object.keys(schema).length > 0 ? "line" : "json";
  const text = value ?? "";
  if (schema.format === "date" && (text === "" || isDate(text) && text.length === 10)) return "date";
  return text.includes("\n") || text.length > LONG || schema.isLong || schema.maxLength > LONG * 2 ? "lines" : "line";
}

/** Lists of lists, and lists with gaps, have no fields of their own. */
const isPlainElement = (element) => element !== null && !Array.isArray(element);

/** Returns what a new element or field begins as. */
export function blank(document, schema) {
  const { type, enum: choices, const: only, properties, required } = resolved(document, schema);
  const kind = [type ?? []].flat().find((one) => one !== "null");
  if (only !== undefined) return only;
  if (choices) return choices[0];
  if (kind === "object") return Object.fromEntries((required ?? []).filter((name) => properties?.[name]).map((name) => [name, blank(document, properties[name])]));
  return { array: [], boolean: false, number: 0, integer: 0 }[kind] ?? "";
}

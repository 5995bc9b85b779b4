// Asks the server for counts and statistics of a list: for its facets, for suggestions, and for what
// is told of a field.

import { read } from "./api.js";
import { filled, grouped } from "./histogram.js";
import { fieldOf } from "./value.js";

/** The most values of a facet, and of a field without an index that counts as one with few values. */
const VALUES = 100;
const FEW = 40;

/** The most values that are suggested, and that are told to be frequent. */
const SUGGESTED = 12;
const FREQUENT = 3;

/** The smallest and the largest values of fields, at one commit. */
const known = { commit: null, extremes: new Map() };

async function numbers(sheet, params, signal) {
  return (await read([sheet], [...params, ["perPage", "0"]], signal)).body;
}

/** Yields the facets of `plan` as they arrive: `[{ field, kind, … }]`. Each leaves out the filters on
 * its own field, so that others of its values can be chosen. `of` is what is counted: `{ sheet, fields,
 * at, commit }`, where `commit` is that of the records that are shown. */
export async function* counted(of, params, plan, signal) {
  const { sheet, fields } = of;
  const listed = [...plan.indexed, ...plan.asked];
  const ofValues = async (names, limit) => {
    if (names.length === 0) return [];
    const { facets, more } = await numbers(sheet, [...params, ["facets", names.join(",")], ["facetMode", "or"], ["facetLimit", limit]], signal);
    return names.map((field) => ({ field, kind: "values", values: facets[field] ?? [], more: more?.[field] ?? 0 }));
  };
  const measures = listed.filter((field) => fields.isMeasure(field));
  const isCheap = (field) => fields.hasIndex(field);
  const [quick, slow] = [listed.filter((field) => !measures.includes(field) && isCheap(field)), listed.filter((field) => !measures.includes(field) && !isCheap(field))];
  yield await ofValues(quick, VALUES);
  for (const field of measures) yield await unlessCostly(field, () => ofRange(of, params, field, signal));
  for (const field of slow) yield await unlessCostly(field, () => ofValues([field], VALUES));
  // What nobody asked for is left out if it is too much work.
  const few = await unlessCostly(null, () => ofValues(plan.few, FEW));
  yield few.filter(({ more, kind }) => kind === "values" && more === 0);
}

/** Returns the facet of a field whose values are grouped into ranges. */
async function ofRange(of, params, field, signal) {
  const type = of.fields.typeOf(field);
  const { min, max } = await extremes(of, field, signal);
  const grouping = grouped(field, type, min, max);
  if (!grouping) return [];
  const { facets } = await numbers(of.sheet, [...params, ["facets", grouping.facet], ["facetMode", "or"], ["facetLimit", "1000"]], signal);
  return [{ field, kind: "range", type, bins: grouping.bins, counts: filled(grouping.bins, type, facets[grouping.facet] ?? []) }];
}

/** Does `work`; if it costs too much, the field is told to be uncounted. */
async function unlessCostly(field, work) {
  try {
    return await work();
  } catch (error) {
    if (error.code !== "too_costly") throw error;
    return [{ field, kind: "costly" }];
  }
}

/** Returns the smallest and the largest value of a field in the whole sheet: `{ min, max }`, undefined
 * without values. They are kept until another commit is shown. */
async function extremes({ sheet, fields, at, commit }, field, signal) {
  if (known.commit !== commit) Object.assign(known, { commit, extremes: new Map() });
  const id = JSON.stringify([sheet, field]);
  if (known.extremes.has(id)) return known.extremes.get(id);
  const given = at ? [["at", at]] : [];
  const ask = (params) => read([sheet], [...given, ...params], signal);
  // A list is sorted by one of its elements, so its elements are read.
  const isSorted = fields.hasIndex(field) && !fields.isList(field);
  const answers = await Promise.all(isSorted
    ? [field, `-${field}`].map((sort) => ask([["sort", sort], ["fields", field], ["limit", "1"]]))
    : [ask([["stats", field], ["perPage", "0"]])]);
  const value = ({ body }) => fieldOf(body.items[0]?.value, field);
  const found = isSorted ? { min: value(answers[0]), max: value(answers[1]) } : answers[0].body.stats[field];
  const isOne = answers.every((answer) => answer.commit === commit);
  if (isOne && known.commit === commit) known.extremes.set(id, found);
  return found;
}

/** Returns what is told of a field of the whole sheet: `{ min, max, distinct, values }`, where `values`
 * are the most frequent ones. */
export async function statistics(of, field, signal) {
  const { min, max } = await extremes(of, field, signal);
  const given = of.at ? [["at", of.at]] : [];
  const { facets, more } = await numbers(of.sheet, [...given, ["facets", field], ["facetLimit", FREQUENT]], signal);
  const values = facets[field];
  return { min, max, values, distinct: values.length + (more?.[field] ?? 0) };
}

/** Returns the most frequent values of a field, of those that begin with `beginning`; none if the
 * server cannot count them. */
export async function frequent(sheet, field, beginning, signal) {
  const begins = ({ value }) => value !== null && typeof value !== "object" && String(value).toLowerCase().startsWith(beginning.toLowerCase());
  const ask = async (within) => {
    const { facets, more } = await numbers(sheet, [...within, ["facets", field], ["facetLimit", VALUES]], signal);
    return { values: facets[field].filter(begins), isAll: !more?.[field] };
  };
  try {
    const { values, isAll } = await ask([]);
    if (isAll || !beginning || values.length >= SUGGESTED) return values.slice(0, SUGGESTED);
    // A value that is less frequent than those is looked for by its beginning.
    return (await ask([[`${field}[prefix]`, beginning]])).values.slice(0, SUGGESTED);
  } catch (error) {
    if (error.name === "AbortError" || error.status === 0) throw error;
    return [];
  }
}

/** Returns how many records match, or throws what is wrong with the query. */
export async function total(sheet, params, signal) {
  return (await numbers(sheet, [...params].filter(([name]) => name !== "sort"), signal)).total;
}

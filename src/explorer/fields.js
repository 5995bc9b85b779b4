// What is known of the fields of a sheet before a record is read: their types, how many records have
// them, and which have an index.

/** Names of fields that identify a record or refer to one. */
const IDENTIFIER = /(^id|Id|Key|_id|[Uu]uid)$/;

const NOTHING = { records: 0, types: [], list: false };

export class Fields {
  /** `sheet` is an item of `_sheets`, or undefined if the sheet is not known. */
  constructor(sheet) {
    this.take(sheet);
  }

  /** Takes over what is known now. */
  take(sheet) {
    this.names = sheet?.fields ?? [];
    this.indexed = sheet?.indexed ?? [];
    this.records = sheet?.records ?? 0;
    this.stats = sheet?.fieldStats ?? {};
  }

  has(field) {
    return Object.hasOwn(this.stats, field);
  }

  of(field) {
    return this.has(field) ? this.stats[field] : NOTHING;
  }

  /** Returns the type of all values of a field, `mixed` if they differ, and `none` without values. */
  typeOf(field) {
    const { types } = this.of(field);
    return types.length > 1 ? "mixed" : types[0] ?? "none";
  }

  isList(field) {
    return this.of(field).list;
  }

  hasIndex(field) {
    return this.indexed.includes(field);
  }

  /** Whether a range of the field can be drawn: it has only numbers or only dates, and is a measure. */
  isMeasure(field) {
    return ["number", "date"].includes(this.typeOf(field)) && !IDENTIFIER.test(field);
  }
}

export const isIdentifier = (field) => IDENTIFIER.test(field);

/** The most fields that are counted without being asked for: with an index, and without one. */
const INDEXED = 8;
const FEW = 6;

/** The most values that may be read to find the fields with few values. */
const READ = 150_000;

/** Returns the fields to count, in order: those with an index, those in `asked`, and those that seem
 * to have few values in `items`, of which there are `total`. */
export function countedFields(fields, asked, items, total) {
  const indexed = fields.indexed.filter((field) => !isIdentifier(field) && fields.has(field)).slice(0, INDEXED);
  const others = asked.filter((field) => !indexed.includes(field));
  const most = Math.min(FEW, Math.floor(READ / Math.max(total, 1)));
  const few = fields.names.filter((field) => !indexed.includes(field) && !others.includes(field) && seemsFew(fields, field, items));
  return { indexed, asked: others, few: few.slice(0, most) };
}

/** Whether the values of a field repeat in `items`, and are short. */
function seemsFew(fields, field, items) {
  const type = fields.typeOf(field);
  if (!["text", "boolean"].includes(type) || isIdentifier(field)) return false;
  if (type === "boolean") return true;
  const values = items.flatMap(({ value }) => at(value, field.split(".")));
  const distinct = new Set(values);
  return values.length > 4 && distinct.size * 2 <= values.length && values.every((value) => typeof value !== "string" || value.length < 40);
}

/** Returns the values of a field, of which a record with lists has several. */
function at(value, names) {
  if (value === null || value === undefined) return [];
  if (Array.isArray(value)) return value.flatMap((element) => at(element, names));
  if (names.length === 0) return typeof value === "object" ? [] : [value];
  const whole = names.join(".");
  return typeof value === "object" ? at(value[whole], whole in value ? [] : names).concat(whole in value ? [] : at(value[names[0]], names.slice(1))) : [];
}

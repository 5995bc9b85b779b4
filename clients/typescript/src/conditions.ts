/** A value that a field is compared with. */
export type Scalar = string | number | boolean;

/** Conditions on a number; all must be met. */
export interface SizeCondition {
  readonly eq?: number;
  readonly ne?: number;
  readonly gt?: number;
  readonly gte?: number;
  readonly lt?: number;
  readonly lte?: number;
  readonly in?: readonly number[];
  readonly nin?: readonly number[];
}

/** Conditions on a field; all must be met. */
export interface Condition {
  readonly eq?: Scalar;
  readonly ne?: Scalar;
  readonly gt?: Scalar;
  readonly gte?: Scalar;
  readonly lt?: Scalar;
  readonly lte?: Scalar;
  readonly in?: readonly Scalar[];
  readonly nin?: readonly Scalar[];
  readonly prefix?: string;
  readonly contains?: string;
  readonly exists?: boolean;
  /** The number of elements of a list. */
  readonly size?: number | SizeCondition;
}

/** Conditions by field; a plain value stands for `{ eq: value }`. Dots lead into nested fields. */
export type Where = Readonly<Record<string, Scalar | Condition>>;

/** Which records of a sheet are meant. */
export interface Part {
  readonly where?: Where;
  /** A condition in CEL, such as `stage == "live" && size(tags) > 1`. */
  readonly filter?: string;
  /** What `now` stands for in conditions: `2026-01-31T12:00:00Z`. */
  readonly now?: string;
}

/** Returns the parameters that select a part. */
export function selecting(part: Part): URLSearchParams {
  const query = new URLSearchParams();
  for (const [field, condition] of Object.entries(part.where ?? {})) {
    const conditions = typeof condition === "object" ? condition : { eq: condition };
    for (const [name, value] of operators(conditions)) query.append(`${field}${name}`, value);
  }
  if (part.filter !== undefined) query.set("filter", part.filter);
  if (part.now !== undefined) query.set("now", part.now);
  return query;
}

function* operators(condition: Condition | SizeCondition): Generator<readonly [string, string]> {
  for (const [name, value] of Object.entries(condition) as [string, unknown][]) {
    if (value === undefined) continue;
    if (Array.isArray(value)) {
      yield [`[${name}]`, value.map((each) => listed(String(each))).join(",")];
    } else if (typeof value === "object" && value !== null) {
      for (const [inner, text] of operators(value)) yield [`[${name}]${inner}`, text];
    } else {
      yield [`[${name}]`, String(value)];
    }
  }
}

/** Returns a value as a list of values has it. */
function listed(value: string): string {
  return value.replace(/[\\,]/g, "\\$&");
}

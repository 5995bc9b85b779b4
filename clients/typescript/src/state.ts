/** The records of a part of a sheet at one commit, in the order of their keys. It never changes. */
export interface State<T> {
  readonly commit: string;
  readonly records: ReadonlyMap<string, T>;
}

/** What the server tells of a record. */
export interface ToldChange<T> {
  readonly key: string;
  readonly change: "enter" | "change" | "leave";
  readonly value: T | null;
}

/** What happened to a record between two states. */
export type RecordChange<T> =
  | { readonly key: string; readonly change: "enter"; readonly before: null; readonly value: T }
  | { readonly key: string; readonly change: "change"; readonly before: T; readonly value: T }
  | { readonly key: string; readonly change: "leave"; readonly before: T; readonly value: null };

/** How two states differ, in the order of keys. */
export interface Change<T> {
  readonly before: State<T>;
  readonly after: State<T>;
  readonly items: readonly RecordChange<T>[];
}

/** Returns the state after a change, as a whole. */
export function applied<T>(state: State<T>, to: string, told: readonly ToldChange<T>[]): State<T> {
  if (told.length === 0) return { commit: to, records: state.records };
  const records = new Map(state.records);
  let isSorted = true;
  for (const { key, change, value } of told) {
    if (change === "leave") {
      records.delete(key);
    } else {
      isSorted &&= records.has(key);
      records.set(key, value as T);
    }
  }
  return { commit: to, records: isSorted ? records : sorted(records) };
}

/** Returns the state of records that were read anew. Values that are as before stay the same. */
export function loaded<T>(before: State<T>, commit: string, records: ReadonlyMap<string, T>): State<T> {
  const kept = new Map<string, T>();
  for (const [key, value] of sorted(records)) {
    const old = before.records.get(key);
    const isSame = old !== undefined && JSON.stringify(old) === JSON.stringify(value);
    kept.set(key, isSame ? old : value);
  }
  return { commit, records: kept };
}

/** Returns how two states differ. Their values are compared by identity. */
export function difference<T>(before: State<T>, after: State<T>): Change<T> {
  const items: RecordChange<T>[] = [];
  if (before.records !== after.records) {
    for (const [key, value] of after.records) {
      const old = before.records.get(key);
      if (old === undefined) items.push({ key, change: "enter", before: null, value });
      else if (old !== value) items.push({ key, change: "change", before: old, value });
    }
    for (const [key, old] of before.records) {
      if (!after.records.has(key)) items.push({ key, change: "leave", before: old, value: null });
    }
    items.sort((a, b) => compareKeys(a.key, b.key));
  }
  return { before, after, items };
}

function sorted<T>(records: ReadonlyMap<string, T>): Map<string, T> {
  return new Map([...records].sort(([a], [b]) => compareKeys(a, b)));
}

/** Compares keys as the server does: by code points, where strings here compare by UTF-16. */
export function compareKeys(a: string, b: string): number {
  const shorter = Math.min(a.length, b.length);
  let at = 0;
  while (at < shorter && a.charCodeAt(at) === b.charCodeAt(at)) at += 1;
  if (at === shorter) return a.length - b.length;
  return rank(a.charCodeAt(at)) - rank(b.charCodeAt(at));
}

/** Returns the rank of a code unit, in which halves of pairs come after everything else. */
function rank(unit: number): number {
  return unit >= 0xd800 && unit < 0xe000 ? unit + 0x10000 : unit;
}

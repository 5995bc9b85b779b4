// What changed between two values: as fields, as a merge patch (RFC 7396), and among three versions.

import { isEqual, isObject, plain } from "./exact.js";
import { member, namesOf, valueAt, withValue } from "./pointer.js";

/** Returns `{ pointer, before, after }` for each field that differs; `undefined` is absent. */
export function changes(before, after, pointer = "") {
  if (isObject(before) && isObject(after)) {
    const names = [...new Set([...Object.keys(before), ...Object.keys(after)])];
    return names.flatMap((name) => changes(own(before, name), own(after, name), member(pointer, name)));
  }
  return isEqual(before, after) ? [] : [{ pointer, before, after }];
}

/** Returns the same with values that the rest of the page shows. */
export const shownChanges = (before, after) => changes(before, after).map(({ pointer, before: old, after: now }) => ({ pointer, before: plain(old), after: plain(now) }));

/** Returns a pointer in words. */
export const nameOfPlace = (pointer) => namesOf(pointer).map((name) => (/^\d+$/.test(name) ? `#${Number(name) + 1}` : name)).join(" › ");

const own = (object, name) => (Object.hasOwn(object, name) ? object[name] : undefined);

/** Returns the patch from one object to another; `undefined` if none expresses it, because a patch
 * cannot set `null`. */
export function patchOf(before, after) {
  if (!isObject(before) || !isObject(after)) return undefined;
  const patch = {};
  for (const { pointer, after: now } of changes(before, after)) {
    if (now === undefined) Object.assign(patch, withValue(patch, pointer, null));
    else if (hasNull(now)) return undefined;
    else Object.assign(patch, withValue(patch, pointer, now));
  }
  return patch;
}

/** Whether a patch would drop a part of this value. Lists are taken as they are. */
function hasNull(value) {
  return value === null || isObject(value) && Object.values(value).some(hasNull);
}

/** Merges two changes of `base`: `{ value, conflicts, theirs }`. The value has the changes of both, and
 * ours where they differ. `conflicts` are the fields that both changed, as `{ pointer, ours, theirs }`,
 * and `theirs` are the pointers of what only they changed. */
export function merged(base, ours, theirs) {
  const [mine, other] = [changes(base, ours), changes(base, theirs)];
  const meets = (one, two) => one === two || one.startsWith(`${two}/`) || two.startsWith(`${one}/`);
  const free = other.filter(({ pointer }) => !mine.some((change) => meets(change.pointer, pointer)));
  const value = free.reduce((sum, { pointer, after }) => withValue(sum, pointer, after), ours);
  const met = mine.filter(({ pointer }) => other.some((change) => meets(change.pointer, pointer)));
  const conflicts = met
    .map(({ pointer }) => ({ pointer, ours: valueAt(ours, pointer), theirs: valueAt(theirs, pointer) }))
    .filter(({ ours: one, theirs: two }) => !isEqual(one, two));
  return { value, conflicts, theirs: free.map(({ pointer }) => pointer) };
}

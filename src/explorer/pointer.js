// JSON Pointers (RFC 6901) into values. A value is never changed in place.

/** Returns the pointer to a member of what `pointer` points to. */
export const member = (pointer, name) => `${pointer}/${String(name).replaceAll("~", "~0").replaceAll("/", "~1")}`;

/** Returns the names along a pointer. */
export const namesOf = (pointer) => pointer.split("/").slice(1).map((name) => name.replaceAll("~1", "/").replaceAll("~0", "~"));

/** Returns what is at `pointer`; `undefined` if nothing is. */
export function valueAt(value, pointer) {
  const inner = (outer, name) => (outer !== null && typeof outer === "object" && Object.hasOwn(outer, name) ? outer[name] : undefined);
  return namesOf(pointer).reduce(inner, value);
}

/** Returns `value` with another value at `pointer`; `undefined` removes it. What is missing on the way
 * becomes an object. */
export function withValue(value, pointer, given) {
  return changed(value, namesOf(pointer), given);
}

function changed(value, [name, ...rest], given) {
  if (name === undefined) return given;
  const copy = Array.isArray(value) ? [...value] : { ...value };
  const inner = changed(Object.hasOwn(copy, name) ? copy[name] : undefined, rest, given);
  if (inner !== undefined) define(copy, name, inner);
  else if (Array.isArray(copy)) copy.splice(Number(name), 1);
  else delete copy[name];
  return copy;
}

/** Sets a member, also one called `__proto__`. */
function define(object, name, value) {
  Object.defineProperty(object, name, { value, enumerable: true, configurable: true, writable: true });
}

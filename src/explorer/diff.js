// The differences between two values: field by field, and word by word within text.

/** The most words of a text that are compared; longer texts are shown as a whole. */
const WORDS = 600;

const isObject = (value) => value !== null && typeof value === "object" && !Array.isArray(value);

/** Returns `{ pointer, before, after }` for each field that differs; `undefined` is absent. */
export function fields(before, after, pointer = "") {
  if (isObject(before) && isObject(after)) {
    const names = [...new Set([...Object.keys(before), ...Object.keys(after)])].sort();
    return names.flatMap((name) => fields(before[name], after[name], `${pointer}/${name.replaceAll("~", "~0").replaceAll("/", "~1")}`));
  }
  return JSON.stringify(before) === JSON.stringify(after) ? [] : [{ pointer, before, after }];
}

/** Returns the parts of two texts: `[kind, text]`, where the kind is `same`, `removed` or `added`. */
export function words(before, after) {
  const [one, other] = [tokens(before), tokens(after)];
  if (one.length > WORDS || other.length > WORDS) return [["removed", before], ["added", after]];
  const lengths = commonLengths(one, other);
  const parts = [];
  const add = (kind, text) => {
    const last = parts.at(-1);
    if (last?.[0] === kind) last[1] += text;
    else parts.push([kind, text]);
  };
  let [i, j] = [0, 0];
  while (i < one.length || j < other.length) {
    if (i < one.length && j < other.length && one[i] === other[j]) {
      add("same", one[i]);
      i += 1;
      j += 1;
    } else if (j === other.length || (i < one.length && lengths[i + 1][j] >= lengths[i][j + 1])) {
      add("removed", one[i]);
      i += 1;
    } else {
      add("added", other[j]);
      j += 1;
    }
  }
  return parts.flatMap(outsideSpace);
}

/** Moves the space before a change out of it, once for a removal and its replacement. */
function outsideSpace([kind, text], index, parts) {
  const [, space, rest] = text.match(/^(\s*)(.*)$/s);
  if (kind === "same" || !space || !rest) return [[kind, text]];
  const follows = index > 0 && parts[index - 1][0] !== "same";
  return follows ? [[kind, rest]] : [["same", space], [kind, rest]];
}

/** Words with the space before them, so that a changed word includes its space. */
const tokens = (text) => text.match(/\s*\S+|\s+$/g) ?? [];

/** Returns the length of the longest common subsequence from each pair of places on. */
function commonLengths(one, other) {
  const lengths = Array.from({ length: one.length + 1 }, () => new Uint16Array(other.length + 1));
  for (let i = one.length - 1; i >= 0; i -= 1) {
    for (let j = other.length - 1; j >= 0; j -= 1) {
      lengths[i][j] = one[i] === other[j] ? lengths[i + 1][j + 1] + 1 : Math.max(lengths[i + 1][j], lengths[i][j + 1]);
    }
  }
  return lengths;
}

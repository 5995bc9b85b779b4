// The differences between two values: field by field, element by element in lists, and line by line
// and word by word within text.

/** The most steps that the search for a shortest difference takes; what differs more is replaced. */
const STEPS = 600;

/** The share of the words of a line that must be in another one, to be the same line changed. */
const ALIKE = 0.4;

/** The unchanged lines that are shown around a change, and the unchanged characters within a line. */
const CONTEXT = 1;
const AROUND = 80;

const isNested = (value) => value !== null && typeof value === "object";

const isObject = (value) => isNested(value) && !Array.isArray(value);

const isSame = (one, other) => JSON.stringify(one) === JSON.stringify(other);

const below = (pointer, name) => `${pointer}/${String(name).replaceAll("~", "~0").replaceAll("/", "~1")}`;

/** Whether two values are lists without lists or objects inside; they are compared as a whole. */
export const areFlat = (...values) => values.every((value) => Array.isArray(value) && !value.some(isNested));

/** Returns `{ pointer, before, after }` for each field that differs; `undefined` is absent. */
export function fields(before, after, pointer = "") {
  if (isObject(before) && isObject(after)) {
    const names = [...new Set([...Object.keys(before), ...Object.keys(after)])].sort();
    return names.flatMap((name) => fields(before[name], after[name], below(pointer, name)));
  }
  if (Array.isArray(before) && Array.isArray(after) && !areFlat(before, after)) return elements(before, after, pointer);
  return isSame(before, after) ? [] : [{ pointer, before, after }];
}

function elements(before, after, pointer) {
  return pairs(align(before.map((value) => JSON.stringify(value)), after.map((value) => JSON.stringify(value)))).flatMap(({ kind, before: i, after: j }) => {
    if (kind === "same") return [];
    return fields(i === null ? undefined : before[i], j === null ? undefined : after[j], below(pointer, j ?? i));
  });
}

/**
 * Returns the steps from one list to another: `{ kind, before, after }`, where the kind is `same`,
 * `removed` or `added`, and the others are places in the lists, null if it is in one of them alone.
 */
export function align(one, other) {
  let start = 0;
  while (start < one.length && start < other.length && one[start] === other[start]) start += 1;
  let [oneEnd, otherEnd] = [one.length, other.length];
  while (oneEnd > start && otherEnd > start && one[oneEnd - 1] === other[otherEnd - 1]) [oneEnd, otherEnd] = [oneEnd - 1, otherEnd - 1];
  const same = (count, i, j) => Array.from({ length: count }, (_, at) => ({ kind: "same", before: i + at, after: j + at }));
  const middle = shortest(one.slice(start, oneEnd), other.slice(start, otherEnd))
    .map(({ kind, before, after }) => ({ kind, before: before === null ? null : before + start, after: after === null ? null : after + start }));
  return [...same(start, 0, 0), ...middle, ...same(one.length - oneEnd, oneEnd, otherEnd)];
}

/** Finds the fewest steps, as Myers does: how far one gets by so many of them on each diagonal. */
function shortest(one, other) {
  const most = Math.min(STEPS, one.length + other.length);
  const trace = [];
  let reached = new Map([[1, 0]]);
  for (let steps = 0; steps <= most; steps += 1) {
    trace.push(new Map(reached));
    for (let diagonal = -steps; diagonal <= steps; diagonal += 2) {
      const isDown = diagonal === -steps || (diagonal !== steps && (reached.get(diagonal - 1) ?? -1) < (reached.get(diagonal + 1) ?? -1));
      let i = isDown ? reached.get(diagonal + 1) ?? 0 : reached.get(diagonal - 1) + 1;
      while (i < one.length && i - diagonal < other.length && one[i] === other[i - diagonal]) i += 1;
      reached.set(diagonal, i);
      if (i >= one.length && i - diagonal >= other.length) return traced(trace, one.length, other.length);
    }
  }
  return [...one.map((_, before) => ({ kind: "removed", before, after: null })), ...other.map((_, after) => ({ kind: "added", before: null, after }))];
}

function traced(trace, i, j) {
  const path = [];
  for (let steps = trace.length - 1; steps >= 0; steps -= 1) {
    const reached = trace[steps];
    const diagonal = i - j;
    const isDown = diagonal === -steps || (diagonal !== steps && (reached.get(diagonal - 1) ?? -1) < (reached.get(diagonal + 1) ?? -1));
    const from = isDown ? diagonal + 1 : diagonal - 1;
    const [fromI, fromJ] = steps === 0 ? [0, 0] : [reached.get(from), reached.get(from) - from];
    while (i > fromI && j > fromJ) path.push({ kind: "same", before: (i -= 1), after: (j -= 1) });
    if (steps === 0) break;
    path.push(isDown ? { kind: "added", before: null, after: (j -= 1) } : { kind: "removed", before: (i -= 1), after: null });
  }
  return path.reverse();
}

/** Puts what was removed and what was added in its place together, as `changed`. */
function pairs(steps) {
  const all = [];
  let [removed, added] = [[], []];
  const flush = () => {
    const count = Math.min(removed.length, added.length);
    for (let at = 0; at < count; at += 1) all.push({ kind: "changed", before: removed[at].before, after: added[at].after });
    all.push(...removed.slice(count), ...added.slice(count));
    [removed, added] = [[], []];
  };
  for (const step of steps) {
    if (step.kind === "removed") removed.push(step);
    else if (step.kind === "added") added.push(step);
    else {
      flush();
      all.push(step);
    }
  }
  flush();
  return all;
}

/** Returns the parts of two texts: `[kind, text]`, where the kind is `same`, `removed` or `added`. */
export function words(before, after) {
  const [one, other] = [tokens(before), tokens(after)];
  const parts = [];
  for (const step of align(one, other)) {
    const text = step.kind === "added" ? other[step.after] : one[step.before];
    if (parts.at(-1)?.[0] === step.kind) parts.at(-1)[1] += text;
    else parts.push([step.kind, text]);
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

/**
 * Returns the lines of two texts that differ, with those around them: `{ kind, parts }` with the
 * words of the line, where the kind is `same`, `changed`, `removed` or `added`; and `{ kind: "gap",
 * count }` for the unchanged lines in between.
 */
export function lines(before, after) {
  const [one, other] = [before.split("\n"), after.split("\n")];
  const all = pairs(align(one, other)).flatMap(({ kind, before: i, after: j }) => {
    if (kind === "same" || kind === "removed") return [{ kind, parts: [[kind, one[i]]] }];
    if (kind === "added") return [{ kind, parts: [[kind, other[j]]] }];
    const parts = words(one[i], other[j]);
    return areAlike(parts) ? [{ kind, parts }] : [{ kind: "removed", parts: [["removed", one[i]]] }, { kind: "added", parts: [["added", other[j]]] }];
  });
  return withGaps(all);
}

function areAlike(parts) {
  const length = (kind) => parts.filter(([of]) => of === kind).reduce((sum, [, text]) => sum + text.trim().length, 0);
  return length("same") >= ALIKE * Math.max(length("same") + length("removed"), length("same") + length("added"));
}

function withGaps(all) {
  const isNear = (at) => all.slice(Math.max(0, at - CONTEXT), at + CONTEXT + 1).some(({ kind }) => kind !== "same");
  const shown = [];
  all.forEach((line, at) => {
    if (isNear(at)) shown.push(line);
    else if (shown.at(-1)?.kind === "gap") shown.at(-1).count += 1;
    else shown.push({ kind: "gap", count: 1 });
  });
  return shown;
}

/** Leaves out the middle of what is unchanged in a line; `null` stands for what is left out. */
export function shortened(parts) {
  return parts.flatMap(([kind, text], at) => {
    if (kind !== "same" || text.length <= 2.5 * AROUND) return [[kind, text]];
    const [isFirst, isLast] = [at === 0, at === parts.length - 1];
    const head = isFirst ? "" : text.slice(0, AROUND).replace(/\S*$/, "");
    const tail = isLast ? "" : text.slice(-AROUND).replace(/^\S*/, "");
    return [[kind, head], [kind, null], [kind, tail]].filter(([, part]) => part !== "");
  });
}

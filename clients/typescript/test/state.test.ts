import assert from "node:assert/strict";
import { test } from "node:test";
import { applied, compareKeys, difference, loaded, type State } from "../src/state.js";

type Value = { readonly n: number };

const at = (commit: string, records: Record<string, number>): State<Value> => ({
  commit,
  records: new Map(Object.entries(records).map(([key, n]) => [key, { n }])),
});

const listed = (state: State<Value>): unknown => [...state.records].map(([key, { n }]) => [key, n]);

test("a change makes another state and leaves the one before as it was", () => {
  const before = at("1", { a: 1, c: 3, e: 5 });
  const after = applied(before, "2", [
    { key: "b", change: "enter", value: { n: 2 } },
    { key: "c", change: "change", value: { n: 4 } },
    { key: "e", change: "leave", value: null },
  ]);
  assert.deepEqual(listed(after), [["a", 1], ["b", 2], ["c", 4]]);
  assert.deepEqual(listed(before), [["a", 1], ["c", 3], ["e", 5]]);
  assert.equal(after.commit, "2");
  const { items } = difference(before, after);
  assert.deepEqual(items.map(({ key, change, before, value }) => [key, change, before?.n, value?.n]), [
    ["b", "enter", undefined, 2],
    ["c", "change", 3, 4],
    ["e", "leave", 5, undefined],
  ]);
});

test("a record that leaves without having been there, and one that enters twice, do no harm", () => {
  const before = at("1", { a: 1 });
  const after = applied(before, "2", [
    { key: "a", change: "enter", value: { n: 2 } },
    { key: "b", change: "leave", value: null },
  ]);
  assert.deepEqual(difference(before, after).items.map(({ key, change }) => [key, change]), [["a", "change"]]);
});

test("what is read anew differs from the state before only where its values do", () => {
  const before = at("1", { a: 1, b: 2, c: 3 });
  const after = loaded(before, "9", at("9", { d: 4, b: 20, a: 1 }).records);
  assert.deepEqual(listed(after), [["a", 1], ["b", 20], ["d", 4]]);
  const changes = difference(before, after).items.map(({ key, change }) => [key, change]);
  assert.deepEqual(changes, [["b", "change"], ["c", "leave"], ["d", "enter"]]);
});

test("keys have the order of their code points", () => {
  const keys = ["b", "a/b", "a", "\u{1f600}", "\uffee", "a-b", "é"];
  keys.sort(compareKeys);
  assert.deepEqual(keys, ["a", "a-b", "a/b", "b", "é", "\uffee", "\u{1f600}"]);
});

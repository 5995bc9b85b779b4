import assert from "node:assert/strict";
import { test } from "node:test";
import { Backoff } from "../src/backoff.js";
import { selecting } from "../src/conditions.js";

test("conditions are written as the server reads them", () => {
  const query = selecting({
    where: {
      stage: "live",
      sort: true,
      rank: { gte: 3, lt: 9 },
      city: { in: ["Berlin, Mitte", "a\\b", 7] },
      tags: { size: { gt: 1, in: [2, 3] } },
      name: { size: 4, exists: true },
    },
    filter: "size(tags) > 1",
    now: "2026-01-31T12:00:00Z",
  });
  assert.deepEqual([...query], [
    ["stage[eq]", "live"],
    ["sort[eq]", "true"],
    ["rank[gte]", "3"],
    ["rank[lt]", "9"],
    ["city[in]", "Berlin\\, Mitte,a\\\\b,7"],
    ["tags[size][gt]", "1"],
    ["tags[size][in]", "2,3"],
    ["name[size]", "4"],
    ["name[exists]", "true"],
    ["filter", "size(tags) > 1"],
    ["now", "2026-01-31T12:00:00Z"],
  ]);
});

test("waits double up to the longest, are shortened by chance, and begin again after a success", () => {
  let chance = 1;
  const backoff = new Backoff({ first: 100, longest: 500 }, () => chance);
  assert.deepEqual([1, 2, 3, 4].map(() => backoff.take()), [100, 200, 400, 500]);
  chance = 0;
  assert.equal(backoff.take(), 250);
  backoff.reset();
  assert.equal(backoff.take(), 50);
});

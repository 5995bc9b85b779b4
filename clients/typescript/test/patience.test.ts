import assert from "node:assert/strict";
import { test } from "node:test";
import { Patience } from "../src/patience.js";

const never = (): Promise<never> => new Promise(() => undefined);

test("work that hears of no abort is given up, and ends when it hears anything", async () => {
  const patience = new Patience(5);
  await assert.rejects(patience.for(never), /nothing arrived for 5 ms/);
  assert.equal(patience.signal.aborted, true);
  assert.throws(() => patience.renew(), /given up/);
});

test("work that nobody wants is given up for the reason that is given", async () => {
  const outer = new AbortController();
  const waiting = new Patience(60_000, outer.signal).for(never);
  outer.abort(new Error("enough"));
  await assert.rejects(waiting, /enough/);
  await assert.rejects(new Patience(60_000, outer.signal).for(never), /enough/);
});

test("work that is done is not given up later", async () => {
  const patience = new Patience(60_000);
  assert.equal(await patience.for(async () => 1), 1);
  assert.equal(patience.signal.aborted, false);
});

test("work that fails is aborted, so that it leaves nothing open", async () => {
  const patience = new Patience(60_000);
  await assert.rejects(patience.for(async () => Promise.reject(new Error("no stream"))), /no stream/);
  assert.equal(patience.signal.aborted, true);
});

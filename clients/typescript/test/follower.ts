// Keeps copies for tests/clients/pushes.py, and prints each state that one shows, and each that follows
// from what it tells.
import { createHash } from "node:crypto";
import { Headwater, type Json, type JsonObject, type Live, type LiveOptions } from "../src/index.js";
import { compareKeys } from "../src/state.js";

const PARTS: Record<string, LiveOptions> = {
  whole: {},
  where: { where: { stage: "live", rank: { gte: 10 } } },
  filter: { filter: 'stage == "live" && size(tags) > 1' },
};

/** Returns a value with the members of all its objects in the order of their names. */
function ordered(value: Json): Json {
  if (value === null || typeof value !== "object") return value;
  if (Array.isArray(value)) return value.map(ordered);
  const members = Object.entries(value as JsonObject).map(([name, member]) => [name, ordered(member)] as const);
  // Compared as Python does; all names here are ASCII.
  return Object.fromEntries(members.sort(([a], [b]) => (a < b ? -1 : 1)));
}

function print(copy: string, part: string, commit: string, records: ReadonlyMap<string, JsonObject>): void {
  // The keys are in the order of code points, as in the copy itself.
  const members = [...records].map(([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(ordered(value))}`);
  const digest = createHash("sha256").update(`{${members.join(",")}}`).digest("hex");
  console.log(JSON.stringify({ copy, part, commit, digest }));
}

/** Applies what the copy tells to records of its own. */
async function follow(part: string, live: Live<JsonObject>): Promise<void> {
  const records = new Map(live.state.records);
  for await (const { after, items } of live.changes()) {
    for (const { key, change, value } of items) {
      if (records.has(key) === (change === "enter")) throw new Error(`${key}: ${change}`);
      if (value === null) records.delete(key);
      else records.set(key, value);
    }
    const inOrder = [...records].sort(([a], [b]) => compareKeys(a, b));
    print(`typescript ${part} changes`, part, after.commit, new Map(inOrder));
  }
}

const address = process.argv[2]!;
console.log(JSON.stringify({ copies: Object.keys(PARTS).length }));
const headwater = new Headwater(address, { waits: { first: 10, longest: 200 } });
const copies = await Promise.all(
  Object.entries(PARTS).map(async ([part, options]) => {
    const live = await headwater.live("items", { ...options, patience: 2_000 });
    const show = (): void => print(`typescript ${part}`, part, live.commit, live.state.records);
    show();
    live.subscribe(show);
    return { live, told: follow(part, live) };
  }),
);
for await (const _ of process.stdin) {
  // The test ends the input when it is over.
}
for (const { live, told } of copies) {
  await live.close();
  await told;
  if (live.status.connected) throw new Error("a closed copy is not connected");
}

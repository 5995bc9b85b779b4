// Against a server of tests/clients/with_server.py.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Headwater, type JsonObject, RefusedError, TransportError } from "../src/index.js";

interface Person {
  readonly slug: string;
  readonly name: string;
  readonly city?: string;
  readonly bio?: string;
  readonly age?: number;
  readonly tags?: readonly string[];
}

interface Sheets {
  people: Person;
  plans: JsonObject;
}

const { HEADWATER_ADDRESS: address, HEADWATER_TOKEN: token } = process.env;
if (address === undefined || token === undefined) throw new Error("run by tests/clients/with_server.py");
const waits = { first: 10, longest: 100 };
const reader = new Headwater<Sheets>(address, { waits });
const writer = new Headwater<Sheets>(`${address}/`, { token, waits });

/** Returns the code of the refusal of a call. */
async function refused(call: Promise<unknown>): Promise<RefusedError> {
  const error = await call.then(() => null, (error: unknown) => error);
  assert(error instanceof RefusedError, String(error));
  return error;
}

/** Returns a name that no other test has. */
let names = 0;
const fresh = (): string => `ts-${process.pid}-${(names += 1)}`;

test("a record is read with its version, and a missing one is refused with a code", async () => {
  const { value, etag, commit } = await reader.get("people", "p007");
  assert.equal(value.name, "Person 7");
  assert.match(etag, /^"/);
  assert.equal((await reader.get("people", "p007", { at: commit })).value.age, 7);
  const error = await refused(reader.get("people", "nobody"));
  assert.deepEqual([error.status, error.code], [404, "not_found"]);
  assert.match(error.problem.traceId, /^[0-9a-f]{32}$/);
  // @ts-expect-error A sheet that is not in the types.
  assert.equal((await refused(reader.get("peopel", "p007"))).code, "not_found");
  // @ts-expect-error A field that is not in the types.
  assert.equal(value.nmae, undefined);
});

test("a list has every record once, by conditions, an expression and in any order", async () => {
  const all: string[] = [];
  for await (const { key } of reader.list("people", { where: { slug: { prefix: "p" } } })) all.push(key);
  assert.deepEqual(all, Array.from({ length: 250 }, (_, n) => `p${String(n).padStart(3, "0")}`));
  const some: Person[] = [];
  const where = { city: { in: ["Berlin, Mitte"] }, tags: { size: 1 }, age: { lt: 30 } };
  for await (const { value } of reader.list("people", { where, filter: "age > 10", sort: ["-age"] })) some.push(value);
  assert.deepEqual(some.map(({ age }) => age), [28, 25, 22, 19, 16, 13]);
  const error = await refused(reader.page("people", { where: { nothing: 1 } }));
  assert.equal(error.code, "invalid_query");
});

test("a page has the number of all, and what is counted and included beside them", async () => {
  const options = { where: { slug: { prefix: "p" } }, perPage: 5, page: 2, facets: "city", fields: ["slug"] };
  const { items, total, facets, commit } = await reader.page("people", options);
  assert.deepEqual(items.map(({ value }) => value), [5, 6, 7, 8, 9].map((n) => ({ slug: `p00${n}` })));
  assert.equal(total, 250);
  assert.equal(facets?.["city"]?.length, 3);
  assert.match(commit, /^[0-9a-f]{40}$/);
});

test("a search finds the best matches", async () => {
  const { items, total } = await reader.search("ferns", { sheets: ["people"], perPage: 3, fields: ["slug"] });
  assert.equal(total, 5);
  assert.equal(items.length, 3);
  assert.match(items[0]?.highlights["bio"]?.[0] ?? "", /<mark>ferns<\/mark>/);
});

test("a write succeeds on the version that was read and on no other", async () => {
  const slug = fresh();
  const created = await writer.create("people", { slug, name: "New" }, { summary: "Žofie kommt" });
  assert.deepEqual([created.key, created.changed, created.pushed !== undefined], [slug, true, true]);
  const { value, etag } = await writer.get("people", slug);
  const put = await writer.put("people", slug, { ...value, age: 3 }, { ifMatch: etag });
  assert.equal(put.value?.age, 3);
  const error = await refused(writer.patch("people", slug, { age: 4 }, { ifMatch: etag }));
  assert.deepEqual([error.status, error.code], [412, "precondition_failed"]);
  assert.equal((await refused(writer.put("people", slug, value, { ifAbsent: true }))).status, 412);
  const patched = await writer.patch("people", slug, { age: null, city: "Ems" }, { ifMatch: put.etag ?? "" });
  assert.deepEqual(patched.value, { slug, name: "New", city: "Ems" });
  const { commit } = await writer.delete("people", slug, { ifMatch: "*" });
  assert.match(commit, /^[0-9a-f]{40}$/);
  assert.equal((await refused(writer.get("people", slug))).code, "not_found");
});

test("a refused record says where it is wrong", async () => {
  // @ts-expect-error Not a number.
  const error = await refused(writer.put("people", "p001", { slug: "p001", name: "One", age: "old" }));
  assert.deepEqual([error.status, error.code, error.problem.errors?.[0]?.pointer], [422, "invalid_record", "/age"]);
});

test("a write that is sent twice is done once", async () => {
  const slug = fresh();
  let lost = 0;
  const losing: typeof fetch = async (...request) => {
    const response = await fetch(...request);
    if ((lost += 1) > 1) return response;
    throw new TypeError("the answer was lost");
  };
  const client = new Headwater<Sheets>(address, { token, waits, fetch: losing });
  const { repeated, commit } = await client.create("people", { slug, name: "Once" });
  assert.deepEqual([repeated, lost], [true, 2]);
  assert.ok(commit !== null);
  assert.equal((await reader.get("people", slug, { at: commit })).value.name, "Once");
});

test("what only a token may read is not there for others, and a wrong token is refused", async () => {
  assert.equal((await writer.get("plans", "a/one")).value["slug"], "one");
  assert.equal((await refused(reader.get("plans", "a/one"))).code, "not_found");
  const wrong = new Headwater<Sheets>(address, { token: "not-the-token-at-all" });
  assert.equal((await refused(wrong.get("people", "p001"))).code, "unauthorized");
  assert.equal((await refused(wrong.live("people"))).code, "unauthorized");
});

test("a server that is not there is an error of its own, after some tries", async () => {
  let tries = 0;
  const counting: typeof fetch = (...request) => {
    tries += 1;
    return fetch(...request);
  };
  const nowhere = new Headwater<Sheets>("http://127.0.0.1:9", { waits, retries: 2, fetch: counting });
  await assert.rejects(nowhere.get("people", "p001"), TransportError);
  assert.equal(tries, 3);
});

test("a live copy tells what changes, as a whole, and ends when it is closed", async () => {
  const slug = fresh();
  const live = await writer.live("people", { where: { city: slug } });
  assert.deepEqual([live.size, live.status.connected, live.status.error], [0, true, null]);
  const before = live.state;
  const changes = live.changes();
  await writer.create("people", { slug, name: "New", city: slug });
  const entered = (await changes.next()).value;
  assert.deepEqual(entered?.items.map(({ key, change }) => [key, change]), [[slug, "enter"]]);
  assert.equal(live.get(slug)?.name, "New");
  assert.equal(before.records.size, 0);
  const { commit } = await writer.patch("people", slug, { city: "elsewhere" });
  const left = (await changes.next()).value;
  assert.deepEqual(left?.items.map(({ key, change }) => [key, change]), [[slug, "leave"]]);
  assert.deepEqual([live.commit, live.size], [commit, 0]);
  // A commit that changes nothing in the part moves it, too.
  const moved = new Promise<void>((resolve) => void live.subscribe(resolve));
  const deleted = await writer.delete("people", slug);
  await moved;
  assert.equal(live.commit, deleted.commit);
  await live.close();
  assert.equal((await changes.next()).done, true);
  assert.equal(live.status.connected, false);
});

test("a live copy of a private sheet needs the token, and one that cannot be is refused", async () => {
  const live = await writer.live("plans");
  assert.deepEqual([...live.state.records.keys()], ["a/one"]);
  await live.close();
  assert.equal((await refused(reader.live("plans"))).code, "not_found");
  assert.equal((await refused(reader.live("people", { filter: "nothing ==" }))).code, "invalid_query");
  // What changes by itself cannot be followed.
  assert.equal((await refused(reader.live("people", { filter: 'string(now) != ""' }))).code, "invalid_query");
});

test("a list that breaks off behind a line is not taken for the whole one", async () => {
  let cut = 0;
  // As behind a proxy that hides how the connection of an answer ended.
  const cutting: typeof fetch = async (...request) => {
    const response = await fetch(...request);
    if (cut > 0 || response.headers.get("content-type") !== "application/x-ndjson") return response;
    cut += 1;
    const lines = (await response.text()).split("\n").slice(0, 100);
    return new Response(lines.map((line) => `${line}\n`).join(""), response);
  };
  const client = new Headwater<Sheets>(address, { waits, fetch: cutting });
  const live = await client.live("people", { where: { slug: { prefix: "p" } } });
  await live.close();
  assert.deepEqual([live.size, cut], [250, 1]);
});

test("a copy that is given up before it has begun leaves nothing behind", async () => {
  const nowhere = new Headwater<Sheets>("http://127.0.0.1:9", { waits });
  await assert.rejects(nowhere.live("people", { signal: AbortSignal.timeout(50) }), { name: "TimeoutError" });
});

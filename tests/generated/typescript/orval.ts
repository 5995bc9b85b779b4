// What orval makes of the document.
import assert from "node:assert/strict";
import { peopleGet, peopleList, peoplePatch, peoplePut, searchAll } from "./orval/client";

const query = { city: "Ems", filter: "age >= 100", sort: ["-age"], perPage: 5 };
const list = await peopleList(query);
assert(list.status === 200);
assert.deepEqual(list.data.items.map(({ value }) => value.age), [248, 245, 242, 239, 236]);
// @ts-expect-error A field that no person has.
assert.equal(list.data.items[0]?.value.nmae, undefined);
const second = await peopleList({ ...query, page: 2 });
assert(second.status === 200);
assert.equal(second.data.items[0]?.value.age, 233);
// @ts-expect-error A filter on a field that no person has.
const misspelt = await peopleList({ ctiy: "Ems" });
assert(misspelt.status === 422);
assert.equal(misspelt.data.code, "invalid_query");

const included = await peopleList({ _key: "p009", include: ["friend"], fields: ["slug", "friend"] });
assert(included.status === 200);
assert.deepEqual(included.data.items[0]?.value, { slug: "p009", friend: "p008" });
assert.equal(included.data.included?.people?.["p008"]?.name, "Person 8");

const found = await searchAll({ q: "ferns", sheet: ["people"] });
assert(found.status === 200);
assert.equal(found.data.total, 5);

const read = await peopleGet("p009");
assert(read.status === 200);
const headers = { "If-Match": read.headers.get("etag")! };
const put = await peoplePut("p009", { ...read.data, bio: "by orval" }, undefined, { headers });
assert(put.status === 200);
assert.equal(put.data.value?.bio, "by orval");
const stale = await peoplePatch("p009", { bio: null }, undefined, { headers });
assert(stale.status === 412);
assert.equal(stale.data.code, "precondition_failed");
const patched = await peoplePatch("p009", { bio: null });
assert(patched.status === 200);
assert.equal(patched.data.value?.bio, undefined);
// @ts-expect-error A field that no person has.
await peoplePut("p009", { slug: "p009", nmae: "Person 9" });
console.log("orval: done");

// What @hey-api/openapi-ts makes of the document.
import assert from "node:assert/strict";
import { client } from "./hey-api/client.gen";
import { peopleGet, peopleList, peoplePatch, peoplePut, searchAll } from "./hey-api/sdk.gen";
import { address, token } from "./server";

client.setConfig({ baseUrl: address, auth: token, headers: { Authorization: `Bearer ${token}` } });

const query = { city: "Ems", age: { gte: "100" }, sort: ["-age"], perPage: 5 };
const list = await peopleList({ query });
assert(list.data);
assert.deepEqual(list.data.items.map(({ value }) => value.age), [248, 245, 242, 239, 236]);
// @ts-expect-error A field that no person has.
assert.equal(list.data.items[0]?.value.nmae, undefined);
const second = await peopleList({ query: { ...query, page: 2 } });
assert.equal(second.data?.items[0]?.value.age, 233);
// @ts-expect-error A filter on a field that no person has.
const misspelt = await peopleList({ query: { ctiy: "Ems" } });
assert.equal(misspelt.error?.code, "invalid_query");

const included = await peopleList({ query: { _key: "p007", include: ["friend"], fields: ["slug", "friend"] } });
assert.deepEqual(included.data?.items[0]?.value, { slug: "p007", friend: "p006" });
assert.equal(included.data?.included?.people?.["p006"]?.name, "Person 6");

const found = await searchAll({ query: { q: "ferns", sheet: ["people"] } });
assert.equal(found.data?.total, 5);

const path = { key: "p008" };
const read = await peopleGet({ path });
assert(read.data);
const headers = { "If-Match": read.response!.headers.get("etag")! };
const put = await peoplePut({ path, headers, body: { ...read.data, bio: "by hey-api" } });
assert.equal(put.data?.value?.bio, "by hey-api");
const stale = await peoplePatch({ path, headers, body: { bio: null } });
assert.deepEqual([stale.response?.status, stale.error?.code], [412, "precondition_failed"]);
const patched = await peoplePatch({ path, body: { bio: null } });
assert.equal(patched.data?.value?.bio, undefined);
// @ts-expect-error A field that no person has.
await peoplePut({ path, body: { slug: "p008", nmae: "Person 8" } });
console.log("hey-api: done");

// What openapi-typescript and openapi-fetch make of the document.
import assert from "node:assert/strict";
import createClient from "openapi-fetch";
import type { paths } from "./openapi-typescript/schema";
import { address, token } from "./server";

const headers = { Authorization: `Bearer ${token}` };
const client = createClient<paths>({ baseUrl: address, headers });

const query = { city: "Ems", age: { gte: "100" }, sort: ["-age"], perPage: 5 };
const list = await client.GET("/api/people", { params: { query } });
assert(list.data);
assert.deepEqual(list.data.items.map(({ value }) => value.age), [248, 245, 242, 239, 236]);
assert.equal(list.data.total, 50);
// @ts-expect-error A field that no person has.
assert.equal(list.data.items[0]?.value.nmae, undefined);
const second = await client.GET("/api/people", { params: { query: { ...query, page: 2 } } });
assert.equal(second.data?.items[0]?.value.age, 233);
// @ts-expect-error A filter on a field that no person has.
const misspelt = await client.GET("/api/people", { params: { query: { ctiy: "Ems" } } });
assert.equal(misspelt.error?.code, "invalid_query");
// @ts-expect-error A sheet that there is not.
await client.GET("/api/peopel", {});

const narrow = { _key: "p007", include: ["friend" as const], fields: ["slug", "friend"] };
const included = await client.GET("/api/people", { params: { query: narrow } });
assert.deepEqual(included.data?.items[0]?.value, { slug: "p007", friend: "p006" });
assert.equal(included.data?.included?.people?.["p006"]?.name, "Person 6");

const found = await client.GET("/api/_search", { params: { query: { q: "ferns", sheet: ["people"] } } });
assert.equal(found.data?.total, 5);

const path = { key: "p007" };
const read = await client.GET("/api/people/{key}", { params: { path } });
assert(read.data);
assert.equal(read.data.name.length, 8);
const etag = read.response.headers.get("etag")!;
const header = { "If-Match": etag };
const body = { ...read.data, bio: "by openapi-fetch" };
const put = await client.PUT("/api/people/{key}", { params: { path, header }, body });
assert.equal(put.data?.value?.bio, "by openapi-fetch");
const stale = await client.PATCH("/api/people/{key}", { params: { path, header }, body: { bio: null } });
assert.deepEqual([stale.response.status, stale.error?.code], [412, "precondition_failed"]);
const patched = await client.PATCH("/api/people/{key}", { params: { path }, body: { bio: null } });
assert.equal(patched.data?.value?.bio, undefined);
// @ts-expect-error A field that no person has.
await client.PUT("/api/people/{key}", { params: { path }, body: { slug: "p007", nmae: "Person 7" } });
const missing = await client.GET("/api/people/{key}", { params: { path: { key: "nobody" } } });
assert.equal(missing.error?.code, "not_found");
console.log("openapi-fetch: done");

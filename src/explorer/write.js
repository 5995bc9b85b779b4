// Writes records. Everything is one request: a change of one record by its own route, several as a
// transaction, and all of them as a dry run that only tells what would happen.

import { address, answered, request } from "./api.js";
import { parse, text } from "./exact.js";
import { messageHeader } from "./files.js";
import { patchOf } from "./merge.js";
import { member, namesOf } from "./pointer.js";

/** Reads a record to be edited: `{ value, tag }`, exactly as it is. */
export async function readRecord(sheet, key, signal) {
  const response = await request(address([sheet, ...key.split("/")]), { signal, cache: "no-store" });
  if (!response.ok) await answered(response);
  return { value: parse(await response.text()), tag: response.headers.get("ETag") };
}

/** Reads a route, with numbers as they are written. */
export async function readExactly(segments, params, signal) {
  return (await answered(await request(address(segments, params), { signal }), parse)).body;
}

/** Returns the operation that turns one value of a record into another. */
export function change({ sheet, key, tag, before, after }) {
  const patch = patchOf(before, after);
  return patch === undefined ? { op: "put", sheet, key, value: after, ifMatch: tag } : { op: "patch", sheet, key, value: patch, ifMatch: tag };
}

/** Tells what operations would do, by the rules of the server. */
export const tried = (operations, signal) => sent(operations, { signal, query: { dryRun: "true" }, purpose: "check" });

/** Does operations as one commit with a message. `id` names the attempt: the same one again is done
 * once. */
export const written = (operations, message, id) => sent(operations, { message, id, purpose: "write" });

/** Returns an id for an attempt. */
export function attempt() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Returns `{ commit, changed, results }`. An error has its pointers below its operation, as `{ operation,
 * pointer, detail }`. */
async function sent(operations, { signal, query, message, id, purpose }) {
  // Only the body of a transaction has room for several lines.
  const isAlone = operations.length === 1 && !message?.includes("\n");
  const [url, options] = isAlone ? alone(operations[0], query) : [address(["_transact"], query), { method: "POST", body: text({ operations, summary: message || undefined }) }];
  const headers = { "Content-Type": "application/json", ...options.headers };
  if (isAlone) Object.assign(headers, messageHeader(message));
  if (id) headers["Idempotency-Key"] = id;
  const response = await request(url, { ...options, headers, signal, purpose });
  if (response.status === 204) return { commit: response.headers.get("X-Headwater-Commit"), changed: true, results: [operations[0]] };
  const { body } = await answered(response, parse).catch((error) => {
    error.errors = error.errors.map((found) => placed(found, isAlone));
    throw error;
  });
  const { commit, changed, results, sheet, key, value, movedFrom, ifMatch } = body;
  return { commit, changed, results: results ?? (sheet ? [{ sheet, key, value, movedFrom, ifMatch }] : []) };
}

/** Returns the request of one operation. */
function alone({ op, sheet, key, value, ifMatch, ifNoneMatch }, query) {
  const condition = ifMatch ? { "If-Match": ifMatch } : ifNoneMatch ? { "If-None-Match": ifNoneMatch } : {};
  const method = { put: "PUT", patch: "PATCH", create: "POST", delete: "DELETE" }[op];
  const segments = op === "create" ? [sheet] : [sheet, ...key.split("/")];
  return [address(segments, query), { method, headers: condition, body: value === undefined ? undefined : text(value) }];
}

/** Tells the operation of an error and the place in its record apart. */
function placed({ pointer = "", detail }, isAlone) {
  if (isAlone) return { operation: 0, pointer, detail };
  const [, index, , ...rest] = namesOf(pointer);
  return { operation: Number(index), pointer: rest.reduce(member, ""), detail };
}

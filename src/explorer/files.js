// The files next to records: their list, changes of them, and how they become as they were before a commit.

import { address, answered, request } from "./api.js";

const place = (sheet, key, name) => ["_attachments", sheet, ...key.split("/"), name];

/** Returns the files next to a record as `{ name, etag }`; null if it is not there, or cannot have any. */
export async function filesOf({ sheet, key, at }, signal) {
  try {
    const url = address(place(sheet, key, ""), at && { at });
    return (await answered(await request(url, { signal, cache: "no-store" }))).body.items;
  } catch (error) {
    if (error.status === 404) return null;
    throw error;
  }
}

/** Returns the address of a file. */
export const fileAddress = ({ sheet, key, at }, name) => address(place(sheet, key, name), at && { at });

/** Changes a file, which is a commit of its own: `method` is `PUT` or `DELETE`. Returns the commit. */
export async function changeFile({ sheet, key, name, method, condition, body, message }) {
  const headers = { ...condition, ...(body && { "Content-Type": body.type || "application/octet-stream" }), ...messageHeader(message) };
  const response = await request(fileAddress({ sheet, key }, name), { method, headers, body, purpose: "write" });
  if (!response.ok) await answered(response);
  return response.headers.get("X-Headwater-Commit");
}

/** Returns the header with the message of a change. A header carries bytes, which the server reads as UTF-8. */
export function messageHeader(message) {
  if (!message) return {};
  const bytes = new TextEncoder().encode(message.replace(/\s*\n\s*/g, " ").trim());
  return { "X-Headwater-Summary": String.fromCharCode(...bytes) };
}

/** Returns what a commit did to the files next to a record, and what undoes it: `{ sheet, key, name, before, condition, kept }`.
 * `before` is whether there was a file before, `condition` that of undoing it, and `kept` whether it has
 * changed again, and stays as it is. */
export async function fileChanges({ sheet, key }, { commit, parent }, signal) {
  const at = async (at) => new Map((await filesOf({ sheet, key, at }, signal) ?? []).map(({ name, etag }) => [name, etag]));
  const [before, after, now] = await Promise.all([at(parent), at(commit), at()]);
  const names = [...new Set([...before.keys(), ...after.keys()])].filter((name) => before.get(name) !== after.get(name));
  return names.filter((name) => now.get(name) !== before.get(name)).map((name) => ({
    sheet, key, name, before: before.has(name), kept: now.get(name) !== after.get(name),
    condition: now.has(name) ? { "If-Match": now.get(name) } : { "If-None-Match": "*" },
  }));
}

/** Makes a file as it was before a commit. Returns the new commit. */
export async function undoFile({ sheet, key, name, before, condition }, parent, message) {
  if (!before) return changeFile({ sheet, key, name, method: "DELETE", condition, message });
  const response = await request(fileAddress({ sheet, key, at: parent }, name), {});
  if (!response.ok) await answered(response);
  return changeFile({ sheet, key, name, method: "PUT", condition, body: await response.blob(), message });
}

// Reads the public API of the server that the page came from.

import { authorization, noteAnswer, renewToken } from "./credential.js";

/** An error answer of the server, or no answer (status 0). */
export class ApiError extends Error {
  constructor(status, problem) {
    super(problem.detail ?? problem.title ?? "The server does not respond");
    this.status = status;
    this.code = problem.code ?? "";
    /** What is wrong, and where: `{ parameter, detail }` or `{ pointer, detail }`. */
    this.errors = problem.errors ?? [];
  }

  /** Whether the server does not have the route. */
  get isMissingRoute() {
    return this.status === 404 && this.code === "not_found" || this.status === 405;
  }
}

/** Returns the address of a route, relative to the page, so that it works below a base path. */
export function address(segments, params) {
  const path = segments.map((segment) => encodeURIComponent(segment)).join("/");
  const query = new URLSearchParams(params ?? {}).toString();
  return `api/${path}${query ? `?${query}` : ""}`;
}

/** Reads a route: `{ body, commit }`. */
export async function read(segments, params, signal) {
  return answered(await request(address(segments, params), { signal }));
}

/** Reads the document of the API. */
export async function readDocument(signal) {
  return (await answered(await request("openapi.json", { signal }))).body;
}

/** Reads the answer at an address as a file. */
export async function readFile(url) {
  const response = await request(url, {});
  return response.ok ? response.blob() : answered(response);
}

/** Makes the demonstration push its next change. */
export async function pushChange() {
  const headers = { "X-Headwater-Demo": "push" };
  return answered(await request("api/_demo/push", { method: "POST", headers }));
}

/** Sends a request with the token. If the server wants another one, it is asked for, and the request is
 * sent again; the `purpose` (`read`, `check` or `write`) says why. */
export async function request(url, { purpose = "read", ...options }) {
  try {
    const headers = { ...options.headers, ...authorization() };
    const response = await fetch(url, { ...options, headers });
    noteAnswer(response);
    return response.status === 401 && await renewToken(purpose) ? request(url, { purpose, ...options }) : response;
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(0, {});
  }
}

/** Returns the body of an answer, and its commit. */
export async function answered(response, parse = JSON.parse) {
  const body = await response.text().then(parse).catch((error) => {
    // An answer that nobody waits for any more is no empty one.
    if (error.name === "AbortError") throw error;
    return {};
  });
  if (!response.ok) throw new ApiError(response.status, body);
  return { body, commit: response.headers.get("X-Headwater-Commit") };
}

/** Returns a sentence that explains why something is not shown; a missing route is not a failure. */
export function sentence(error, route) {
  if (error.isMissingRoute) return `This server has no route ${route}, so this is not shown.`;
  if (error.status === 0) return "The server does not respond. Retrying automatically.";
  return `${error.message}.`.replace(/\.\.$/, ".");
}

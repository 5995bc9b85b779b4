// Maps the hash of the address to a page. The parameters of a sheet are those of the API, so a link
// to a list is a link to its query.

/** Parses `#/name/segment…?parameters`. */
export function parse(hash) {
  const [path, query] = hash.replace(/^#\/?/, "").split(/\?(.*)/s);
  const [name, ...rest] = path.split("/").map(decoded);
  return { name: name || "overview", rest, params: new URLSearchParams(query ?? "") };
}

/** Returns a link to a page. */
export function link(segments, params) {
  const query = params ? new URLSearchParams(params).toString() : "";
  const path = segments.map((segment) => encodeURIComponent(segment)).join("/");
  return `#/${path}${query ? `?${query}` : ""}`;
}

export const toSheet = (sheet, params) => link(["sheet", sheet], params);

export const toRecord = (sheet, key, params) => link(["record", sheet, ...key.split("/")], params);

export const toCompare = (from, to, sheet) => link(["compare"], { from, to, ...(sheet && { sheet }) });

/** Returns a link to a part of the page of the API. */
export const toApi = (part) => link(["api"], part ? { part } : undefined);

/** Navigates to `address` without an entry in the history, as for typing. */
export function replace(address) {
  history.replaceState(null, "", address);
  window.dispatchEvent(new HashChangeEvent("hashchange"));
}

/** Decodes a part of a path; what is not encoded rightly is left as it is. */
export function decoded(segment) {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}

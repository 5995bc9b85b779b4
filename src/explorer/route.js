// Which page the part of the address behind the hash names. The parameters of a sheet are those of the
// API, so a link to a list is a link to its query.

/** Reads `#/name/segment…?parameters`. */
export function parse(hash) {
  const [path, query] = hash.replace(/^#\/?/, "").split(/\?(.*)/s);
  const [name, ...rest] = path.split("/").map(decoded);
  return { name: name || "overview", rest, params: new URLSearchParams(query ?? "") };
}

/** Writes a link to a page. */
export function link(segments, params) {
  const query = params ? new URLSearchParams(params).toString() : "";
  const path = segments.map((segment) => encodeURIComponent(segment)).join("/");
  return `#/${path}${query ? `?${query}` : ""}`;
}

export const toSheet = (sheet, params) => link(["sheet", sheet], params);

export const toRecord = (sheet, key, params) => link(["record", sheet, ...key.split("/")], params);

export const toCompare = (from, to) => link(["compare"], { from, to });

/** Goes to `address` without an entry in the history, as typing does. */
export function replace(address) {
  history.replaceState(null, "", address);
  window.dispatchEvent(new HashChangeEvent("hashchange"));
}

function decoded(segment) {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}

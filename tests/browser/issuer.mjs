// A small issuer of OpenID Connect for pages: it asks who one is, and gives tokens for a code to those who
// prove that they asked for it. It is strict: what is not as the specifications say is refused, and noted.
import { createHash, generateKeyPairSync, randomBytes, sign } from "node:crypto";
import { createServer } from "node:http";

const PEOPLE = {
  ada: { name: "Ada Lovelace", email: "ada@example.org", groups: ["editors"] },
  eve: { name: "Eve", email: "eve@example.org", groups: [] },
};

/** How long a token is valid, in seconds. */
const LIFETIME = 600;

const encoded = (value) => Buffer.from(value).toString("base64url");

/** Starts the issuer, which knows one page: `client`. Returns `{ url, token, refused, know, stop }`. */
export async function issuer(client) {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const [requests, codes, refused, redirects] = [new Map(), new Map(), [], new Set()];
  let url;

  /** Returns a token of a person that is valid for so many seconds. */
  const token = (person, more = {}, lifetime = LIFETIME) => {
    const claims = { iss: url, sub: person, aud: client, exp: Math.floor(Date.now() / 1000) + lifetime, ...PEOPLE[person], ...more };
    const text = `${encoded(JSON.stringify({ alg: "ES256", typ: "JWT", kid: "one" }))}.${encoded(JSON.stringify(claims))}`;
    return `${text}.${encoded(sign("sha256", Buffer.from(text), { key: privateKey, dsaEncoding: "ieee-p1363" }))}`;
  };

  const answers = {
    "GET /.well-known/openid-configuration": () => ({ issuer: url, authorization_endpoint: `${url}/authorize`, token_endpoint: `${url}/token`, jwks_uri: `${url}/keys` }),
    // Browsers ask for it by themselves.
    "GET /favicon.ico": () => ({}),
    "GET /keys": () => ({ keys: [{ ...publicKey.export({ format: "jwk" }), kid: "one", alg: "ES256", use: "sig" }] }),
    "GET /authorize": (asked) => {
      const is = (name, value) => asked.get(name) === value || refuse(`${name} is ${asked.get(name)}`);
      is("response_type", "code");
      is("client_id", client);
      is("code_challenge_method", "S256");
      if (!redirects.has(asked.get("redirect_uri"))) refuse(`nobody knows ${asked.get("redirect_uri")}`);
      if (!asked.get("scope")?.split(" ").includes("openid")) refuse("the scope is not openid");
      for (const name of ["state", "nonce", "code_challenge"]) if (!/^[\w-]{43}$/.test(asked.get(name))) refuse(`${name} is too short`);
      const id = encoded(randomBytes(8));
      requests.set(id, asked);
      const links = Object.entries(PEOPLE).map(([person, { name }]) => `<li><a href="grant?${new URLSearchParams({ id, person })}">${name}</a></li>`);
      return `<!doctype html><html lang="en"><title>Issuer</title><h1>Who are you?</h1><ul>${links.join("")}<li><a href="grant?id=${id}">Cancel</a></li></ul>`;
    },
    "GET /grant": (asked) => {
      const request = requests.get(asked.get("id")) ?? refuse("this was not asked for");
      requests.delete(asked.get("id"));
      const back = new URL(request.get("redirect_uri"));
      back.searchParams.set("state", request.get("state"));
      back.searchParams.set("iss", url);
      if (!asked.has("person")) back.searchParams.set("error", "access_denied");
      else {
        const code = encoded(randomBytes(16));
        codes.set(code, { request, person: asked.get("person") });
        back.searchParams.set("code", code);
      }
      return back;
    },
    "POST /token": (asked, headers) => {
      if (headers.authorization || asked.has("client_secret")) refuse("a page has no secret");
      const { request, person } = codes.get(asked.get("code")) ?? refuse("this code is good for nothing");
      codes.delete(asked.get("code"));
      if (asked.get("grant_type") !== "authorization_code" || asked.get("client_id") !== client) refuse("this is another grant or client");
      if (asked.get("redirect_uri") !== request.get("redirect_uri")) refuse("the code was for another page");
      const proof = createHash("sha256").update(asked.get("code_verifier") ?? "").digest("base64url");
      if (proof !== request.get("code_challenge")) refuse("the proof is wrong");
      const access = request.has("audience") ? token(person, { aud: request.get("audience") }) : "opaque";
      return { id_token: token(person, { nonce: request.get("nonce") }), access_token: access, token_type: "Bearer", expires_in: LIFETIME };
    },
  };

  function refuse(why) {
    refused.push(why);
    throw new Error(why);
  }

  const server = createServer(async (request, response) => {
    const { pathname, searchParams } = new URL(request.url, url);
    let body = "";
    for await (const piece of request) body += piece;
    // A page of another origin may read the answers, but not with cookies.
    response.setHeader("Access-Control-Allow-Origin", "*");
    try {
      const answer = answers[`${request.method} ${pathname}`] ?? refuse(`there is no ${request.method} ${pathname}`);
      const told = answer(request.method === "POST" ? new URLSearchParams(body) : searchParams, request.headers);
      if (told instanceof URL) return response.writeHead(302, { Location: told.href }).end();
      if (typeof told === "string") return response.writeHead(200, { "Content-Type": "text/html" }).end(told);
      return response.writeHead(200, { "Content-Type": "application/json" }).end(JSON.stringify(told));
    } catch (error) {
      return response.writeHead(400, { "Content-Type": "application/json" }).end(JSON.stringify({ error: "invalid_request", error_description: error.message }));
    }
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  url = `http://127.0.0.1:${server.address().port}`;
  const stop = () => new Promise((resolve) => {
    server.close(resolve);
    server.closeAllConnections();
  });
  return { url, token, refused, know: (address) => redirects.add(address), stop };
}

// A real issuer: oidc-provider, with a few people, a client for ID tokens, and access tokens as JWT.
import { generateKeyPairSync } from "node:crypto";
import { Provider } from "oidc-provider";

/** The audience of all tokens that are for Headwater. */
export const AUDIENCE = "headwater";

/** Where the issuer sends people back to. Nobody listens there: the address alone is read. */
export const REDIRECT = "http://127.0.0.1:9/signed-in";

export const SECRET = "the-secret-of-the-client";

/** The people, by what they type as their name. */
const PEOPLE = {
  ada: { name: "Ada Lovelace", email: "ada@example.org", email_verified: true, groups: ["editors", "readers"] },
  bob: { name: "Bob", email: "bob@example.org", email_verified: true, groups: ["staff"] },
  eve: { name: "Eve", email: "eve@example.org", email_verified: true, groups: [] },
};

const HOUR = 3600;

/** What an access token is asked for. */
const API = "http://127.0.0.1/data";

/** Returns a new key of each kind. Their names have `round` in them. */
export function keys(round) {
  const pairs = [
    ["RS256", generateKeyPairSync("rsa", { modulusLength: 2048 })],
    ["ES256", generateKeyPairSync("ec", { namedCurve: "P-256" })],
    ["EdDSA", generateKeyPairSync("ed25519")],
  ];
  return pairs.map(([alg, { privateKey }]) =>
    ({ ...privateKey.export({ format: "jwk" }), alg, use: "sig", kid: `${alg}-${round}` }));
}

/** Starts the issuer at `port` with these keys. */
export async function started(port, jwks) {
  const client = (client_id, alg) => ({
    client_id, client_secret: SECRET, redirect_uris: [REDIRECT], grant_types: ["authorization_code"],
    response_types: ["code"], id_token_signed_response_alg: alg,
  });
  const provider = new Provider(`http://127.0.0.1:${port}`, {
    clients: [client(AUDIENCE, "RS256"), client("another", "ES256")],
    jwks: { keys: jwks },
    cookies: { keys: ["the-key-of-the-cookies"] },
    claims: { openid: ["sub"], profile: ["name"], email: ["email", "email_verified"], groups: ["groups"] },
    // An ID token has the claims of the person, so that it is enough.
    conformIdTokenClaims: false,
    findAccount: (_, id) => PEOPLE[id] && { accountId: id, claims: () => ({ sub: id, ...PEOPLE[id] }) },
    extraTokenClaims: (_, token) => PEOPLE[token.accountId],
    ttl: { AccessToken: HOUR, Grant: HOUR, IdToken: HOUR, Interaction: HOUR, Session: HOUR },
    enabledJWA: { idTokenSigningAlgValues: ["RS256", "ES256", "EdDSA"] },
    features: {
      devInteractions: { enabled: true },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: () => ({
          audience: AUDIENCE, scope: "openid", accessTokenFormat: "jwt", jwt: { sign: { alg: "EdDSA" } },
        }),
      },
    },
  });
  const server = await new Promise((resolve) => {
    const listening = provider.listen(port, "127.0.0.1", () => resolve(listening));
  });
  return async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  };
}

/** Signs a person in as a browser does: with forms, redirects and cookies. Returns the tokens. */
export async function signIn(issuer, person, { client = AUDIENCE, asApi = false } = {}) {
  const configuration = await (await fetch(`${issuer}/.well-known/openid-configuration`)).json();
  const resource = asApi ? { resource: API } : {};
  const start = new URL(configuration.authorization_endpoint);
  const verifier = "a-verifier-that-is-long-enough-for-the-specification";
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(verifier));
  start.search = new URLSearchParams({
    client_id: client, response_type: "code", redirect_uri: REDIRECT, scope: "openid profile email groups",
    code_challenge: Buffer.from(digest).toString("base64url"), code_challenge_method: "S256", nonce: "n", ...resource,
  });
  const cookies = new Map();
  const step = async (url, form) => {
    const headers = { cookie: [...cookies].map((pair) => pair.join("=")).join("; ") };
    const body = form && new URLSearchParams(form);
    const answer = await fetch(url, { method: form ? "POST" : "GET", headers, body, redirect: "manual" });
    for (const cookie of answer.headers.getSetCookie()) {
      const [, name, value] = cookie.match(/^([^=]+)=([^;]*)/);
      cookies.set(name, value);
    }
    return { status: answer.status, to: answer.headers.get("location"), text: await answer.text() };
  };
  let at = start.href;
  for (let steps = 0; steps < 12; steps += 1) {
    if (at.startsWith(REDIRECT)) break;
    const { to, status, text } = await step(at);
    if (to) {
      at = new URL(to, issuer).href;
      continue;
    }
    if (status !== 200) throw new Error(`${at} answered ${status}: ${text.slice(0, 500)}`);
    const prompt = /name="prompt" value="(\w+)"/.exec(text)?.[1];
    const form = prompt === "login" ? { prompt, login: person, password: "any" } : { prompt };
    at = new URL((await step(at, form)).to, issuer).href;
  }
  const code = new URL(at).searchParams.get("code");
  if (!code) throw new Error(`no code at ${at}`);
  const answer = await fetch(configuration.token_endpoint, {
    method: "POST",
    headers: { authorization: `Basic ${Buffer.from(`${client}:${SECRET}`).toString("base64")}` },
    body: new URLSearchParams({
      grant_type: "authorization_code", code, redirect_uri: REDIRECT, code_verifier: verifier, ...resource,
    }),
  });
  const tokens = await answer.json();
  if (!answer.ok) throw new Error(JSON.stringify(tokens));
  return tokens;
}

// Signing in at an issuer of OpenID Connect, as a page does that keeps no secret: with a code that is worth
// nothing without a proof (PKCE). The issuer asks the person, on its own page, and sends them back here.

/** What is known of a sign-in that is under way. It ends with the tab. */
const PENDING = "headwater-sign-in";

/** Why somebody is not signed in, in words for them. */
export class SignInError extends Error {}

let known = null;

/** Returns the issuers at which one can sign in: `{ issuer, clientId, scope, audience, token }`. */
export function issuers() {
  known ??= fetch("_explorer/sign-in.json").then((response) => response.json()).then(({ issuers }) => issuers ?? []).catch(() => []);
  return known;
}

/** Goes to an issuer, which sends the person back to this page. */
export async function leaveFor(provider) {
  const { authorization_endpoint: endpoint } = await configurationOf(provider.issuer);
  const pending = { provider, verifier: secret(), state: secret(), nonce: secret(), redirect: home(), hash: location.hash };
  const address = await authorizationAddress(endpoint, pending);
  sessionStorage.setItem(PENDING, JSON.stringify(pending));
  location.assign(address);
}

/** Takes the answer of an issuer out of the address, and returns the token that it is good for; null if
 * nobody was sent back here. */
export async function comeBack() {
  const answer = new URLSearchParams(location.search);
  if (!answer.has("state")) return null;
  const pending = JSON.parse(sessionStorage.getItem(PENDING));
  sessionStorage.removeItem(PENDING);
  history.replaceState(null, "", home() + (pending?.hash ?? location.hash));
  return tokenFor(answer, pending);
}

/** Returns the token that the answer of an issuer is good for, given what was asked for. */
export async function tokenFor(answer, pending) {
  // Otherwise somebody else would be signed in here, by a link.
  if (pending === null || answer.get("state") !== pending.state) throw new SignInError("This sign-in did not begin in this tab.");
  const { provider, nonce } = pending;
  if (answer.has("iss") && answer.get("iss") !== provider.issuer) throw new SignInError("The answer is from another issuer.");
  if (answer.has("error")) throw new SignInError(answer.get("error") === "access_denied" ? "It was cancelled." : `The issuer says: ${answer.get("error_description") ?? answer.get("error")}.`);
  const { token_endpoint: endpoint } = await configurationOf(provider.issuer);
  const tokens = await asked(endpoint, { method: "POST", body: exchange(answer.get("code"), pending) });
  const token = tokens[provider.token];
  if (!token) throw new SignInError("The issuer gave no token.");
  if (tokens.id_token && claimsOf(tokens.id_token)?.nonce !== nonce) throw new SignInError("The token was made for another sign-in.");
  return token;
}

/** Returns the address at which the issuer asks the person. */
export async function authorizationAddress(endpoint, { provider, verifier, state, nonce, redirect }) {
  const address = new URL(endpoint);
  const params = {
    response_type: "code", client_id: provider.clientId, redirect_uri: redirect, scope: provider.scope,
    state, nonce, code_challenge: await challenge(verifier), code_challenge_method: "S256",
    // Some issuers make a token for somebody else only if one says for whom.
    ...(provider.token === "access_token" && { audience: provider.audience }),
  };
  for (const [name, value] of Object.entries(params)) address.searchParams.set(name, value);
  return address.href;
}

function exchange(code, { provider, verifier, redirect }) {
  return new URLSearchParams({ grant_type: "authorization_code", code, redirect_uri: redirect, client_id: provider.clientId, code_verifier: verifier });
}

/** Returns what an issuer tells of itself. */
async function configurationOf(issuer) {
  const configuration = await asked(`${issuer.replace(/\/$/, "")}/.well-known/openid-configuration`, {});
  if (configuration.issuer !== issuer) throw new SignInError("The issuer has another name than this server knows.");
  // The page goes to these addresses: `javascript:` is one, too.
  const isSafe = (address) => URL.canParse(address) && ["https:", new URL(issuer).protocol].includes(new URL(address).protocol);
  if (![configuration.authorization_endpoint, configuration.token_endpoint].every(isSafe)) {
    throw new SignInError(`${new URL(issuer).host} names an address that this page does not go to.`);
  }
  return configuration;
}

async function asked(address, options) {
  let response;
  try {
    response = await fetch(address, { ...options, credentials: "omit", cache: "no-store", headers: { Accept: "application/json" } });
  } catch {
    throw new SignInError(`${new URL(address).host} does not answer this page.`);
  }
  const body = await response.json().catch(() => ({}));
  if (!response.ok) throw new SignInError(`${new URL(address).host} says: ${body.error_description ?? body.error ?? response.status}.`);
  return body;
}

/** Returns what a token says of itself, or null if it is no JWT. The server alone decides whether it is genuine. */
export function claimsOf(token) {
  try {
    const text = atob(token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/"));
    return JSON.parse(new TextDecoder().decode(Uint8Array.from(text, (char) => char.charCodeAt(0))));
  } catch {
    return null;
  }
}

/** The address of this page, which the issuer knows. */
const home = () => new URL(".", document.baseURI).href;

/** Returns 256 random bits as text. */
const secret = () => encoded(crypto.getRandomValues(new Uint8Array(32)));

async function challenge(verifier) {
  if (!crypto.subtle) throw new SignInError("Signing in needs HTTPS.");
  return encoded(new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(verifier))));
}

const encoded = (bytes) => btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");

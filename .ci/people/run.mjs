// People of a real issuer at a real server: they sign in, read a private sheet, and write as themselves.
// The argument is the program.
import { execFileSync, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { AUDIENCE, keys, signIn, started } from "./provider.mjs";

const [program] = process.argv.slice(2);
let [passed, failed] = [0, 0];

async function check(name, work) {
  try {
    await work();
    passed += 1;
    console.log(`ok    ${name}`);
  } catch (error) {
    failed += 1;
    console.log(`FAIL  ${name}\n      ${error.message}`);
  }
}

function equal(found, expected) {
  const [one, other] = [JSON.stringify(found), JSON.stringify(expected)];
  if (one !== other) throw new Error(`found ${one}, expected ${other}`);
}

const freePort = () => new Promise((resolve) => {
  const server = createServer().listen(0, "127.0.0.1", () => {
    const { port } = server.address();
    server.close(() => resolve(port));
  });
});

const folder = mkdtempSync(join(tmpdir(), "headwater-people-"));
const git = (...args) => execFileSync("git", ["-c", "user.name=Test", "-c", "user.email=test@example.org", ...args], { cwd: folder, encoding: "utf8" });

/** Makes a bare repository with a private sheet. */
function repository() {
  const work = join(folder, "work");
  mkdirSync(join(work, "plans"), { recursive: true });
  writeFileSync(join(work, "headwater.toml"), "[sheets.plans]\npublic = false\n");
  writeFileSync(join(work, "plans/party.toml"), 'title = "A party"\n');
  git("init", "--quiet", "--initial-branch", "main", "work");
  git("-C", "work", "add", ".");
  git("-C", "work", "commit", "--quiet", "--message", "A private sheet");
  git("clone", "--quiet", "--bare", "work", "data.git");
  git("-C", "data.git", "remote", "remove", "origin");
}

/** Starts the server for the people of `issuer`. */
async function served(issuer) {
  const { jwks_uri: jwks } = await (await fetch(`${issuer}/.well-known/openid-configuration`)).json();
  const access = join(folder, "access.toml");
  writeFileSync(access, `[[issuer]]
issuer = "${issuer}"
audience = "${AUDIENCE}"
jwks = "${jwks}"
claims = { groups = { editors = { read = ["*"], write = ["plans"] }, staff = { read = ["plans"] } } }
author = "\${{ name }} <\${{ email }}>"
`, { mode: 0o600 });
  const args = ["serve", "--repo", join(folder, "data.git"), "--listen", "127.0.0.1:0", "--access-file", access, "--log", "warn"];
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "inherit"] });
  process.once("exit", () => child.kill("SIGINT"));
  const ended = new Promise((resolve) => child.once("exit", resolve));
  const address = await new Promise((resolve, reject) => {
    let text = "";
    child.stdout.on("data", (data) => {
      text += data;
      const found = text.match(/http:\/\/[\d.:]+/);
      if (found && text.includes("\n")) resolve(found[0]);
    });
    ended.then((code) => reject(new Error(`the server ended with ${code}: ${text}`)));
  });
  const stop = () => {
    child.kill("SIGINT");
    return ended;
  };
  return { address, stop };
}

const port = await freePort();
const issuer = `http://127.0.0.1:${port}`;
let stopIssuer = await started(port, keys(1));
repository();
const server = await served(issuer);

async function ask(method, path, token, record) {
  const authorization = token && { Authorization: `Bearer ${token}` };
  const headers = { ...authorization, ...(record && { "Content-Type": "application/json" }) };
  const body = record && JSON.stringify(record);
  const answer = await fetch(`${server.address}${path}`, { method, headers, body });
  return { status: answer.status, body: await answer.json().catch(() => null), commit: answer.headers.get("x-headwater-commit") };
}
const status = async (...args) => (await ask(...args)).status;
const author = (commit) => git("-C", "data.git", "log", "-1", "--format=%an <%ae>", commit).trim();
const record = (title) => ({ title });

let old;
try {
  await check("a person of a group reads a private sheet and writes as its author, by an ID token", async () => {
    old = (await signIn(issuer, "ada")).id_token;
    equal(await status("GET", "/api/plans/party"), 404);
    equal((await ask("GET", "/api/plans/party", old)).body, record("A party"));
    const written = await ask("PUT", "/api/plans/picnic", old, record("A picnic"));
    equal([written.status, author(written.commit)], [201, "Ada Lovelace <ada@example.org>"]);
  });
  await check("so does an access token in the form of a JWT", async () => {
    const { access_token: token } = await signIn(issuer, "ada", { asApi: true });
    equal(await status("GET", "/api/plans/party", token), 200);
    const written = await ask("PATCH", "/api/plans/picnic", token, { place: "the park" });
    equal([written.status, author(written.commit)], [200, "Ada Lovelace <ada@example.org>"]);
  });
  await check("a person of another group reads, and writes nothing", async () => {
    const { id_token: token } = await signIn(issuer, "bob");
    equal(await status("GET", "/api/plans/party", token), 200);
    const refused = await ask("PUT", "/api/plans/other", token, record("Another"));
    equal([refused.status, refused.body.code], [403, "token_scope"]);
  });
  await check("a person of no group sees what everybody sees", async () => {
    const { id_token: token } = await signIn(issuer, "eve");
    equal(await status("GET", "/api/plans/party", token), 404);
    equal(await status("GET", "/api/_sheets", token), 200);
  });
  await check("a token for somebody else, an opaque one, and one that was changed open nothing", async () => {
    const { id_token: foreign } = await signIn(issuer, "ada", { client: "another" });
    const { access_token: opaque } = await signIn(issuer, "ada");
    const [head, , signature] = old.split(".");
    const { id_token: ofEve } = await signIn(issuer, "eve");
    const swapped = [head, old.split(".")[1], ofEve.split(".")[2]].join(".");
    const changed = [head, ofEve.split(".")[1], signature].join(".");
    for (const token of [foreign, opaque, swapped, changed]) equal(await status("GET", "/api/plans/party", token), 401);
  });
  await check("while the issuer is away, its tokens stay valid", async () => {
    await stopIssuer();
    equal(await status("GET", "/api/plans/party", old), 200);
    equal(await status("PUT", "/api/plans/picnic", old, record("Still a picnic")), 200);
  });
  await check("after the issuer has changed its keys, new tokens are valid and old ones are not", async () => {
    stopIssuer = await started(port, keys(2));
    const { id_token: token } = await signIn(issuer, "ada");
    // It is asked again at an unknown key, but not within ten seconds.
    const end = Date.now() + 30_000;
    while (await status("GET", "/api/plans/party", token) !== 200 && Date.now() < end) {
      await new Promise((resolve) => setTimeout(resolve, 2_000));
    }
    equal(await status("GET", "/api/plans/party", token), 200);
    // After many failures a wrong credential has another answer.
    equal([401, 429].includes(await status("GET", "/api/plans/party", old)), true);
    const written = await ask("DELETE", "/api/plans/picnic", token);
    equal([written.status, author(written.commit)], [204, "Ada Lovelace <ada@example.org>"]);
  });
} finally {
  await stopIssuer();
  await server.stop();
  rmSync(folder, { recursive: true, force: true });
}
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);

// The servers that the page is tried on: the demonstration, and a repository of odd records.
import { spawn, execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Starts `program` and returns `{ origin, stop }` once it has printed its address. */
export async function started(program, args) {
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "inherit"] });
  const ended = new Promise((resolve) => child.once("exit", resolve));
  // Whatever becomes of the tests, no server outlives them.
  process.once("exit", () => child.kill("SIGINT"));
  const address = await new Promise((resolve, reject) => {
    let text = "";
    child.stdout.on("data", (data) => {
      text += data;
      const found = text.match(/http:\/\/[\d.:]+\S*/);
      if (found && text.includes("\n")) resolve(found[0]);
    });
    child.once("exit", (code) => reject(new Error(`${program} ${args[0]} ended with ${code}: ${text}`)));
  });
  const stop = async () => {
    child.kill("SIGINT");
    await ended;
  };
  return { address, stop };
}

export const demo = (program) => started(program, ["demo", "--listen", "127.0.0.1:0"]);

/** Texts that must stay texts. */
export const HOSTILE = `<img src=x onerror="document.title='owned'"><script>document.title='owned'</script>`;

/** A record as a database of vulnerabilities has it: lists of objects in lists of objects, and 6,000 values. */
function vulnerability() {
  const versions = Array.from({ length: 80 }, (_, n) => `1.${n}.0`);
  const affected = Array.from({ length: 60 }, (_, n) => ({
    package: { ecosystem: "npm", name: `part-${n}`, purl: `pkg:npm/part-${n}` },
    ranges: Array.from({ length: 3 }, (_, at) => ({
      type: "SEMVER",
      events: [{ introduced: `${at}.0.0` }, { fixed: `${at}.9.${n}` }],
      database_specific: { last_known_affected: { version: `${at}.9.0`, released: "2026-01-02T03:04:05Z" } },
    })),
    versions,
  }));
  const references = Array.from({ length: 40 }, (_, n) => ({ type: "WEB", url: `https://example.org/advisories/${n}` }));
  const severity = [{ type: "CVSS_V3", score: "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H" }];
  return { id: "EX-2026-0001", summary: "A part trusts what it reads", details: "It does.\n\n".repeat(20), published: "2026-01-02T03:04:05Z", aliases: ["CVE-2026-0001"], severity, affected, references };
}

/** Serves 120 items, one of them hostile, a nested advisory, and two broken files, below `/data`. */
export async function odd(program) {
  const folder = mkdtempSync(join(tmpdir(), "headwater-browser-"));
  const write = (path, text) => writeFileSync(join(folder, path), text);
  mkdirSync(join(folder, "items"));
  mkdirSync(join(folder, "notes"));
  mkdirSync(join(folder, "advisories"));
  write("advisories/EX-2026-0001.json", JSON.stringify(vulnerability()));
  for (let n = 0; n < 120; n += 1) {
    const name = String(n).padStart(3, "0");
    const item = { title: `Item ${name}`, rank: n, even: n % 2 === 0, kind: ["stone", "leaf", "bone"][n % 3], tags: ["a", `t${n % 4}`], place: { city: n % 5 ? "Aue" : "Ems" } };
    write(`items/${name}.json`, JSON.stringify(item));
  }
  write("items/hostile.json", JSON.stringify({ title: HOSTILE, link: "javascript:document.title='owned'" }));
  write("notes/good.toml", "title = \"Good\"\n");
  write("notes/broken.toml", "title = \"Good\"\nbody = \"never closed\n");
  write("notes/broken.json", "{ \"title\": \"Cut");
  const git = (...args) => execFileSync("git", ["-c", "user.name=Test", "-c", "user.email=test@example.org", ...args], { cwd: folder });
  git("init", "--quiet", "--initial-branch", "main");
  git("add", ".");
  git("commit", "--quiet", "--message", "Odd records");
  const server = await started(program, ["serve", "--repo", folder, "--listen", "127.0.0.1:0", "--base-path", "/data",
    "--source-url", "https://forge.example/blob/{commit}/{path}#L{line}", "--log", "warn"]);
  const stop = async () => {
    await server.stop();
    rmSync(folder, { recursive: true, force: true });
  };
  return { address: server.address, stop };
}

const TOWNS = ["Aue", "Ems", "Ilm", "Oker", "Saale"];
const SKILLS = ["postgres", "python", "rust", "trees", "maps", "water"];

/** A person of 32,000: dates over ten years, a score, a nested place, and an interest in something. */
function person(n) {
  const id = String(n).padStart(5, "0");
  const joined = new Date(Date.UTC(2015, 0, 1) + n * 9_861_000).toISOString();
  return { id, name: `Person ${id}`, level: n % 100 ? "user" : "staff", joined, score: (n * 37) % 1000, active: n % 3 === 0, place: { town: TOWNS[n % 5] }, skills: [SKILLS[n % 6], SKILLS[(n * 7 + 1) % 6]], note: `Knows ${SKILLS[n % 6]} and the way to ${TOWNS[n % 5]}` };
}

/** Serves 32,000 people in one table, and 400 records with 300 fields in another. The budget of a query is
 * one that a slow machine keeps to as well. */
export async function large(program) {
  const folder = mkdtempSync(join(tmpdir(), "headwater-browser-"));
  const write = (path, text) => writeFileSync(join(folder, path), text);
  const lines = (count, record) => Array.from({ length: count }, (_, n) => `${JSON.stringify(record(n))}\n`).join("");
  write("people.ndjson", lines(32_000, person));
  write("wide.ndjson", lines(400, (n) => ({ id: String(n).padStart(3, "0"), ...Object.fromEntries(Array.from({ length: 299 }, (_, at) => [`field${String(at).padStart(3, "0")}`, at % 3 ? (n * at) % 97 : `value ${(n + at) % 7}`])) })));
  const sheet = (name, index) => `[sheets.${name}]\nfile = "${name}.ndjson"\nkey = "\${{ id }}"\nindex = ${JSON.stringify(index)}\n`;
  write("headwater.toml", `${sheet("people", ["level", "joined", "score", "place.town"])}${sheet("wide", ["field000"])}`);
  const git = (...args) => execFileSync("git", ["-c", "user.name=Test", "-c", "user.email=test@example.org", ...args], { cwd: folder });
  git("init", "--quiet", "--initial-branch", "main");
  git("add", ".");
  git("commit", "--quiet", "--message", "Many records, and many fields");
  const server = await started(program, ["serve", "--repo", folder, "--listen", "127.0.0.1:0", "--log", "warn", "--query-budget", "10000"]);
  const stop = async () => {
    await server.stop();
    rmSync(folder, { recursive: true, force: true });
  };
  return { address: server.address, stop };
}

/** The tokens of the server that shows its records to nobody else. */
export const TOKENS = { people: "the-secret-for-people", all: "the-secret-for-everything" };

/** Serves two sheets, one of them private, to two tokens. */
export async function closed(program) {
  const folder = mkdtempSync(join(tmpdir(), "headwater-browser-"));
  const write = (path, text) => writeFileSync(join(folder, path), text);
  mkdirSync(join(folder, "people"));
  mkdirSync(join(folder, "plans"));
  write("headwater.toml", "[sheets.people]\n[sheets.plans]\npublic = false\n");
  write("people/ada.toml", 'name = "Ada"\n');
  write("plans/secret.toml", 'name = "A secret plan"\n');
  const git = (...args) => execFileSync("git", ["-c", "user.name=Test", "-c", "user.email=test@example.org", ...args], { cwd: folder });
  const commit = (message) => {
    git("add", "people", "plans", "headwater.toml");
    git("commit", "--quiet", "--message", message);
  };
  git("init", "--quiet", "--initial-branch", "main");
  commit("Two sheets");
  const token = (name, read) => `[[token]]\nname = "${name}"\nsecret = "${TOKENS[name]}"\nread = ${read}\n`;
  const access = join(folder, "access.toml");
  writeFileSync(access, `anonymous = { read = [] }\n${token("people", '["people"]')}${token("all", '["*"]')}`, { mode: 0o600 });
  const server = await started(program, ["serve", "--repo", folder, "--listen", "127.0.0.1:0", "--access-file", access, "--log", "warn"]);
  /** Commits another person. */
  const change = (key) => {
    write(`people/${key}.toml`, `name = "${key}"\n`);
    commit(`Add ${key}`);
  };
  const stop = async () => {
    await server.stop();
    rmSync(folder, { recursive: true, force: true });
  };
  return { address: server.address, change, stop };
}

/** The tokens of the server that takes changes: one for every sheet, one for teams alone. */
export const WRITERS = { editor: "the-secret-of-the-editor", desk: "the-secret-of-the-desk", renewed: "another-secret-of-the-editor" };

/** Makes a bare repository of people, teams and notes in `folder`. Returns its git. */
function house(folder) {
  const data = join(folder, "data");
  const bare = join(folder, "data.git");
  for (const sheet of ["people", "teams", "notes"]) mkdirSync(join(data, sheet), { recursive: true });
  const write = (path, text) => writeFileSync(join(data, path), text);
  write("headwater.toml", PEOPLE);
  write("people/ada.toml", ADA);
  for (const name of ["bea", "cai", "dua"]) write(`people/${name}.toml`, `slug = "${name}"\nname = "${name}"\nstage = "draft"\nteam = "blue"\n`);
  for (const name of ["blue", "red"]) write(`teams/${name}.toml`, `slug = "${name}"\ntitle = "The ${name} team"\n`);
  write("notes/one.json", '{"title":"A note","big":12345678901234567890,"ratio":1.0,"odd":[[1,2],[3]],"none":null}');
  const git = (args, cwd = data) => execFileSync("git", ["-c", "user.name=Test", "-c", "user.email=test@example.org", ...args], { cwd, encoding: "utf8" });
  git(["init", "--quiet", "--initial-branch", "main"]);
  git(["add", "."]);
  git(["commit", "--quiet", "--message", "The first people"]);
  git(["clone", "--quiet", "--bare", ".", bare]);
  git(["remote", "remove", "origin"], bare);
  return { bare, git: (...args) => git(args, bare) };
}

/** Serves people, teams and notes, and takes changes. */
export async function writable(program) {
  const folder = mkdtempSync(join(tmpdir(), "headwater-browser-"));
  const { bare, git } = house(folder);
  const tokens = join(folder, "tokens.toml");
  const token = (name, secret, sheets) => `[[token]]\nname = "${name}"\nsecret = "${secret}"\nauthor = "${name} <${name}@example.org>"\n${sheets}\n`;
  /** Makes these the tokens that are valid. */
  const admit = (editor) => writeFileSync(tokens, token("editor", editor, "") + token("desk", WRITERS.desk, 'sheets = ["teams"]'));
  admit(WRITERS.editor);
  const server = await started(program, ["serve", "--repo", bare, "--listen", "127.0.0.1:0", "--write-tokens-file", tokens, "--log", "error"]);
  /** Changes a record as somebody else does. */
  const change = async (path, value, method = "PATCH") => {
    const headers = { Authorization: `Bearer ${WRITERS.editor}`, "Content-Type": "application/json" };
    const response = await fetch(`${server.address}/api/${path}`, { method, headers, body: value && JSON.stringify(value) });
    if (!response.ok) throw new Error(`${method} ${path}: ${await response.text()}`);
  };
  const stop = async () => {
    await server.stop();
    rmSync(folder, { recursive: true, force: true });
  };
  return { address: server.address, admit, change, git, stop };
}

/** Serves the same to people of an issuer, who sign in on the page. It knows the page as `client`, and its
 * tokens are for `audience`. */
export async function peopled(program, issuer, client, audience, base = "") {
  const folder = mkdtempSync(join(tmpdir(), "headwater-browser-"));
  const { bare, git } = house(folder);
  const access = join(folder, "access.toml");
  writeFileSync(access, `[[issuer]]
issuer = "${issuer}"
audience = "${audience}"
jwks = "${issuer}/keys"
claims = { groups = { editors = { read = ["*"], write = ["*"] } } }
author = "\${{ name }} <\${{ email }}>"
client_id = "${client}"
`, { mode: 0o600 });
  const server = await started(program, ["serve", "--repo", bare, "--listen", "127.0.0.1:0", "--base-path", base, "--access-file", access, "--log", "error"]);
  const stop = async () => {
    await server.stop();
    rmSync(folder, { recursive: true, force: true });
  };
  return { address: server.address, git, stop };
}

const PEOPLE = `
[sheets.people]
path = "\${{ slug }}"
format = "toml"
index = ["stage", "team"]
refs = { team = "teams", "links.team" = "teams" }
[sheets.people.schema]
required = ["slug", "name"]
additionalProperties = false
[sheets.people.schema.properties]
slug = { type = "string", pattern = "^[a-z-]+$", description = "The address of the record" }
name = { type = "string", minLength = 1, maxLength = 80 }
bio = { type = "string", maxLength = 2000 }
born = { type = "string", format = "date" }
age = { type = "integer", minimum = 0, maximum = 150 }
score = { type = "number" }
active = { type = "boolean" }
stage = { enum = ["draft", "review", "live"] }
team = { type = "string" }
tags = { type = "array", items = { type = "string", minLength = 2 } }
[sheets.people.schema.properties.address]
type = "object"
properties = { city = { type = "string" }, geo = { type = "object", properties = { lat = { type = "number" } } } }
[sheets.people.schema.properties.links]
type = "array"
items = { type = "object", required = ["url"], properties = { url = { type = "string", pattern = "^https://" }, team = { type = "string" }, seen = { type = "array", items = { type = "string" } } } }
[sheets.teams]
path = "\${{ slug }}"
format = "toml"
[sheets.notes]
format = "json"
[sheets.events]
format = "json"
`;

const ADA = `# The first programmer
slug = "ada"
name = "Ada Lovelace"
stage = "draft"
team = "blue"
born = "1815-12-10"
age = 35
score = 1.0
bio = """
She wrote the first algorithm for a machine.
She also saw that it could do more than calculate."""
tags = ["math", "poetry"]

[address]
city = "London"
geo = { lat = 51.507 }

[[links]]
url = "https://example.org/ada"
team = "red"
`;

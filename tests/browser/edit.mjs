// Changes records in the explorer as a user does. Arguments: the program, and where the pictures go.
import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import axe from "axe-core";
import { launched, visited } from "./browser.mjs";
import { check, closing, equal, holds } from "./checks.mjs";
import { WRITERS, demo, writable } from "./servers.mjs";

/** How long a newcomer looks for what to click, and types a key, in milliseconds. */
const SEEKING = 4_000;
const KEY = 400;

/** How long a newcomer may take to find a record, correct it, see it live and undo that, in seconds. */
const PATIENCE = 120;

const [program, pictures] = process.argv.slice(2);

rmSync(pictures, { recursive: true, force: true });
mkdirSync(pictures, { recursive: true });
const servers = await Promise.all([writable(program), demo(program)]);
const [house, readOnly] = servers;
const home = house.address;
const browser = await launched();

try {
  await newcomer();
  await whereOneMayNot();
  await asOneTypes();
  await withoutLoss();
  await twoAtOnce();
  await newAndGone();
  await undoing();
  await many();
  await byKeyboard();
  await pictured();
} finally {
  await browser.close();
  await Promise.all(servers.map(({ stop }) => stop()));
}
process.exit(closing());

/** Opens a page of the server as somebody with a token, or without. */
async function opened(hash, secret = WRITERS.editor, options = {}) {
  const view = await visited(browser, `${home}/`, options);
  if (secret) await view.page.evaluate((token) => sessionStorage.setItem("headwater-token", token), secret);
  await view.page.goto(`${home}/${hash}`);
  await view.page.reload();
  await view.page.getByRole("heading", { level: 1 }).waitFor();
  // A refused check is an answer like any other, but browsers report it.
  const errors = () => view.seen.errors.filter((text) => !/status of (401|404|409|412|422)/.test(text));
  return { ...view, errors };
}

function field(page, name) {
  return page.locator(".form").getByLabel(name, { exact: true }).first();
}

function save(page) {
  return page.getByRole("button", { name: "Save", exact: true }).click();
}

function isSaved(page) {
  return isDone(page, "Saved.");
}

function isDone(page, text) {
  return page.locator("#saved").getByText(text).waitFor();
}

function canBeSaved(page) {
  return page.getByText(/^It can be saved/).waitFor();
}

async function record(path) {
  return (await fetch(`${home}/api/${path}`)).json();
}

function lastMessage() {
  return house.git("log", "-1", "--format=%B", "main");
}

function lastSubject() {
  return house.git("log", "-1", "--format=%s", "main").trim();
}

/** Returns the steps of a first change, as the book tells them. */
function stepsOfTheBook() {
  const [, part] = readFileSync("docs/explorer.md", "utf8").split("\n## A first change\n");
  return part.split("\n## ")[0].split("\n").map((line) => line.match(/^\d+\. ([^.]*)\./)?.[1]).filter(Boolean);
}

async function newcomer() {
  await check("a newcomer finds a record, corrects a field, sees it live and undoes it", async () => {
    const begun = Date.now();
    const { page, close, errors } = await opened("", null);
    // Somebody else looks at the record, without a token.
    const other = await opened("#/record/people/ada", null);
    const shown = other.page.locator(".record-value .entry", { hasText: "age" });
    const steps = [];
    let pace = 0;
    const click = async (what, target) => {
      await target.click();
      steps.push(`Click ${what}`);
      pace += SEEKING;
    };
    const type = async (what, target, text) => {
      await target.click({ clickCount: 3 });
      await target.pressSequentially(text);
      steps.push(`Type ${what}`);
      pace += SEEKING + text.length * KEY;
    };
    await type("“Lovelace” into the search at the top", page.getByLabel("Search in all sheets"), "Lovelace");
    await click("the record, “Ada Lovelace”", page.getByRole("link", { name: "Ada Lovelace" }));
    await click("“Sign in to edit”", page.getByRole("button", { name: "Sign in to edit" }));
    await type("the token that you were given", page.getByLabel("Token"), WRITERS.editor);
    await click("“Sign in”", page.getByRole("dialog").getByRole("button", { name: "Sign in" }));
    await click("“Edit”", page.getByRole("link", { name: "Edit", exact: true }));
    await type("36 into “age”", field(page, "age"), "36");
    await click("“Save”", page.getByRole("button", { name: "Save", exact: true }));
    await isSaved(page);
    await page.locator(".record-value .entry", { hasText: "age" }).getByText("36").waitFor();
    await shown.getByText("36").waitFor();
    equal(lastSubject(), "Change age of Ada Lovelace");
    await click("“Undo”", page.getByRole("link", { name: "Undo", exact: true }));
    await click("“Undo this change”", page.getByRole("button", { name: "Undo this change" }));
    await isDone(page, "Undone.");
    await shown.getByText("35").waitFor();
    const took = (Date.now() - begun + pace) / 1000;
    console.log(`     ${steps.join(", ")}: ${took.toFixed(0)} s for a person`);
    equal(steps, stepsOfTheBook());
    holds(took < PATIENCE, `it takes ${took} s`);
    equal(house.git("diff", "main~2", "main"), "");
    holds(/\n\nReverts [0-9a-f]{40}\n/.test(lastMessage()), lastMessage());
    equal([...errors(), ...other.errors()], []);
    await close();
    await other.close();
  });
}

async function whereOneMayNot() {
  await check("where nothing is written there is no way to edit", async () => {
    const { page, close } = await visited(browser, `${readOnly.address}/#/record/projects/tree-census`);
    await page.locator(".record-value .entry").first().waitFor();
    equal(await page.locator(".record-actions > *").count(), 0);
    await page.goto(`${readOnly.address}/#/edit/projects/tree-census`);
    await page.getByText("This server takes no changes.").waitFor();
    equal(await page.getByRole("button", { name: "Save" }).count(), 0);
    await close();
  });
  await check("without a token one is asked to sign in, and a token shows the actions of its sheets alone", async () => {
    const nobody = await opened("#/record/people/ada", null);
    await nobody.page.getByRole("button", { name: "Sign in to edit" }).waitFor();
    equal(await nobody.page.getByRole("link", { name: "Edit", exact: true }).count(), 0);
    await nobody.close();
    const desk = await opened("#/record/teams/red", WRITERS.desk);
    await desk.page.getByRole("link", { name: "Edit", exact: true }).waitFor();
    await desk.page.goto(`${home}/#/record/people/ada`);
    await desk.page.locator(".record-value .entry").first().waitFor();
    equal(await desk.page.locator(".record-actions > *").count(), 0);
    await desk.page.goto(`${home}/#/edit/people/ada`);
    await desk.page.getByText("Your token may not change people.").waitFor();
    await desk.close();
  });
}

async function asOneTypes() {
  const { page, close, errors } = await opened("#/edit/people/ada");
  await check("the form is made from the schema and the record", async () => {
    await field(page, "name").waitFor();
    equal(await field(page, "stage").locator("option").allInnerTexts(), ["—", "draft", "review", "live"]);
    equal(await field(page, "born").getAttribute("type"), "date");
    equal([await field(page, "score").inputValue(), await field(page, "lat").inputValue()], ["1.0", "51.507"]);
    equal(await field(page, "active").inputValue(), "");
    holds((await field(page, "bio").evaluate(({ tagName }) => tagName)) === "TEXTAREA", "long text has several lines");
    await page.getByText("The address of the record").waitFor();
  });
  await check("what is wrong is said beside its field as one types, by the rules of the server", async () => {
    await field(page, "age").fill("-3");
    await page.locator('[data-pointer="/age"]').getByText("less than the minimum").waitFor();
    equal(await field(page, "age").getAttribute("aria-invalid"), "true");
    await field(page, "url").fill("ftp://example.org");
    await page.locator('[data-pointer="/links/0/url"] > .field-error').getByText("does not match").waitFor();
    await field(page, "name").fill("");
    await page.locator('[data-pointer="/name"]').getByText("This is needed.").waitFor();
    await page.getByText("3 things to correct").waitFor();
    equal((await record("people/ada")).age, 35);
    await field(page, "age").fill("36");
    await field(page, "url").fill("https://example.org/ada");
    await field(page, "name").fill("Ada Lovelace");
    await canBeSaved(page);
    equal(await page.locator("[aria-invalid]").count(), 0);
  });
  await check("a reference is found by its words", async () => {
    const team = page.locator('[data-pointer="/team"]').getByRole("combobox");
    equal(await team.inputValue(), "The blue team");
    await team.fill("red");
    await page.locator('[data-pointer="/team"] [role=option]').getByText("The red team").click();
    await page.locator('[data-pointer="/team"]').getByText("teams / red").waitFor();
    await canBeSaved(page);
  });
  await check("lists and tables of any depth grow, move and shrink", async () => {
    const tags = page.getByRole("group", { name: "tags", exact: true });
    await tags.getByRole("button", { name: "Add another" }).click();
    equal(await page.evaluate(() => document.activeElement.getAttribute("aria-describedby")), "field%2Ftags%2F2-error");
    await page.keyboard.type("machines");
    await tags.getByRole("button", { name: "Move tags 3 up" }).click();
    await tags.getByRole("button", { name: "Remove tags 1" }).click();
    const links = page.getByRole("group", { name: "links", exact: true });
    await links.getByRole("button", { name: "Add to seen" }).click();
    await page.keyboard.type("yesterday");
    await links.getByRole("button", { name: "Add another" }).last().click();
    await page.locator('[data-pointer="/links/1/url"]').getByLabel("url").fill("https://example.org/two");
    await canBeSaved(page);
  });
  await check("the difference is shown before it is saved, and the message reaches git", async () => {
    const told = await page.locator(".edit-difference").innerText();
    for (const name of ["age", "team", "tags", "links › #1 › seen", "links › #2"]) holds(told.includes(name), told);
    await page.getByLabel("What did you change").fill("Größere Änderung – an “age”");
    await save(page);
    await isSaved(page);
    const ada = await record("people/ada");
    equal([ada.age, ada.team, ada.tags], [36, "red", ["machines", "poetry"]]);
    equal(ada.links, [{ seen: ["yesterday"], team: "red", url: "https://example.org/ada" }, { url: "https://example.org/two" }]);
    equal(lastSubject(), "Größere Änderung – an “age”");
    await page.locator(".versions .summary").getByText("Größere Änderung – an “age”").waitFor();
    await page.goto(`${home}/#/commits`);
    await page.locator(".timeline .subject").getByText("Größere Änderung – an “age”").waitFor();
    const file = house.git("show", "main:people/ada.toml");
    holds(file.startsWith("# The first programmer") && file.includes("score = 1.0\n"), file);
  });
  await check("what has no field of its own is JSON, and every number stays as it is written", async () => {
    await page.goto(`${home}/#/edit/notes/one`);
    equal(await field(page, "big").inputValue(), "12345678901234567890");
    await field(page, "odd").fill("[[1");
    await page.getByText("This is not JSON yet.").waitFor();
    await save(page);
    await page.getByText("Something is not JSON yet.").waitFor();
    await field(page, "odd").fill("[[1, 2.0]]");
    await page.getByRole("button", { name: "JSON" }).click();
    const whole = page.getByLabel("The record as JSON");
    const text = await whole.inputValue();
    holds(text.includes("2.0") && text.includes('"ratio": 1.0') && text.includes("12345678901234567890"), text);
    await whole.fill(text.replace('"A note"', '"A better note"'));
    await page.getByRole("button", { name: "Form" }).click();
    equal(await field(page, "title").inputValue(), "A better note");
    await save(page);
    await isSaved(page);
    const raw = await (await fetch(`${home}/api/notes/one`)).text();
    equal(raw, '{"big":12345678901234567890,"none":null,"odd":[[1,2.0]],"ratio":1.0,"title":"A better note"}');
  });
  await check("files are dropped beside a record or picked, listed, replaced and deleted", async () => {
    await page.goto(`${home}/#/edit/people/ada`);
    const files = page.getByRole("region", { name: "Files" });
    await files.getByLabel("Choose files").setInputFiles({ name: "a note.txt", mimeType: "text/plain", buffer: Buffer.from("One") });
    await files.getByText("1 file saved.").waitFor();
    const dropped = await page.evaluateHandle(() => {
      const data = new DataTransfer();
      data.items.add(new File(["Two"], "photo.svg", { type: "image/svg+xml" }));
      return data;
    });
    await page.dispatchEvent(".drop", "drop", { dataTransfer: dropped });
    await files.getByRole("link", { name: "photo.svg", exact: true }).waitFor();
    const read = async (name) => (await fetch(`${home}/api/_attachments/people/ada/${name}`)).text();
    equal([await read("a%20note.txt"), await read("photo.svg")], ["One", "Two"]);
    page.once("dialog", (dialog) => dialog.accept());
    await files.getByLabel("Choose files").setInputFiles({ name: "a note.txt", mimeType: "text/plain", buffer: Buffer.from("Three") });
    await page.waitForFunction(async () => (await fetch("api/_attachments/people/ada/a%20note.txt")).text().then((text) => text === "Three"));
    page.once("dialog", (dialog) => dialog.accept());
    await files.getByRole("button", { name: "Delete photo.svg" }).click();
    await files.getByText("photo.svg is deleted.").waitFor();
    equal(await files.locator(".files").getByRole("link").allInnerTexts(), ["a note.txt"]);
    equal(lastSubject(), "Delete photo.svg");
  });
  await check("what was done with a file is undone, and a file that has changed again stays as it is", async () => {
    const files = page.getByRole("region", { name: "Files" });
    await files.getByRole("link", { name: "Undo: photo.svg" }).click();
    await page.getByText("1 file will be as before").waitFor();
    await page.getByRole("heading", { name: "photo.svg becomes as it was" }).waitFor();
    await page.getByRole("button", { name: "Undo this change" }).click();
    await isDone(page, "Undone.");
    const read = async (name) => (await fetch(`${home}/api/_attachments/people/ada/${name}`)).text();
    equal([await read("photo.svg"), await read("a%20note.txt")], ["Two", "Three"]);
    const replaced = house.git("log", "-1", "--format=%H", "--grep=Replace a note.txt", "main").trim();
    await page.goto(`${home}/#/undo/${replaced}?sheet=people&key=ada`);
    await page.getByRole("button", { name: "Undo this change" }).click();
    await isDone(page, "Undone.");
    equal(await read("a%20note.txt"), "One");
    await page.goto(`${home}/#/undo/${house.git("log", "-1", "--format=%H", "--grep=Add a note.txt", "main").trim()}?sheet=people&key=ada`);
    await page.getByRole("heading", { name: "a note.txt is removed" }).waitFor();
    await page.getByRole("button", { name: "Undo this change" }).click();
    await isDone(page, "Undone.");
    equal((await fetch(`${home}/api/_attachments/people/ada/a%20note.txt`)).status, 404);
    await page.goto(`${home}/#/undo/${replaced}?sheet=people&key=ada`);
    await page.getByText("Changed again since then, and kept as it is: ada: a note.txt").waitFor();
  });
  await check("nothing went wrong meanwhile", async () => equal([errors(), (await page.locator("#banner").innerText())], [[], ""]));
  await close();
}

async function withoutLoss() {
  const { page, close } = await opened("#/edit/people/bea");
  await check("what is typed comes back after a reload, also what is no JSON yet", async () => {
    await field(page, "bio").fill("Half a");
    await page.getByLabel("What did you change").fill("because");
    await page.reload();
    await page.getByText("is back").waitFor();
    equal([await field(page, "bio").inputValue(), await page.getByLabel("What did you change").inputValue()], ["Half a", "because"]);
    await page.getByRole("button", { name: "JSON" }).click();
    await page.getByLabel("The record as JSON").fill("{ \"name\": ");
    await page.reload();
    await page.getByText("is back").waitFor();
    equal(await page.getByLabel("The record as JSON").inputValue(), "{ \"name\": ");
    await page.getByRole("button", { name: "Start over" }).click();
    await page.getByRole("button", { name: "Form" }).click();
    equal(await field(page, "name").inputValue(), "bea");
    await page.getByText("Nothing yet.").waitFor();
  });
  await check("what somebody else changes elsewhere in the record is taken, and what is typed stays", async () => {
    await field(page, "bio").fill("Mine");
    await house.change("people/bea", { age: 7 });
    await page.getByText("They changed age").waitFor();
    equal([await field(page, "bio").inputValue(), await field(page, "age").inputValue()], ["Mine", "7"]);
    equal(await page.evaluate(() => document.activeElement.id), "field%2Fbio");
    await canBeSaved(page);
  });
  await check("a token that has expired is asked for in place, and the change is saved", async () => {
    house.admit(WRITERS.renewed);
    await field(page, "name").fill("Bea");
    const dialog = page.getByRole("dialog");
    await dialog.getByText("What you typed stays here.").waitFor();
    await dialog.getByRole("button", { name: "Cancel" }).click();
    equal(await field(page, "name").inputValue(), "Bea");
    await save(page);
    await dialog.getByLabel("Token").fill(WRITERS.renewed);
    await dialog.getByRole("button", { name: "Sign in" }).click();
    await isSaved(page);
    const { bio, age, name } = await record("people/bea");
    equal([bio, age, name], ["Mine", 7, "Bea"]);
    house.admit(WRITERS.editor);
  });
  await close();
}

async function twoAtOnce() {
  const { page, close } = await opened("#/edit/people/cai");
  const heading = page.getByRole("heading", { name: "Somebody else changed this record" });
  await check("if both changed the same, both versions are there to choose from, field by field", async () => {
    await field(page, "name").fill("Cai the first");
    await field(page, "bio").fill("A bio");
    await house.change("people/cai", { name: "Cai the second", bio: "Their bio", age: 9 });
    await heading.waitFor();
    await page.getByText("They also changed age, which is kept.").waitFor();
    await page.getByRole("group", { name: "bio" }).getByLabel("Theirs").check();
    await page.getByRole("button", { name: "Continue" }).click();
    equal([await field(page, "name").inputValue(), await field(page, "bio").inputValue()], ["Cai the first", "Their bio"]);
    await save(page);
    await isSaved(page);
    equal(await record("people/cai"), { age: 9, bio: "Their bio", name: "Cai the first", slug: "cai", stage: "draft", team: "blue" });
  });
  await check("who does not hear of the other in time is told when saving, and nothing is overwritten", async () => {
    await page.route("**/api/_changes*", (route) => route.abort());
    await page.goto(`${home}/#/edit/people/cai`);
    await page.reload();
    await field(page, "name").fill("Cai the third");
    await canBeSaved(page);
    await page.route("**/api/_status", (route) => route.abort());
    await house.change("people/cai", { name: "Cai the fourth" });
    await save(page);
    await heading.waitFor();
    equal((await record("people/cai")).name, "Cai the fourth");
    await page.getByRole("button", { name: "Continue" }).click();
    await save(page);
    await isSaved(page);
    equal((await record("people/cai")).name, "Cai the third");
    await page.unrouteAll({ behavior: "ignoreErrors" });
  });
  await close();
  await check("a record that somebody else deletes can be made again from what is typed", async () => {
    const view = await opened("#/edit/people/dua");
    await field(view.page, "name").fill("Dua");
    await house.change("people/dua", null, "DELETE");
    await view.page.getByText("Somebody else deleted this record.").waitFor();
    await view.page.getByRole("button", { name: "Make it again" }).click();
    await save(view.page);
    await isSaved(view.page);
    equal((await record("people/dua")).name, "Dua");
    await view.close();
  });
}

async function newAndGone() {
  const { page, close } = await opened("#/sheet/people");
  await check("a sheet without records says how to make the first one", async () => {
    await page.goto(`${home}/#/sheet/events`);
    await page.getByRole("link", { name: "Make the first one" }).click();
    await page.getByRole("heading", { level: 1, name: "New record" }).waitFor();
    await page.goto(`${home}/#/sheet/people`);
  });
  await check("a new record gets its key from its fields", async () => {
    await page.getByRole("link", { name: "New record" }).click();
    await field(page, "name").fill("Eve");
    await page.locator('[data-pointer="/slug"]').getByText("This is needed.").waitFor();
    await field(page, "slug").fill("eve");
    await page.getByText("It can be saved, as eve.").waitFor();
    await save(page);
    await isDone(page, "The record is made.");
    await page.getByRole("heading", { level: 1, name: "Eve" }).waitFor();
    equal(lastSubject(), "Add Eve");
    equal(await record("people/eve"), { name: "Eve", slug: "eve" });
  });
  await check("where the fields do not say where a record goes, its key is asked for", async () => {
    await page.goto(`${home}/#/new/notes`);
    await field(page, "title").fill("Another");
    await page.getByLabel("Key").fill("2026/another");
    await page.getByText("It can be saved, as 2026/another.").waitFor();
    await save(page);
    await isDone(page, "The record is made.");
    equal(await record("notes/2026/another"), { title: "Another" });
  });
  await check("a duplicate needs a key of its own", async () => {
    await page.goto(`${home}/#/record/people/eve`);
    await page.getByRole("link", { name: "Duplicate" }).click();
    await field(page, "name").fill("Eve again");
    await page.getByText("already has a record eve").waitFor();
    await field(page, "slug").fill("eve-again");
    await canBeSaved(page);
    await save(page);
    await isDone(page, "The record is made.");
    equal(await record("people/eve-again"), { name: "Eve again", slug: "eve-again" });
  });
  await check("a record is deleted, and comes back by undoing that", async () => {
    await page.getByRole("link", { name: "Delete", exact: true }).click();
    await page.getByRole("button", { name: "Delete this record" }).click();
    await isDone(page, "Eve again is deleted.");
    equal(lastSubject(), "Delete Eve again");
    equal((await fetch(`${home}/api/people/eve-again`)).status, 404);
    await page.getByRole("link", { name: "Undo", exact: true }).click();
    await page.getByText("It can be undone.").waitFor();
    await page.getByRole("button", { name: "Undo this change" }).click();
    await isDone(page, "Undone.");
    equal(await record("people/eve-again"), { name: "Eve again", slug: "eve-again" });
  });
  await check("a record that is deleted comes back with its files", async () => {
    const file = `${home}/api/_attachments/people/eve-again/x.txt`;
    await fetch(file, { method: "PUT", headers: { Authorization: `Bearer ${WRITERS.editor}` }, body: "Beside it" });
    await page.goto(`${home}/#/delete/people/eve-again`);
    await page.getByLabel("What did you change").fill("Not needed");
    await page.reload();
    equal(await page.getByLabel("What did you change").inputValue(), "Not needed");
    await page.getByRole("button", { name: "Delete this record" }).click();
    await isDone(page, "Eve again is deleted.");
    equal([lastSubject(), (await fetch(file)).status], ["Not needed", 404]);
    await page.getByRole("link", { name: "Undo", exact: true }).click();
    await page.getByText("1 record and 1 file will be as before").waitFor();
    await page.getByRole("button", { name: "Undo this change" }).click();
    await isDone(page, "Undone.");
    equal(await (await fetch(file)).text(), "Beside it");
  });
  await check("a record that others refer to is not deleted, and the reason is told", async () => {
    await page.goto(`${home}/#/delete/teams/blue`);
    await page.getByRole("button", { name: "Delete this record" }).click();
    await page.getByText("refers to a record that would be removed").waitFor();
    equal((await fetch(`${home}/api/teams/blue`)).status, 200);
  });
  await close();
}

async function undoing() {
  const { page, close } = await opened("#/record/people/bea");
  await check("undoing leaves alone what has changed again", async () => {
    await house.change("people/bea", { name: "Beatrix", age: 20 });
    const commit = house.git("rev-parse", "main").trim();
    await house.change("people/bea", { age: 21 });
    await page.goto(`${home}/#/undo/${commit}`);
    await page.getByText("Changed again since then, and kept as it is: bea: age").waitFor();
    await page.getByRole("button", { name: "Undo this change" }).click();
    await isDone(page, "Undone.");
    const { name, age } = await record("people/bea");
    equal([name, age], ["Bea", 21]);
    await page.goto(`${home}/#/undo/${commit}`);
    await page.getByText("Nothing is left to undo").waitFor();
  });
  await check("a change of several records at once is undone at once, and says what it reverts", async () => {
    const gone = ["gone-a", "gone-b"];
    const transact = (operations) => house.change("_transact", { operations }, "POST");
    await transact(gone.map((slug) => ({ op: "create", sheet: "people", value: { slug, name: slug } })));
    await transact(gone.map((key) => ({ op: "delete", sheet: "people", key })));
    const commit = house.git("rev-parse", "main").trim();
    await page.goto(`${home}/#/undo/${commit}`);
    await page.getByText("2 records will be as before").waitFor();
    await page.getByText("It can be undone.").waitFor();
    await page.getByRole("button", { name: "Undo this change" }).click();
    await isDone(page, "Undone.");
    equal((await record("people/gone-b")).name, "gone-b");
    holds(lastSubject().startsWith("Undo ") && lastMessage().includes(`\n\nReverts ${commit}\n`), lastMessage());
    await transact(gone.map((key) => ({ op: "delete", sheet: "people", key })));
  });
  await check("the last change of a record is undone from its page", async () => {
    await house.change("people/bea", { age: 22 });
    await page.goto(`${home}/#/record/people/bea`);
    await page.getByRole("link", { name: "Undo the last change" }).click();
    await page.getByRole("button", { name: "Undo this change" }).click();
    await isDone(page, "Undone.");
    equal((await record("people/bea")).age, 21);
  });
  await close();
}

async function many() {
  const { page, close } = await opened("#/sheet/people?stage=draft");
  await check("the records of a filter change as one commit, after what would change is shown", async () => {
    await page.getByRole("link", { name: "Change many" }).click();
    await page.getByText("4 records with stage draft.").waitFor();
    await page.getByLabel("Field", { exact: true }).selectOption("age");
    await page.getByLabel("Value").fill("200");
    await page.getByRole("button", { name: "Show what would change" }).click();
    await page.getByText("It cannot be done, so nothing is changed:").waitFor();
    await page.getByLabel("Field", { exact: true }).selectOption("stage");
    await page.getByLabel("Value").selectOption({ label: "live" });
    await page.getByRole("button", { name: "Show what would change" }).click();
    await page.getByRole("heading", { name: "4 records would change" }).waitFor();
    equal(await page.locator(".bulk-result .change").count(), 4);
    await house.change("people/cai", { age: 10 });
    await page.getByRole("button", { name: "Change 4 records" }).click();
    await page.getByText("Somebody else changed one of these records. Nothing is saved.").waitFor();
    equal((await record("people/bea")).stage, "draft");
    await page.getByRole("button", { name: "Show what would change" }).click();
    await page.getByLabel("What did you change").fill("They are ready");
    const before = house.git("rev-parse", "main");
    await page.getByRole("button", { name: "Change 4 records" }).click();
    await isDone(page, "4 records changed.");
    equal(house.git("rev-parse", "main~1"), before);
    equal(lastSubject(), "They are ready");
    const { items } = await record("people?stage=live");
    equal(items.map(({ key }) => key), ["ada", "bea", "cai", "dua"]);
  });
  await check("what many records got is undone at once", async () => {
    await page.getByRole("link", { name: "Undo", exact: true }).click();
    await page.getByText("4 records will be as before").waitFor();
    await page.getByRole("button", { name: "Undo this change" }).click();
    await isDone(page, "Undone.");
    equal((await record("people?stage=draft")).total, 4);
  });
  await check("a change of many that is begun comes back after a reload", async () => {
    await page.goto(`${home}/#/bulk/people?stage=draft`);
    await page.getByLabel("Field", { exact: true }).selectOption("bio");
    await page.getByLabel("Value").fill("The same for all");
    await page.reload();
    await page.getByLabel("Value").waitFor();
    equal([await page.getByLabel("Field", { exact: true }).inputValue(), await page.getByLabel("Value").inputValue()], ["bio", "The same for all"]);
    await page.goto(`${home}/#/commits`);
    await page.locator(".timeline .subject").getByText("They are ready", { exact: true }).waitFor();
  });
  await check("a word is added to the lists of many records, and taken from them", async () => {
    for (const [action, expected] of [["Add to the list", true], ["Take from the list", false]]) {
      await page.goto(`${home}/#/bulk/people?stage=draft`);
      await page.getByLabel("Field", { exact: true }).selectOption("tags");
      await page.getByLabel("What to do").selectOption({ label: action });
      await page.getByLabel("Value").fill("checked");
      await page.getByRole("button", { name: "Show what would change" }).click();
      await page.getByRole("button", { name: "Change 4 records" }).click();
      await isDone(page, "4 records changed.");
      equal(((await record("people/ada")).tags).includes("checked"), expected);
    }
  });
  await close();
}

async function byKeyboard() {
  await check("a record is changed by the keyboard alone", async () => {
    const { page, close } = await opened("#/record/people/eve");
    const press = (key) => page.keyboard.press(key);
    /** Presses Tab until the focus is on what has this name. */
    const reach = async (name) => {
      for (let pressed = 0; pressed < 80; pressed += 1) {
        await press("Tab");
        const reached = await page.evaluate(() => document.activeElement.labels?.[0]?.textContent ?? document.activeElement.textContent);
        if (reached.startsWith(name)) return;
      }
      throw new Error(`the focus never comes to ${name}`);
    };
    await page.getByRole("link", { name: "Edit", exact: true }).waitFor();
    await reach("Edit");
    await press("Enter");
    await field(page, "name").waitFor();
    await reach("age");
    await page.keyboard.type("12");
    await reach("team");
    await page.keyboard.type("red");
    await page.locator("[role=option]").getByText("The red team").waitFor();
    await press("ArrowDown");
    await press("Enter");
    await reach("What did you change");
    await page.keyboard.type("By keyboard");
    await reach("Save");
    await press("Enter");
    await isSaved(page);
    const { age, team } = await record("people/eve");
    equal([age, team], [12, "red"]);
    await close();
  });
}

/** Takes a picture of each page in each width and colour, and lets axe look at it. */
async function pictured() {
  const commit = house.git("rev-parse", "main").trim();
  const pages = [
    ["record", "#/record/people/ada", async (page) => page.getByRole("link", { name: "Edit", exact: true }).waitFor()],
    ["sheet", "#/sheet/people", async (page) => page.getByRole("link", { name: "New record" }).waitFor()],
    ["edit", "#/edit/people/ada", async (page) => {
      await field(page, "age").fill("-3");
      await page.getByText("1 thing to correct").waitFor();
    }],
    ["reference", "#/edit/people/ada", async (page) => {
      await page.locator('[data-pointer="/team"]').getByRole("combobox").click();
      await page.locator("[role=option]").first().waitFor();
    }],
    ["json", "#/edit/people/ada", async (page) => page.getByRole("button", { name: "JSON" }).click()],
    ["new", "#/new/people", async (page) => field(page, "name").waitFor()],
    ["conflict", "#/edit/people/bea", async (page) => {
      await field(page, "bio").fill("My words");
      await house.change("people/bea", { bio: `Theirs ${Math.random()}` });
      await page.getByRole("heading", { name: "Somebody else changed this record" }).waitFor();
    }],
    ["delete", "#/delete/people/ada", async (page) => page.getByRole("button", { name: "Delete this record" }).waitFor()],
    ["undo", `#/undo/${commit}`, async (page) => page.getByText("It can be undone.").waitFor()],
    ["bulk", "#/bulk/people?stage=draft", async (page) => {
      await page.getByLabel("Field", { exact: true }).selectOption("stage");
      await page.getByLabel("Value").selectOption({ label: "review" });
      await page.getByRole("button", { name: "Show what would change" }).click();
      await page.getByRole("heading", { name: "4 records would change" }).waitFor();
    }],
  ];
  for (const width of [1280, 390]) {
    for (const colorScheme of ["light", "dark"]) {
      for (const [name, hash, ready] of pages) {
        await check(`axe finds nothing: ${name}, ${width} pixels, ${colorScheme}`, async () => {
          const { page, close } = await opened(hash, WRITERS.editor, { viewport: { width, height: width > 500 ? 900 : 844 }, colorScheme, reducedMotion: "reduce" });
          try {
            await ready(page);
            await looked(page, name, width, colorScheme);
          } finally {
            await close();
          }
        });
      }
    }
  }
}

async function looked(page, name, width, colorScheme) {
  await page.screenshot({ path: join(pictures, `${name}-${width}-${colorScheme}.png`), fullPage: true });
  await page.evaluate(axe.source);
  const { violations, passes } = await page.evaluate(() => window.axe.run());
  holds(passes.length > 15, `axe looked at ${passes.length} rules only`);
  holds(violations.length === 0, violations.map(({ id, nodes }) => `${id}: ${nodes.slice(0, 3).map((node) => `${node.html.slice(0, 120)} ${node.any[0]?.message ?? ""}`).join(" | ")}`).join("\n"));
  const wide = await page.evaluate(() => document.documentElement.scrollWidth);
  holds(wide <= width, `the page is ${wide} pixels wide`);
}

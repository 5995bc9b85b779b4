// Signs in at an issuer of OpenID Connect as people do, in the page. Arguments: the program, and where the
// pictures go.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import axe from "axe-core";
import { launched, visited } from "./browser.mjs";
import { check, closing, equal, holds } from "./checks.mjs";
import { issuer } from "./issuer.mjs";
import { peopled } from "./servers.mjs";

/** The name under which the issuer knows the page. */
const CLIENT = "explorer";

const [program, pictures] = process.argv.slice(2);

mkdirSync(pictures, { recursive: true });
const login = await issuer(CLIENT);
// The one takes the token that is for the page, and the other one that is for a server.
const servers = await Promise.all([
  peopled(program, login.url, CLIENT, CLIENT), peopled(program, login.url, CLIENT, "data"), peopled(program, login.url, CLIENT, CLIENT, "/registry"),
]);
const [house, other, below] = servers;
for (const { address } of servers) login.know(`${address}/`);
const browser = await launched();

try {
  await someone();
  await withoutLoss();
  await notSignedIn();
  await elsewhere();
  await belowABasePath();
  await pictured();
} finally {
  await browser.close();
  await Promise.all([...servers, login].map(({ stop }) => stop()));
}
process.exit(closing());

async function opened(address, options = {}) {
  const view = await visited(browser, address, options);
  await view.page.getByRole("heading", { level: 1 }).waitFor();
  const errors = () => view.seen.errors.filter((text) => !/status of 401/.test(text));
  const strangers = () => view.seen.strangers.filter((url) => !url.startsWith(`${login.url}/`));
  return { ...view, errors, strangers };
}

/** Goes to the issuer by the dialog, and comes back as somebody. */
async function signIn(page, name) {
  await page.getByRole("dialog").getByRole("button", { name: "Sign in at 127.0.0.1" }).click();
  await page.getByRole("heading", { name: "Who are you?" }).waitFor();
  await page.getByRole("link", { name }).click();
  await page.getByRole("heading", { level: 1 }).waitFor();
}

function field(page, name) {
  return page.locator(".form").getByLabel(name, { exact: true }).first();
}

async function someone() {
  const { page, close, errors, strangers } = await opened(`${house.address}/#/record/people/ada`);
  await check("people sign in at their issuer, and are back where they were", async () => {
    await page.getByRole("button", { name: "Sign in to edit" }).click();
    holds(await page.getByLabel("Token").isHidden(), "the box for a token is folded");
    await signIn(page, "Ada Lovelace");
    equal(page.url(), `${house.address}/#/record/people/ada`);
    await page.locator("#side-foot").getByText("Ada Lovelace").waitFor();
    await page.getByRole("link", { name: "Edit", exact: true }).waitFor();
    equal(login.refused, []);
  });
  await check("what they change is theirs", async () => {
    await page.getByRole("link", { name: "Edit", exact: true }).click();
    await field(page, "age").fill("36");
    await page.getByRole("button", { name: "Save", exact: true }).click();
    await page.locator("#saved").getByText("Saved.").waitFor();
    equal(house.git("log", "-1", "--format=%an <%ae>: %s", "main").trim(), "Ada Lovelace <ada@example.org>: Change age of Ada Lovelace");
  });
  await check("the token stays in the tab, and goes with it or when they sign out", async () => {
    equal(await page.evaluate(() => Object.keys(localStorage)), []);
    equal(await page.evaluate(() => document.cookie), "");
    holds(await page.evaluate(() => sessionStorage.getItem("headwater-sign-in") === null), "what was asked for is forgotten");
    await page.getByRole("button", { name: "Sign out" }).click();
    await page.getByRole("button", { name: "Sign in", exact: true }).first().waitFor();
    equal(await page.evaluate(() => sessionStorage.length), 0);
  });
  await check("the page asked nobody but its server and the issuer, and nothing went wrong", async () => equal([errors(), strangers()], [[], []]));
  await close();
}

async function withoutLoss() {
  const { page, close } = await opened(`${house.address}/#/record/people/bea`);
  await page.getByRole("button", { name: "Sign in to edit" }).click();
  await signIn(page, "Ada Lovelace");
  await check("who is signed in no more while typing signs in again, and nothing that was typed is lost", async () => {
    await page.getByRole("link", { name: "Edit", exact: true }).click();
    await field(page, "bio").fill("Half a sentence");
    await page.getByLabel("What did you change").fill("Because of that");
    await page.evaluate((token) => sessionStorage.setItem("headwater-token", token), login.token("ada", {}, -120));
    await field(page, "name").fill("Beatrix");
    const dialog = page.getByRole("dialog");
    await dialog.getByText("It may have expired. What you typed stays here.").waitFor();
    await signIn(page, "Ada Lovelace");
    await page.getByText("is back").waitFor();
    equal(page.url(), `${house.address}/#/edit/people/bea`);
    const typed = await Promise.all([field(page, "bio"), field(page, "name"), page.getByLabel("What did you change")].map((box) => box.inputValue()));
    equal(typed, ["Half a sentence", "Beatrix", "Because of that"]);
    await page.getByRole("button", { name: "Save", exact: true }).click();
    await page.locator("#saved").getByText("Saved.").waitFor();
    equal(house.git("log", "-1", "--format=%s", "main").trim(), "Because of that");
  });
  await close();
}

async function notSignedIn() {
  const { page, close } = await opened(`${house.address}/#/record/people/cai`);
  const dialog = page.getByRole("dialog");
  await check("who cancels at the issuer is told, and may try again", async () => {
    await page.getByRole("button", { name: "Sign in to edit" }).click();
    await signIn(page, "Cancel");
    await dialog.getByText("You are not signed in. It was cancelled.").waitFor();
    equal(page.url(), `${house.address}/#/record/people/cai`);
    await signIn(page, "Eve");
    // Eve is in no group, so she may not write.
    await page.locator("#side-foot").getByText("Eve").waitFor();
    equal(await page.getByRole("link", { name: "Edit", exact: true }).count(), 0);
  });
  await check("a link with the answer to somebody else's question signs nobody in", async () => {
    await page.getByRole("button", { name: "Sign out" }).click();
    await page.getByRole("button", { name: "Sign in to edit" }).click();
    await dialog.getByRole("button", { name: "Sign in at 127.0.0.1" }).click();
    await page.getByRole("heading", { name: "Who are you?" }).waitFor();
    await page.goto(`${house.address}/?code=stolen&state=guessed#/record/people/cai`);
    await dialog.getByText("This sign-in did not begin in this tab.").waitFor();
    equal(page.url(), `${house.address}/#/record/people/cai`);
    await dialog.getByRole("button", { name: "Cancel" }).click();
  });
  await check("an issuer that does not answer is named", async () => {
    await page.route(`${login.url}/**`, (route) => route.abort());
    await page.getByRole("button", { name: "Sign in to edit" }).click();
    await dialog.getByRole("button", { name: "Sign in at" }).click();
    await dialog.getByText("does not answer this page").waitFor();
    await page.unrouteAll();
  });
  await check("an issuer that names an address of another kind is not gone to", async () => {
    const json = { issuer: login.url, authorization_endpoint: "javascript:alert(1)", token_endpoint: `${login.url}/token` };
    const headers = { "access-control-allow-origin": "*" };
    await page.route(`${login.url}/.well-known/openid-configuration`, (route) => route.fulfill({ json, headers }));
    await dialog.getByRole("button", { name: "Sign in at" }).click();
    await dialog.getByText("names an address that this page does not go to").waitFor();
    await page.unrouteAll();
  });
  await check("a token is taken as well", async () => {
    await dialog.getByText("Sign in with a token instead").click();
    await dialog.getByLabel("Token").fill(login.token("ada"));
    await dialog.getByRole("button", { name: "Sign in", exact: true }).click();
    await page.getByRole("link", { name: "Edit", exact: true }).waitFor();
  });
  await close();
}

async function elsewhere() {
  const { page, close } = await opened(`${other.address}/#/record/people/ada`);
  await check("a server that wants a token for itself gets that one", async () => {
    await page.getByRole("button", { name: "Sign in to edit" }).click();
    await signIn(page, "Ada Lovelace");
    await page.getByRole("link", { name: "Edit", exact: true }).waitFor();
    const claims = await page.evaluate(() => JSON.parse(atob(sessionStorage.getItem("headwater-token").split(".")[1].replaceAll("-", "+").replaceAll("_", "/"))));
    equal(claims.aud, "data");
    equal(login.refused, []);
  });
  await close();
}

async function belowABasePath() {
  const { page, close, errors, strangers } = await opened(`${below.address}/#/record/people/ada`);
  await check("people sign in below a base path, and come back to it", async () => {
    await page.getByRole("button", { name: "Sign in to edit" }).click();
    await signIn(page, "Ada Lovelace");
    equal(page.url(), `${below.address}/#/record/people/ada`);
    await page.getByRole("link", { name: "Edit", exact: true }).waitFor();
    equal([login.refused, errors(), strangers()], [[], [], []]);
  });
  await close();
}

async function pictured() {
  for (const width of [1280, 390]) {
    for (const colorScheme of ["light", "dark"]) {
      await check(`axe finds nothing: sign-in, ${width} pixels, ${colorScheme}`, async () => {
        const { page, close } = await opened(`${house.address}/#/record/people/ada`, { viewport: { width, height: 844 }, colorScheme, reducedMotion: "reduce" });
        await page.getByRole("button", { name: "Sign in to edit" }).click();
        await page.getByText("Sign in with a token instead").click();
        await page.screenshot({ path: join(pictures, `sign-in-${width}-${colorScheme}.png`) });
        await page.evaluate(axe.source);
        const { violations, passes } = await page.evaluate(() => window.axe.run());
        holds(passes.length > 15, `axe looked at ${passes.length} rules only`);
        holds(violations.length === 0, violations.map(({ id, nodes }) => `${id}: ${nodes.slice(0, 3).map((node) => node.html.slice(0, 120)).join(" | ")}`).join("\n"));
        await close();
      });
    }
  }
}

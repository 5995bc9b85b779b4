// Goes through what is around the records: the timeline of changes, the box behind Ctrl+K, the
// shortcuts, and the way from a problem to its record. Arguments: the program, and where the pictures go.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import axe from "axe-core";
import { launched, visited } from "./browser.mjs";
import { check, closing, equal, holds } from "./checks.mjs";
import { demo, odd } from "./servers.mjs";

const [program, pictures] = process.argv.slice(2);

mkdirSync(pictures, { recursive: true });
const servers = await Promise.all([demo(program), odd(program)]);
const [{ address: home }, { address: below }] = servers;
const browser = await launched();

try {
  await theTimeline();
  await theBox();
  await theProblems();
  await onAPhone();
  await pictured();
} finally {
  await browser.close();
  await Promise.all(servers.map(({ stop }) => stop()));
}
process.exit(closing());

async function opened(address, options = {}) {
  const view = await visited(browser, address, options);
  await view.page.getByRole("heading", { level: 1 }).waitFor();
  return view;
}

function push() {
  return fetch(`${home}/api/_demo/push`, { method: "POST", headers: { "X-Headwater-Demo": "push" } });
}

async function theTimeline() {
  const { page, seen, close } = await opened(`${home}/#/commits`);
  const commits = page.locator(".timeline .commit");

  await check("the timeline has the message, the author and what changed", async () => {
    await commits.first().waitFor();
    const text = await commits.first().innerText();
    for (const part of ["The sample", "Demo", "the first commit", "projects 8 new"]) holds(text.includes(part), text);
  });

  await check("a push appears in it by itself, on top, and leads to its differences", async () => {
    await push();
    await page.locator(".timeline .commit.arrived").first().waitFor();
    equal(await commits.count(), 2);
    await commits.first().getByRole("link").first().click();
    await page.getByRole("heading", { level: 1, name: "What changed" }).waitFor();
    await page.goBack();
    await commits.nth(1).waitFor();
  });

  await check("one sheet's changes are chosen by name, and the address says so", async () => {
    await page.getByLabel("Sheet", { exact: true }).selectOption("tags");
    await page.waitForFunction(() => document.querySelectorAll(".timeline .commit").length === 1);
    holds(page.url().endsWith("#/commits?sheet=tags"), page.url());
    await page.getByLabel("Sheet", { exact: true }).selectOption("");
    await commits.nth(1).waitFor();
  });

  await check("a repository with more changes shows older ones when asked", async () => {
    for (let number = 0; number < 32; number += 1) await push();
    await page.reload();
    await commits.nth(29).waitFor();
    equal(await commits.count(), 30);
    await page.getByRole("button", { name: "Show older changes" }).click();
    await commits.nth(33).waitFor();
    holds(await page.getByRole("button", { name: "Show older changes" }).isHidden(), "there is nothing older");
    // The one that was last of the first page is compared with the first of the second.
    equal(await commits.nth(29).getByRole("link").first().getAttribute("href").then((href) => href.startsWith("#/compare?")), true);
  });

  await check("of one sheet, a change leads to its differences in that sheet alone", async () => {
    await page.getByLabel("Sheet", { exact: true }).selectOption("projects");
    await page.waitForURL(/commits\?sheet=projects/);
    await page.waitForFunction(() => document.querySelector(".timeline .subject a")?.href.endsWith("sheet=projects"));
    await commits.first().getByRole("link").first().click();
    await page.locator(".counts li").first().waitFor();
    const names = await page.locator(".counts li a").allInnerTexts();
    equal(names, ["projects"]);
  });

  await check("nothing failed on the way", async () => equal([seen.errors, seen.strangers], [[], []]));
  await close();
}

async function theBox() {
  const { page, seen, close } = await opened(`${home}/#/sheet/projects`);
  await page.locator("tbody tr").first().waitFor();
  const box = page.getByRole("dialog", { name: "Go to" });
  const option = (name) => box.getByRole("option", { name });

  await check("Ctrl+K opens the box, which has pages, sheets, and the fields of this sheet", async () => {
    await page.keyboard.press("Control+k");
    await box.waitFor();
    for (const name of ["Overview", /^people/, /of projects: sort by it/]) await option(name).first().waitFor();
    equal(await page.evaluate(() => document.activeElement.id), "palette-text");
    await page.keyboard.press("Control+k");
    equal(await page.getByRole("dialog").count(), 1);
    await page.keyboard.press("Escape");
    await box.waitFor({ state: "detached" });
  });

  await check("a few letters and Enter go to a sheet", async () => {
    await page.keyboard.press("Control+k");
    await page.keyboard.type("peop");
    await option(/^people/).waitFor();
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { level: 1, name: "people" }).waitFor();
  });

  await check("the arrows choose a record, which is found by a word of it", async () => {
    await page.keyboard.press("Control+k");
    await page.keyboard.type("tree cen");
    const record = option(/projects \/ tree-census/).first();
    await record.waitFor();
    for (let step = 0; step < 20 && await record.getAttribute("aria-selected") !== "true"; step += 1) await page.keyboard.press("ArrowDown");
    equal(await box.getByRole("combobox").getAttribute("aria-activedescendant"), await record.getAttribute("id"));
    await page.keyboard.press("Enter");
    await page.waitForURL(/#\/record\/projects\/tree-census/);
  });

  await check("a field goes to its sheet, sorted by it", async () => {
    await page.keyboard.press("Control+k");
    await page.keyboard.type("githubLogin");
    await option(/githubLogin of people/).click();
    await page.waitForURL(/#\/sheet\/people\?sort=githubLogin/);
  });

  await check("a change is found by its message, and by its hash", async () => {
    const { items } = await (await fetch(`${home}/api/_commits`)).json();
    for (const text of [items[0].summary, items[0].commit.slice(0, 7)]) {
      await page.keyboard.press("Control+k");
      await page.keyboard.type(text);
      await box.getByRole("group", { name: "Changes" }).getByRole("option").first().click();
      await page.waitForURL(/#\/compare/);
      await page.goBack();
    }
  });

  await check("what one can do here is in the box, by name", async () => {
    await page.goto(`${home}/#/record/projects/tree-census`);
    await page.getByRole("button", { name: "Use it elsewhere" }).waitFor();
    await page.keyboard.press("Control+k");
    await page.keyboard.type("elsewhere");
    await box.getByRole("group", { name: "Commands" }).getByRole("option", { name: /Use it elsewhere/ }).click();
    await page.getByRole("dialog", { name: "Use it elsewhere" }).waitFor();
    await page.keyboard.press("Escape");
  });

  await check("what has no such name is said", async () => {
    await page.keyboard.press("Control+k");
    await page.keyboard.type("zzzz-nothing");
    await box.getByText("Nothing has this name.").waitFor();
    await page.keyboard.press("Enter");
    await page.keyboard.press("Escape");
  });

  await check("a slash goes to the search, but not where one types", async () => {
    await page.getByRole("heading", { level: 1 }).focus();
    await page.keyboard.press("/");
    equal(await page.evaluate(() => document.activeElement.id), "find-text");
    await page.keyboard.type("a/b");
    equal(await page.locator("#find-text").inputValue(), "a/b");
    await page.keyboard.press("Control+k");
    await box.waitFor();
    await page.keyboard.type("/");
    equal(await box.getByRole("combobox").inputValue(), "/");
  });

  await check("nothing failed in the box", async () => equal([seen.errors, seen.strangers], [[], []]));
  await close();
}

async function theProblems() {
  const { page, close } = await opened(`${below}/#/problems`);

  await check("a problem leads to its line at the forge", async () => {
    const { commit } = await (await fetch(`${below}/api/_status`)).json();
    const link = page.getByRole("link", { name: /^notes\/broken\.toml/ });
    await link.waitFor();
    equal(await link.getAttribute("href"), `https://forge.example/blob/${commit}/notes/broken.toml#L2`);
  });

  await check("a problem leads to the record that the file is, with its history", async () => {
    await page.locator("tr", { hasText: "notes/broken.toml" }).getByRole("link", { name: "broken", exact: true }).click();
    await page.getByText("No such public record.").waitFor();
    equal(page.url(), `${below}/#/record/notes/broken`);
    await page.locator(".versions .kind.broken").waitFor();
  });

  await close();
}

async function onAPhone() {
  const { page, close } = await opened(`${home}/#/sheet/people`, { viewport: { width: 390, height: 844 }, hasTouch: true });

  await check("on a phone every page is within two taps", async () => {
    for (const name of ["Overview", "Changes", "Reloads", "Problems", "API"]) {
      await page.getByRole("button", { name: "Go to…" }).tap();
      await page.getByRole("option", { name, exact: true }).tap();
      await page.locator(`[data-place][aria-current]`, { hasText: name }).waitFor({ state: "attached" });
    }
    await page.getByRole("button", { name: "Go to…" }).tap();
    await page.getByRole("option", { name: /^tags/ }).first().tap();
    await page.getByRole("heading", { level: 1, name: "tags" }).waitFor();
  });

  await close();
}

async function pictured() {
  const pages = [["commits", home, "#/commits", ".commit"], ["first-commit", below, "#/commits", ".commit"], ["box", home, "#/sheet/projects", "tbody tr"]];
  for (const width of [1280, 390]) {
    for (const colorScheme of ["light", "dark"]) {
      for (const [name, origin, hash, selector] of pages) {
        await check(`axe finds nothing: ${name}, ${width} pixels, ${colorScheme}`, async () => {
          const options = { viewport: { width, height: width > 500 ? 900 : 844 }, colorScheme, reducedMotion: "reduce" };
          const { page, close } = await opened(`${origin}/${hash}`, options);
          await page.locator(`.body ${selector}`).first().waitFor();
          if (name === "box") {
            await page.keyboard.press("Control+k");
            await page.keyboard.type("tree");
            await page.getByRole("group", { name: "Records" }).waitFor();
          }
          await page.screenshot({ path: join(pictures, `${name}-${width}-${colorScheme}.png`) });
          await page.evaluate(axe.source);
          const { violations, passes } = await page.evaluate(() => window.axe.run());
          holds(passes.length > 20, `axe looked at ${passes.length} rules only`);
          holds(violations.length === 0, violations.map(({ id, nodes }) => `${id}: ${nodes.slice(0, 3).map((node) => node.html.slice(0, 120)).join(" | ")}`).join("\n"));
          const wide = await page.evaluate(() => document.documentElement.scrollWidth);
          holds(wide <= width, `the page is ${wide} pixels wide`);
          await close();
        });
      }
    }
  }
}

// Goes through the explorer as a user does. Arguments: the program, and where the pictures go.
import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import axe from "axe-core";
import { launched, visited } from "./browser.mjs";
import { check, closing, equal, holds } from "./checks.mjs";
import { replicas } from "./replicas.mjs";
import { HOSTILE, TOKENS, closed, demo, odd } from "./servers.mjs";

/** How high the page of a record with some thousand values may be: four screens. */
const TALLEST = 3_600;

const [program, pictures] = process.argv.slice(2);

rmSync(pictures, { recursive: true, force: true });
mkdirSync(pictures, { recursive: true });
const servers = await Promise.all([demo(program), odd(program), closed(program)]);
const [{ address: home }, { address: below }, locked] = servers;
const browser = await launched();

try {
  await throughTheDemo();
  await withoutAStream();
  await throughOddRecords();
  await whatIsNotAsUsual();
  await replicas(browser, home);
  await withATokenAlone();
  await pictured();
} finally {
  await browser.close();
  await Promise.all(servers.map(({ stop }) => stop()));
}
process.exit(closing());

/** Opens a page; every wait ends after a while. */
async function opened(address, options = {}) {
  const view = await visited(browser, address, options);
  await view.page.getByRole("heading", { level: 1 }).waitFor();
  return view;
}

/** Counts the rows of a sheet, once they are fewer than `most`: neither a skeleton, nor those before a filter. */
async function rowsBelow(page, most) {
  const rows = page.locator(".sheet-scroll[aria-busy=false] .records:not(.skeleton) tbody tr");
  await rows.nth(most - 1).waitFor({ state: "detached" });
  await rows.first().waitFor();
  return rows.count();
}

async function throughTheDemo() {
  const { page, seen, close } = await opened(`${home}/`);
  const main = page.locator("main");
  const heading = (name) => page.getByRole("heading", { level: 1, name }).waitFor();

  await check("the overview lists the public sheets with their counts, and no others", async () => {
    await heading("published");
    const names = await main.locator(".sheet-table tbody th").allInnerTexts();
    holds(names.includes("projects") && names.includes("people"), names.join());
    holds(!names.some((name) => /revocations|slug-history|interest/.test(name)), names.join());
    const text = await main.locator(".sheet-table tr", { hasText: "projects" }).first().innerText();
    holds(/\b\d+\b/.test(text), text);
  });

  await check("the keyboard comes to the skip link first, and by it to the content", async () => {
    await page.keyboard.press("Tab");
    equal(await page.evaluate(() => document.activeElement.textContent), "Skip to the content");
    await page.keyboard.press("Enter");
    equal(await page.evaluate(() => document.activeElement.id), "main");
  });

  await check("a sheet is a table, and its link has the focus go to its heading", async () => {
    await page.getByRole("navigation", { name: "Explorer" }).getByRole("link", { name: "projects" }).click();
    await heading("projects");
    equal(await page.evaluate(() => document.activeElement.tagName), "H1");
    await main.locator("tbody tr").first().waitFor();
    equal(await rowsBelow(page, 9), 8);
    equal(await page.title(), "projects · Headwater");
  });

  await check("a column sorts up, down, and as it was", async () => {
    const column = () => main.getByRole("columnheader", { name: "title" });
    const firstRow = () => main.locator("tbody th").first().innerText();
    const before = await firstRow();
    await column().getByRole("button").click();
    await main.locator('th[aria-sort="ascending"]').waitFor();
    equal(await page.evaluate(() => document.activeElement.id), "sort-title");
    await column().getByRole("button").click();
    await main.locator('th[aria-sort="descending"]').waitFor();
    equal(await firstRow(), "tree-census");
    await column().getByRole("button").click();
    await main.locator("th[aria-sort]").waitFor({ state: "detached" });
    equal(await firstRow(), before);
  });

  await check("a facet filters, keeps the focus, and is taken away again", async () => {
    const facet = main.getByRole("group", { name: "stage" }).getByRole("checkbox", { name: /^testing/ });
    await facet.check();
    await main.getByText("2 records match").waitFor();
    holds((await page.evaluate(() => location.hash)).includes("stage=testing"), "the address has the filter");
    holds((await page.evaluate(() => document.activeElement.id)).startsWith("facet-stage"), "the focus stays");
    await page.getByRole("button", { name: "Remove the filter: stage is testing" }).click();
    await main.getByText("8 records").waitFor();
  });

  await check("a filter is set by its form, and a link to it shows the same", async () => {
    await page.getByText("Filter", { exact: true }).click();
    await page.getByLabel("Field").selectOption("createdAt");
    await page.getByLabel("Condition").selectOption("[gte]");
    await page.getByLabel("Value").fill("2024");
    await page.getByRole("button", { name: "Add the filter" }).click();
    await main.getByRole("button", { name: "Remove the filter: createdAt from 2024" }).waitFor();
    const count = await rowsBelow(page, 8);
    const other = await opened(page.url());
    equal(await rowsBelow(other.page, 8), count);
    await other.close();
    await page.getByRole("button", { name: "Remove the filter: createdAt from 2024" }).click();
    await main.getByText("8 records").waitFor();
  });

  await check("an expression is a filter, and any field is counted", async () => {
    await page.getByText("Expression", { exact: true }).click();
    await page.getByLabel("Expression in CEL").fill('stage == "testing"');
    await page.getByRole("button", { name: "Set the expression" }).click();
    const remove = main.getByRole("button", { name: 'Remove the filter: stage == "testing"' });
    await remove.waitFor();
    await rowsBelow(page, 8);
    await remove.click();
    await main.getByText("8 records").waitFor();
    await page.getByText("Count", { exact: true }).click();
    await page.getByLabel("Count by").selectOption("title");
    await page.getByRole("button", { name: "Count its values" }).click();
    await main.getByRole("group", { name: "title" }).waitFor();
    await main.getByRole("button", { name: "Do not count title" }).click();
    await main.getByRole("group", { name: "title" }).waitFor({ state: "detached" });
  });

  await check("columns are chosen", async () => {
    await page.locator("summary", { hasText: "Columns" }).click();
    await page.getByRole("group", { name: "Columns" }).getByLabel("chatChannel").check();
    await page.getByRole("button", { name: "Apply" }).click();
    await main.getByRole("columnheader", { name: "chatChannel" }).waitFor();
  });

  await check("a sheet is searched as one types", async () => {
    await page.locator("#sheet-text").pressSequentially("trees", { delay: 30 });
    await main.getByText("1 record matches").waitFor();
    equal(await main.locator("tbody th").innerText(), "tree-census");
    equal(await page.evaluate(() => document.activeElement.id), "sheet-text");
  });

  await check("all sheets are searched as one types, and what matches is marked", async () => {
    await page.locator("#find-text").pressSequentially("ferry", { delay: 30 });
    await heading("Search");
    await main.locator(".hit mark").first().waitFor();
    const marked = await main.locator(".hit mark").first().innerText();
    holds(/^ferr(y|ies)$/i.test(marked), marked);
    equal(await page.evaluate(() => document.activeElement.id), "find-text");
    await page.locator("#find-text").fill("feryr");
    await main.getByText("“feryr” occurs nowhere").waitFor();
    await page.locator("#find-text").fill("");
  });

  await check("a record shows its value", async () => {
    await page.goto(`${home}/#/record/projects/tree-census`);
    await heading("Tree Census");
    await main.getByText("Counting street trees block by block, with a method").waitFor();
  });

  await check("a pushed change goes live on the page that is open, with its stages", async () => {
    await page.locator("#state .dot.live").waitFor();
    const loads = seen.loads;
    await page.getByRole("button", { name: "Push a change" }).click();
    const pushed = page.getByRole("region", { name: "Pushed changes" });
    await pushed.getByText("Count another block").waitFor();
    const bar = await pushed.getByRole("img").getAttribute("aria-label");
    for (const stage of ["fetch", "diff", "decode", "apply", "text", "swap"]) holds(bar.includes(stage), bar);
    await main.getByText("1 block is done").first().waitFor();
    holds(await page.locator(".entry.fresh").count() > 0, "what is new is marked");
    equal(seen.loads, loads);
  });

  await check("the history has both commits, and what differs between them", async () => {
    await main.locator(".versions > li").nth(1).waitFor();
    equal(await main.locator(".versions .summary").allInnerTexts(), ["Count another block", "The sample"]);
    await main.locator(".fields ins").first().waitFor();
    holds((await main.locator(".fields ins").allInnerTexts()).join(" ").includes("done"), "the new words are marked");
  });

  await check("a record is shown as it was", async () => {
    await main.locator(".versions > li").nth(1).getByRole("link").click();
    await main.locator(".banner").waitFor();
    await main.getByText("with a method that gives honest error bars").first().waitFor();
    await main.getByRole("link", { name: "Show the current version" }).click();
    await main.locator(".banner").waitFor({ state: "detached" });
  });

  await check("the feed has the reload, its stages, its records and its plot", async () => {
    await page.getByRole("link", { name: "Reloads", exact: true }).click();
    await heading("Reloads");
    const first = main.locator(".reload").first();
    await first.getByRole("link", { name: "projects/tree-census" }).waitFor();
    holds((await first.innerText()).includes("applied"), await first.innerText());
    holds((await first.getByRole("img").getAttribute("aria-label")).includes("swap"), "the bar tells its stages");
    holds((await main.locator(".plot svg").getAttribute("aria-label")).includes("reload"), "the plot tells what it shows");
  });

  await check("another push appears in the feed by itself", async () => {
    const before = await main.locator(".reload").count();
    await page.getByRole("button", { name: "Push a change" }).click();
    await main.getByText("help-wanted-roles").first().waitFor();
    await page.waitForFunction((count) => document.querySelectorAll("main .reload").length > count, before);
  });

  await check("two commits are compared, field by field", async () => {
    await main.locator(".reload .commits").nth(1).click();
    await heading("What changed");
    await main.getByRole("link", { name: "tree-census" }).or(main.getByRole("link", { name: "Tree Census" })).first().waitFor();
    await main.locator("ins").first().waitFor();
  });

  await check("the address keeps what is shown when one goes back", async () => {
    await page.goBack();
    await heading("Reloads");
  });

  await check("nothing was asked of another host, and nothing went wrong on the way", async () => {
    equal(seen.strangers, []);
    equal(seen.errors, []);
  });
  await close();
}

/** A server, or a proxy on the way, that does not stream. */
async function withoutAStream() {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
  context.setDefaultTimeout(10_000);
  const page = await context.newPage();
  const missing = { status: 404, contentType: "application/problem+json", body: JSON.stringify({ code: "not_found", title: "Not found" }) };
  for (const route of ["**/api/_changes*", "**/api/_history/**", "**/api/_diff*"]) await page.route(route, (each) => each.fulfill(missing));

  await check("without a stream the page asks for changes, and shows them all the same", async () => {
    await page.goto(`${home}/#/sheet/projects?sort=title`);
    await page.locator("#state .dot.polling").waitFor();
    await page.locator("main tbody tr").first().waitFor();
    const commit = await page.locator("#state code").innerText();
    await page.request.post(`${home}/api/_demo/push`, { headers: { "X-Headwater-Demo": "push" } });
    await page.waitForFunction((before) => document.querySelector("#state code").textContent !== before, commit);
    await page.waitForFunction(() => document.querySelector("main .lead code")?.textContent === document.querySelector("#state code").textContent);
  });

  await check("what a server does not answer yet is said in a sentence", async () => {
    await page.goto(`${home}/#/record/projects/tree-census`);
    await page.getByText("This server has no history of this record").waitFor();
    await page.goto(`${home}/#/compare?from=a&to=b`);
    await page.getByText("This server has no route _diff").waitFor();
  });
  await context.close();
}

async function throughOddRecords() {
  const { page, seen, close } = await opened(`${below}/#/sheet/items`);
  const main = page.locator("main");
  const keys = () => main.locator("tbody th").allInnerTexts();
  await main.locator("tbody tr").first().waitFor();

  await check("below a base path a sheet is paged by cursor, forth and back", async () => {
    const first = await keys();
    equal(first.length, 50);
    await page.getByRole("button", { name: "Next" }).click();
    await main.getByText("51 to 100 of 121").waitFor();
    const second = await keys();
    holds(!second.some((key) => first.includes(key)), "no record twice");
    await page.getByRole("button", { name: "Next" }).click();
    await main.getByText("101 to 121 of 121").waitFor();
    await page.getByRole("button", { name: "Previous" }).click();
    await main.getByText("51 to 100 of 121").waitFor();
    equal(await keys(), second);
    await page.getByRole("button", { name: "First page" }).click();
    await main.getByText("1 to 50 of 121").waitFor();
    equal(await keys(), first);
  });

  await check("markup in a record is text", async () => {
    await page.goto(`${below}/#/record/items/hostile`);
    await page.getByRole("heading", { level: 1, name: HOSTILE }).waitFor();
    equal(await main.locator("img, script, a[href^='javascript']").count(), 0);
    holds(!(await page.title()).startsWith("owned"), "nothing of it ran");
    await page.goto(`${below}/#/search?q=onerror`);
    await main.locator(".hit mark").first().waitFor();
    equal(await main.locator("img, script").count(), 0);
  });

  await check("a record of lists in lists is a few screens high, and has all of them to open", async () => {
    await page.goto(`${below}/#/record/advisories/EX-2026-0001`);
    await page.getByRole("heading", { level: 1 }).waitFor();
    await main.locator(".tree .fold").first().waitFor();
    const height = () => page.evaluate(() => document.documentElement.scrollHeight);
    const high = {};
    for (const width of [390, 1280]) {
      await page.setViewportSize({ width, height: 900 });
      high[width] = await height();
    }
    console.log(`     the advisory is ${high[1280]} pixels high, and ${high[390]} where 390 are wide`);
    holds(Math.max(...Object.values(high)) <= TALLEST, JSON.stringify(high));
    equal(await main.getByText("part-59").count(), 0);
    await main.getByRole("button", { name: "Show 52 more elements" }).click();
    await main.getByText("part-59", { exact: true }).waitFor();
    holds((await height()) > high[1280], "what is opened has room");
  });

  await check("problems have their file and line", async () => {
    await page.getByRole("link", { name: /^Problems/ }).click();
    await main.getByText("notes/broken.toml").waitFor();
    const text = await main.locator("tr", { hasText: "notes/broken.toml" }).innerText();
    holds(/notes\/broken\.toml:\d+/.test(text) && text.includes("malformed"), text);
  });

  await check("the API is explained one click away", async () => {
    await page.getByRole("navigation", { name: "Explorer" }).getByRole("link", { name: "API" }).click();
    await page.getByRole("heading", { level: 1, name: "API" }).waitFor();
    equal(page.url(), `${below}/#/api`);
    await page.goBack();
    await page.getByRole("heading", { level: 1, name: "Problems" }).waitFor();
  });

  await check("only the demonstration has the button", async () => {
    equal(await page.getByRole("button", { name: "Push a change" }).count(), 0);
  });

  await check("below the base path, too, nothing strange was asked or went wrong", async () => {
    equal(seen.strangers, []);
    equal(seen.errors, []);
  });
  await close();
}

/** Rewrites the status on its way, for states that are hard to come by. */
async function unusual(page) {
  await page.route("**/api/_status", async (route) => {
    // A page that is closed waits for nothing.
    const response = await route.fetch().catch(() => null);
    const status = await response?.json().catch(() => null);
    if (!status) return;
    const since = "2026-05-01T10:00:00Z";
    await route.fulfill({ response, json: {
      ...status, degraded: true, branchMissing: true, headBranch: "elsewhere",
      pinned: { commit: status.commit, since },
      held: { id: "1-2", commit: "f".repeat(40), reason: "refused", since, problemsTotal: 3 },
    } });
  });
}

async function whatIsNotAsUsual() {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
  context.setDefaultTimeout(8_000);
  const page = await context.newPage();
  await check("what is pinned, held, missing or degraded is said above everything", async () => {
    await unusual(page);
    await page.goto(`${home}/`);
    const banner = page.getByRole("status", { name: "State of the server" });
    for (const text of ["Pinned", "A push is held", "3 problems", "The branch is gone", "Another branch is checked out", "Degraded"]) {
      await banner.getByText(text).first().waitFor();
    }
  });
  await check("a server that does not answer any more is told of", async () => {
    await page.route("**/api/**", (route) => route.abort());
    await page.locator("#state .dot.lost").waitFor();
    await page.getByRole("status", { name: "State of the server" }).getByText("Offline").waitFor();
  });
  await context.close();
}

async function withATokenAlone() {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
  context.setDefaultTimeout(8_000);
  const page = await context.newPage();
  const sheets = page.locator("#sheets li");
  const signIn = async (token) => {
    await page.getByLabel("Token").fill(token);
    await page.getByRole("dialog").getByRole("button", { name: "Sign in" }).click();
  };
  await check("a server that is closed asks for a token, and asks again if it is wrong", async () => {
    await page.goto(`${locked.address}/`);
    await page.getByText("only to those who sign in").waitFor();
    await signIn("a-token-that-nobody-has");
    await page.getByText("does not accept this token").waitFor();
    await signIn(TOKENS.people);
    await sheets.first().waitFor();
    equal(await sheets.allInnerTexts().then((all) => all.map((text) => text.split(/\s/)[0])), ["people"]);
  });
  await check("what the token may see arrives by the stream as it goes live", async () => {
    await page.locator("#state .dot.live").waitFor();
    await page.goto(`${locked.address}/#/sheet/people`);
    await page.locator("main tbody tr").first().waitFor();
    locked.change("grace");
    await page.locator("main tbody").getByText("grace").first().waitFor();
  });
  await check("a link to an answer is followed with the token, and the answer is saved", async () => {
    const saved = async (name, role = "link") => {
      const [file] = await Promise.all([page.waitForEvent("download"), page.getByRole(role, { name, exact: true }).click()]);
      return { name: file.suggestedFilename(), text: readFileSync(await file.path(), "utf8") };
    };
    equal(await saved("Download as CSV").then(({ name, text }) => [name, text.split("\r\n").length > 2]), ["people.csv", true]);
    await page.goto(`${locked.address}/#/record/people/ada`);
    await page.getByRole("button", { name: "Use it elsewhere" }).click();
    const json = await saved("JSON", "button");
    equal([json.name, JSON.parse(json.text)], ["ada.json", { name: "Ada" }]);
    await page.goto(`${locked.address}/docs`);
    const document = await saved("openapi.json");
    holds("/api/people" in JSON.parse(document.text).paths, "the document is not that of the token");
  });
  await check("a link to an answer that is not there any more says so", async () => {
    await page.goto(`${locked.address}/#/record/people/ada`);
    await page.getByRole("button", { name: "Use it elsewhere" }).click();
    await page.evaluate(() => sessionStorage.setItem("headwater-token", "a-token-that-nobody-has"));
    await page.getByRole("button", { name: "JSON", exact: true }).click();
    await page.getByText("does not accept this token").waitFor();
    await signIn(TOKENS.people);
    await page.keyboard.press("Escape");
  });
  await check("another token shows other sheets, and after signing out there is nothing", async () => {
    await page.getByRole("button", { name: "Sign out" }).click();
    await signIn(TOKENS.all);
    await page.locator("#sheets").getByText("plans").waitFor();
    await page.goto(`${locked.address}/docs`);
    await page.getByText("/api/plans").first().waitFor();
    await page.goto(`${locked.address}/`);
    await page.getByRole("button", { name: "Sign out" }).click();
    await page.getByRole("button", { name: "Cancel" }).click();
    equal(await sheets.count(), 0);
  });
  await context.close();
}

/** Takes a picture of each page in each width and colour, and lets axe look at it. */
async function pictured() {
  // So that there is something to see: six pushes in all, and a record with a history.
  for (let push = 0; push < 4; push += 1) {
    await fetch(`${home}/api/_demo/push`, { method: "POST", headers: { "X-Headwater-Demo": "push" } });
  }
  const { items } = await (await fetch(`${home}/api/_reloads`)).json();
  const moved = items.find(({ changed }) => changed.projects?.modified > 1);
  const compare = `#/compare?from=${moved.oldCommit}&to=${moved.newCommit}`;
  const pages = [
    ["overview", home, "#/", ".sheet-table tbody tr"],
    ["reloads", home, "#/reloads", ".reload"],
    ["sheet", home, "#/sheet/projects", "tbody tr"],
    ["filtered", home, "#/sheet/people?accountLevel=user&sort=-createdAt", "tbody tr"],
    ["record", home, "#/record/projects/tree-census", ".fields ins"],
    ["compare", home, compare, "ins"],
    ["search", home, "#/search?q=trees", ".hit"],
    ["nested", below, "#/record/advisories/EX-2026-0001", ".tree .fold"],
    ["problems", below, "#/problems", "tbody tr"],
    ["pages", below, "#/sheet/items", "tbody tr"],
    ["banners", home, "#/", ".banner"],
  ];
  for (const width of [1280, 390]) {
    for (const colorScheme of ["light", "dark"]) {
      const context = await browser.newContext({ viewport: { width, height: width > 500 ? 900 : 844 }, colorScheme, reducedMotion: "reduce" });
      context.setDefaultTimeout(8_000);
      for (const [name, origin, hash, selector] of pages) {
        await check(`axe finds nothing: ${name}, ${width} pixels, ${colorScheme}`, async () => {
          const page = await context.newPage();
          if (name === "banners") await unusual(page);
          await page.goto(`${origin}/${hash}`);
          await page.locator(`.body ${selector}`).first().waitFor();
          await page.screenshot({ path: join(pictures, `${name}-${width}-${colorScheme}.png`), fullPage: true });
          await page.evaluate(axe.source);
          const { violations, passes } = await page.evaluate(() => window.axe.run());
          holds(passes.length > 20, `axe looked at ${passes.length} rules only`);
          holds(violations.length === 0, violations.map(({ id, nodes }) => `${id}: ${nodes.slice(0, 3).map((node) => `${node.html.slice(0, 120)} ${node.any[0]?.message ?? ""}`).join(" | ")}`).join("\n"));
          const wide = await page.evaluate(() => document.documentElement.scrollWidth);
          holds(wide <= width, `the page is ${wide} pixels wide`);
          await page.unrouteAll({ behavior: "ignoreErrors" });
          await page.close();
        });
      }
      await context.close();
    }
  }
}

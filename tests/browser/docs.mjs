// Looks at the page of the API as a reader does, by its own address. Arguments: the program, and where the
// pictures go.
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
  await asAReader();
  await belowABasePath();
  await pictured();
} finally {
  await browser.close();
  await Promise.all(servers.map(({ stop }) => stop()));
}
process.exit(closing());

async function opened(address, options = {}) {
  const view = await visited(browser, address, options);
  await view.page.locator(".api-part").first().waitFor();
  return view;
}

async function asAReader() {
  const { page, seen, close } = await opened(`${home}/docs`);
  const list = page.locator("[id='projects_list']");

  await check("each sheet has its operations, and so has all that is shared", async () => {
    const groups = await page.locator(".api-groups a").allInnerTexts();
    for (const name of ["people", "projects", "search", "history", "state", "Schemas"]) {
      holds(groups.includes(name), groups.join());
    }
    holds(!groups.includes("revocations"), groups.join());
  });

  await check("the keyboard comes to the skip link first", async () => {
    await page.keyboard.press("Tab");
    equal(await page.evaluate(() => document.activeElement.textContent), "Skip to the content");
  });

  await check("the page is in the shell of the explorer: the header, the sheets, the box behind Ctrl+K", async () => {
    equal(page.url(), `${home}/#/api`);
    await page.getByLabel("Search in all sheets").waitFor();
    equal(await page.locator('[data-place="api"]').getAttribute("aria-current"), "page");
    await page.locator("#sheets").getByRole("link", { name: "tags" }).waitFor();
    await page.keyboard.press("Control+k");
    await page.keyboard.type("tags");
    await page.getByRole("option", { name: /^tags/ }).first().click();
    await page.getByRole("heading", { level: 1, name: "tags" }).waitFor();
    await page.goBack();
    await list.locator("summary").waitFor();
  });

  await check("an operation shows its parameters, answers and schemas", async () => {
    await list.locator("summary").click();
    // What is not looked at is not made, so it takes a moment.
    await list.getByText("perPage").first().waitFor();
    const text = await list.innerText();
    for (const part of ["perPage", "stage", "invalid_query", "X-Headwater-Commit"]) {
      holds(text.includes(part), `${part} is not in ${text.slice(0, 500)}`);
    }
    await list.getByRole("link", { name: "projects.list" }).first().click();
    await page.locator("[id='schema-projects.list']").getByText("items").first().waitFor();
    equal(page.url(), `${home}/#/api?part=schema-projects.list`);
    await page.goBack();
  });

  await check("what is filled in is in the line for curl, and is asked for", async () => {
    await list.getByLabel("perPage", { exact: true }).fill("2");
    await list.getByLabel("stage", { exact: true }).fill("[ne]=none");
    const line = await list.getByLabel("Line for curl").innerText();
    equal(line, `curl '${home}/api/projects?perPage=2&stage%5Bne%5D=none'`);
    await list.getByRole("button", { name: "Send" }).click();
    await list.getByText(/^200 .* ms$/).waitFor();
    const answer = await list.getByLabel("Answer", { exact: true }).innerText();
    holds(answer.includes('"perPage": 2') && answer.includes("x-headwater-commit"), answer.slice(0, 500));
  });

  await check("a key is asked for with its segments", async () => {
    await page.goto(`${home}/docs#tags_get`);
    await page.reload();
    const tag = page.locator("[id='tags_get']");
    await tag.getByLabel("key", { exact: true }).fill("tech/rust & co");
    const line = await tag.getByLabel("Line for curl").innerText();
    equal(line, `curl '${home}/api/tags/tech/rust%20%26%20co'`);
    await tag.getByRole("button", { name: "Send" }).click();
    await tag.getByText(/^404 .* ms$/).waitFor();
  });

  await check("nothing fails on the way, and nobody else is asked", async () => {
    const expected = (error) => error.includes("404");
    equal(seen.errors.filter((error) => !expected(error)), []);
    equal(seen.strangers, []);
  });
  await close();
}

async function belowABasePath() {
  const { page, seen, close } = await opened(`${below}/docs`);
  await check("the page works below a base path", async () => {
    const status = page.locator("[id='state_status']");
    await status.locator("summary").click();
    await status.getByRole("button", { name: "Send" }).click();
    await status.getByText(/^200 .* ms$/).waitFor();
    equal([seen.errors, seen.strangers], [[], []]);
  });
  await close();
}

async function pictured() {
  for (const width of [1280, 390]) {
    for (const colorScheme of ["light", "dark"]) {
      await check(`axe finds nothing: ${width} pixels, ${colorScheme}`, async () => {
        const options = { viewport: { width, height: 900 }, colorScheme };
        const { page, close } = await opened(`${home}/docs#projects_list`, options);
        await page.getByRole("button", { name: "Send" }).first().waitFor();
        await page.locator("[id='schema-Problem'] summary").click();
        await page.locator("[id='projects_list']").getByRole("button", { name: "Send" }).click();
        await page.getByText(/^200 .* ms$/).waitFor();
        await page.screenshot({ path: join(pictures, `${width}-${colorScheme}.png`) });
        await page.evaluate(axe.source);
        const { violations, passes } = await page.evaluate(() => window.axe.run());
        holds(passes.length > 15, `axe looked at ${passes.length} rules only`);
        const told = violations.map(({ id, nodes }) => `${id}: ${nodes.slice(0, 3).map((node) => `${node.html.slice(0, 160)} ${node.any[0]?.message ?? ""}`).join(" | ")}`);
        holds(violations.length === 0, told.join("\n"));
        const wide = await page.evaluate(() => document.documentElement.scrollWidth);
        holds(wide <= width, `the page is ${wide} pixels wide`);
        await close();
      });
    }
  }
}

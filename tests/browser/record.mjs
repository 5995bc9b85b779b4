// Goes through the page of a record, and takes records elsewhere, as a user does. Arguments: the
// program, and where the pictures go.
import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import axe from "axe-core";
import { launched, visited } from "./browser.mjs";
import { check, closing, equal, holds } from "./checks.mjs";
import { HOSTILE, TOKENS, closed, started } from "./servers.mjs";

/** How many screens the page of a record may be tall before one unfolds anything. */
const SCREENS = 4;

/** Both widths, with the height of the screen. */
const VIEWPORTS = [{ width: 1280, height: 900 }, { width: 390, height: 844 }];

/** The deepest records of two databases of vulnerabilities. */
const DEEPEST = "tests/browser/records";

/** A number that JavaScript would round. */
const LARGE = "9007199254740993";

const KINDS = `{"large":${LARGE},"yes":true,"said":"true","none":null,"day":"2024-05-01","when":"2024-05-01T12:00:00Z","id":"0177d13a-6160-7afe-a603-56bd81dd4c8d","site":"https://example.org/","few":["a","b"],"empty":{},"mixed":[1,{"a":[{"b":2}]}],"one":{"two":{"three":{"four":{"five":"deep"}}}},"rows":[{"name":"a","size":1,"in":{"x":"y"}},{"name":"b","size":2,"tags":[{"t":1}]}]}`;

const LINES = Array.from({ length: 60 }, (_, n) => `Line ${n} of the guide says what it says, and nothing else.`);

const GUIDE = `# The guide

Some *weight*, some **more**, and \`code\`. A [good link](https://example.org/a), a [bad one](javascript:document.title='owned'),
and ${HOSTILE}.

- one
- two
  1. deeper

> quoted

\`\`\`
let a = 1;
\`\`\`

| name | count |
|---|--:|
| stone | 3 |

![A picture beside it](./dot.png) ![A picture elsewhere](https://example.org/b.png)

## Long

${LINES.join("\n")}
`;

const DOT = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

const DEFINITIONS = `
[sheets.advisories]
format = "json"
[sheets.people]
path = "\${{ slug }}"
[sheets.notes]
format = "markdown"
path = "\${{ slug }}"
refs = { author = "people.id", reviewers = "people" }
[sheets.odd]
format = "json"
`;

/** Serves records of all kinds, and a guide with a history. */
async function records() {
  const folder = mkdtempSync(join(tmpdir(), "headwater-browser-"));
  const write = (path, content) => {
    mkdirSync(join(folder, path, ".."), { recursive: true });
    writeFileSync(join(folder, path), content);
  };
  const git = (...args) => execFileSync("git", args, { cwd: folder, encoding: "utf8" }).trim();
  const commit = (message, name, date) => {
    git("add", ".");
    git("-c", `user.name=${name}`, "-c", "user.email=test@example.org", "commit", "--quiet", "--message", message, "--date", date);
    return git("rev-parse", "HEAD");
  };
  const guide = (title, text) => `+++\ntitle = "${title}"\nauthor = 7\nreviewers = ["grace", "nobody"]\nslug = "guide"\n+++\n${text}`;
  git("init", "--quiet", "--initial-branch", "main");
  write("headwater.toml", DEFINITIONS);
  mkdirSync(join(folder, "advisories"));
  for (const file of readdirSync(DEEPEST).filter((name) => name.endsWith(".json"))) copyFileSync(join(DEEPEST, file), join(folder, "advisories", file));
  write("people/ada.toml", 'id = 7\nname = "Ada Lovelace"\nslug = "ada"\n');
  write("people/grace.toml", 'id = 8\nname = "Grace Hopper"\nslug = "grace"\n');
  write("notes/guide.md", guide("The guide", GUIDE));
  write("notes/guide/dot.png", Buffer.from(DOT, "base64"));
  for (let n = 0; n < 5; n += 1) write(`notes/note-${n}.md`, `+++\ntitle = "Note ${n}"\nauthor = 7\nslug = "note-${n}"\n+++\nShort.\n`);
  write("odd/kinds.json", KINDS);
  write("odd/wide.json", JSON.stringify(Object.fromEntries(Array.from({ length: 300 }, (_, n) => [`field${n}`, n]))));
  write("odd/long.json", JSON.stringify(Object.fromEntries(Array.from({ length: 40 }, (_, n) => [`text${n}`, "Words and more words. ".repeat(60)]))));
  const first = commit("Add all of it", "Ada", "2024-01-01T10:00:00Z");
  write("notes/guide.md", guide("The guide", GUIDE.replace("Line 30 of the guide says what", "Line 30 of the guide tells what")));
  const second = commit("Tell instead of say", "Grace", "2024-02-01T10:00:00Z");
  write("notes/guide.md", guide("A guide", GUIDE.replace("Line 30 of the guide says what", "Line 30 of the guide tells what")));
  const third = commit("Call it a guide", "Ada", "2024-03-01T10:00:00Z");
  const server = await started(program, ["serve", "--repo", folder, "--listen", "127.0.0.1:0", "--base-path", "/data", "--log", "warn"]);
  const stop = async () => {
    await server.stop();
    rmSync(folder, { recursive: true, force: true });
  };
  const commits = { first, second, third, newest: third };
  const change = (path, text) => {
    write(path, text);
    commits.newest = commit("Change it", "Ada", "2024-04-01T10:00:00Z");
  };
  return { address: server.address, commits, change, stop };
}

const [program, pictures] = process.argv.slice(2);

mkdirSync(pictures, { recursive: true });
const [served, locked] = await Promise.all([records(), closed(program)]);
const browser = await launched();

try {
  await thePureParts();
  await theTree();
  await asJsonAndText();
  await theReferences();
  await theHistory();
  await howTall();
  await elsewhere();
  await withAToken();
  await pictured();
} finally {
  await browser.close();
  await Promise.all([served.stop(), locked.stop()]);
}
process.exit(closing());

/** Opens a record; `params` are those of the page. */
async function opened(path, params = "", options = {}) {
  const view = await visited(browser, `${served.address}/#/record/${path}${params}`, options);
  await view.page.locator(".record-value > *").first().waitFor();
  return { ...view, main: view.page.locator("main") };
}

/** What decides nothing by the page is tried on many inputs, within the page. */
async function thePureParts() {
  const { page, close } = await opened("odd/kinds");
  await check("steps from one list to another are the fewest, and lead there", async () => {
    const wrong = await page.evaluate(async () => {
      const { align } = await import("./_explorer/diff.js");
      let seed = 7;
      const random = (below) => (seed = (seed * 48271) % 2147483647) % below;
      const list = () => Array.from({ length: random(14) }, () => "abc"[random(3)]);
      const common = (one, other) => {
        const lengths = Array.from({ length: one.length + 1 }, () => Array(other.length + 1).fill(0));
        for (let i = one.length - 1; i >= 0; i -= 1) for (let j = other.length - 1; j >= 0; j -= 1) lengths[i][j] = one[i] === other[j] ? lengths[i + 1][j + 1] + 1 : Math.max(lengths[i + 1][j], lengths[i][j + 1]);
        return lengths[0][0];
      };
      for (let n = 0; n < 2_000; n += 1) {
        const [one, other] = [list(), list()];
        const steps = align(one, other);
        const same = steps.filter(({ kind }) => kind === "same");
        const before = steps.filter(({ kind }) => kind !== "added").map(({ before }) => one[before]);
        const after = steps.filter(({ kind }) => kind !== "removed").map(({ after }) => other[after]);
        const isRight = before.join("") === one.join("") && after.join("") === other.join("") && same.every(({ before, after }) => one[before] === other[after]) && same.length === common(one, other);
        if (!isRight) return [one, other, steps];
      }
      return null;
    });
    equal(wrong, null);
  });

  await check("a list that differs in one element differs in that element alone", async () => {
    const changes = await page.evaluate(async () => {
      const { fields } = await import("./_explorer/diff.js");
      const list = Array.from({ length: 50 }, (_, n) => ({ n, name: `n${n}` }));
      const changed = list.filter(({ n }) => n !== 10).map((each) => (each.n === 20 ? { ...each, name: "other" } : each));
      return fields({ list }, { list: changed });
    });
    equal(changes, [{ pointer: "/list/10", before: { n: 10, name: "n10" } }, { pointer: "/list/19/name", before: "n20", after: "other" }]);
  });

  await check("Markdown becomes the elements that CommonMark asks for, and only safe links", async () => {
    const cases = [
      ["# A\n\n### B\n## C", "<h3>A</h3><h4>B</h4><h4>C</h4>"],
      ["*a* **b** ***c*** a_b_c ~~d~~", "<p><em>a</em> <strong>b</strong> <em><strong>c</strong></em> a_b_c <del>d</del></p>"],
      ["`` a`b `` \\* &amp; &#60;", "<p><code>a`b</code> * &amp; &lt;</p>"],
      ["- a\n- b\n  1. c", "<ul><li>a</li><li>b<ol><li>c</li></ol></li></ul>"],
      ["3. a\n4. b", '<ol start="3"><li>a</li><li>b</li></ol>'],
      ["> a\nb\n\nc", "<blockquote><p>a\nb</p></blockquote><p>c</p>"],
      ["~~~\n# no\n~~~", '<pre tabindex="0"><code># no</code></pre>'],
      ["a\n===\n\n---", "<h3>a</h3><hr>"],
      ["[a](https://e.org \"t\") <https://f.org> https://g.org.", '<p><a href="https://e.org" rel="noopener noreferrer">a</a> <a href="https://f.org" rel="noopener noreferrer">https://f.org</a> <a href="https://g.org" rel="noopener noreferrer">https://g.org</a>.</p>'],
      ["[a][x]\n\n[x]: https://e.org", '<p><a href="https://e.org" rel="noopener noreferrer">a</a></p>'],
      ["[a](javascript:x) [b](JAVASCRIPT:x) [c](data:x) [d](//e.org) [e](../x) <javascript:x>", "<p><span>a</span> <span>b</span> <span>c</span> <span>d</span> <span>e</span> <span>javascript:x</span></p>"],
      ["![a](b.png) ![c](https://e.org/d.png)", '<p><img src="at/b.png" alt="a" loading="lazy"> <a href="https://e.org/d.png" rel="noopener noreferrer">c</a></p>'],
      ["<b onclick=x>a</b><!-- b -->", "<p>&lt;b onclick=x&gt;a&lt;/b&gt;</p>"],
    ];
    const found = await page.evaluate(async (texts) => {
      const { markdown } = await import("./_explorer/markdown.js");
      return texts.map((text) => markdown(text, (target) => ({ address: `at/${target}`, isOpen: true })).innerHTML);
    }, cases.map(([text]) => text));
    cases.forEach(([text, expected], at) => equal([text, found[at]], [text, expected]));
  });

  await check("text that was made to be slow is rendered all the same", async () => {
    const slowest = await page.evaluate(async () => {
      const { markdown } = await import("./_explorer/markdown.js");
      const texts = ["[".repeat(9_000), "*a ".repeat(9_000), "`".repeat(9_000), "> ".repeat(3_000), "- ".repeat(3_000), "![](".repeat(3_000), "a\n\n".repeat(9_000), "_*".repeat(9_000), "| a ".repeat(3_000)];
      for (const text of texts) markdown(text, () => null);
      return texts.length;
    });
    equal(slowest, 9);
  });
  await close();
}

async function theTree() {
  const { page, main, seen, close } = await opened("odd/kinds");
  const part = (name) => main.getByRole("button", { name, exact: true });
  const focused = () => page.evaluate(() => document.activeElement.textContent);

  await check("the kinds of values are told apart", async () => {
    const kinds = await main.locator(".record-value > .tree > dl > .entry").evaluateAll((entries) => Object.fromEntries(entries.map((entry) => [entry.querySelector(".name").textContent, entry.querySelector(".mark-kind").dataset.kind])));
    equal(kinds, { day: "date", empty: "object", few: "list", id: "id", large: "number", mixed: "list", none: "null", one: "object", rows: "table", said: "text", site: "link", when: "date", yes: "boolean" });
    const value = (name) => main.locator(".entry", { has: page.locator(".name", { hasText: new RegExp(`^${name}$`) }) }).locator("dd").first().innerText();
    equal([await value("yes"), await value("said")], ["yes", "“true”"]);
    holds((await value("large")).startsWith("≈"), "a number that the browser rounds is not shown as exact");
  });

  await check("a list of objects is a table, whose rows unfold to what they do not show", async () => {
    const table = main.getByRole("region", { name: "The elements of rows", exact: true }).getByRole("table").first();
    equal((await table.locator("xpath=./thead//th").allInnerTexts()).slice(1), ["in.x", "name", "size", "tags"]);
    const row = table.getByRole("button", { name: "Element 2" });
    if (await row.getAttribute("aria-expanded") === "false") await row.click();
    await table.getByRole("button", { name: "tags" }).waitFor();
    equal(await table.getByRole("button", { name: "Element 1" }).count(), 0);
  });

  await check("arrow keys walk through the tree, and fold and unfold", async () => {
    await page.getByRole("button", { name: "Collapse all" }).click();
    await part("mixed").focus();
    await page.keyboard.press("ArrowDown");
    equal(await focused(), "one");
    await page.keyboard.press("ArrowRight");
    equal(await part("one").getAttribute("aria-expanded"), "true");
    await page.keyboard.press("ArrowRight");
    equal(await focused(), "two");
    await page.keyboard.press("Enter");
    const wasOpen = await part("two").getAttribute("aria-expanded");
    await page.keyboard.press("Enter");
    holds(await part("two").getAttribute("aria-expanded") !== wasOpen, "Enter folds and unfolds");
    await part("two").focus();
    if (await part("two").getAttribute("aria-expanded") === "true") await page.keyboard.press("ArrowLeft");
    equal(await part("two").getAttribute("aria-expanded"), "false");
    await page.keyboard.press("ArrowLeft");
    equal(await focused(), "one");
    await page.keyboard.press("End");
    equal(await focused(), "rows");
    await page.keyboard.press("Home");
    equal(await focused(), "mixed");
  });

  await check("a folded part says what it has, and all of them are unfolded and folded at once", async () => {
    const entry = main.locator(".entry", { has: page.getByRole("button", { name: "rows", exact: true }) });
    await page.getByRole("button", { name: "Collapse all" }).click();
    equal(await entry.locator(".gist").innerText(), "2 elements");
    await page.getByRole("button", { name: "Expand all" }).click();
    await main.getByText("deep", { exact: true }).waitFor();
    equal(await main.locator('.fold[aria-expanded="false"]:visible').count(), 0);
    await page.getByRole("button", { name: "Collapse all" }).click();
    equal(await main.getByText("deep", { exact: true }).count(), 0);
  });

  await check("names are beside their values at the top, and above them below depth two", async () => {
    await page.getByRole("button", { name: "Expand all" }).click();
    const above = (name) => main.locator(".entry", { has: page.locator(`xpath=./dt//*[text()="${name}"]`) }).last().evaluate((entry) => {
      const [label, value] = [entry.querySelector("dt").getBoundingClientRect(), entry.querySelector("dd").getBoundingClientRect()];
      return label.bottom <= value.top + 1;
    });
    equal([await above("day"), await above("five")], [false, true]);
  });

  await check("a change that goes live is marked, and leaves unfolded what is unfolded", async () => {
    await page.getByRole("button", { name: "Collapse all" }).click();
    await part("one").click();
    await page.locator("#state .dot.live").waitFor();
    served.change("odd/kinds.json", KINDS.replace('"few":["a","b"]', '"few":["a","news"]'));
    await main.locator(".entry.fresh", { hasText: "news" }).waitFor();
    equal([await part("one").getAttribute("aria-expanded"), await part("rows").getAttribute("aria-expanded")], ["true", "false"]);
    equal([seen.errors, seen.strangers], [[], []]);
  });
  await close();
}

async function asJsonAndText() {
  await check("the JSON beside the fields is what the server sent, to the last digit", async () => {
    const { page, main, close } = await opened("odd/kinds");
    await page.getByRole("tab", { name: "Fields" }).focus();
    await page.keyboard.press("ArrowRight");
    await main.locator(".raw-json").waitFor();
    const text = await main.locator(".raw-json").innerText();
    holds(text.includes(`"large": ${LARGE}`), text);
    equal(JSON.parse(text).one.two.three.four.five, "deep");
    holds(page.url().includes("view=json"), page.url());
    equal(await page.evaluate(() => document.activeElement.textContent), "JSON");
    await page.keyboard.press("ArrowLeft");
    await main.locator(".tree").waitFor();
    await close();
  });

  const { page, main, seen, close } = await opened("notes/guide");
  const text = main.locator(".long-text", { has: page.getByRole("group", { name: "Form of the text" }) });
  await check("Markdown is rendered, and shown as written", async () => {
    await text.getByRole("button", { name: "Show all of it" }).click();
    await text.getByRole("heading", { name: "The guide" }).waitFor();
    await text.getByRole("link", { name: "good link" }).waitFor();
    for (const selector of ["em", "strong", "p > code", "ul > li ol > li", "blockquote", "pre > code", "table td.right"]) equal([selector, await text.locator(selector).count() > 0], [selector, true]);
    await text.getByRole("button", { name: "As written" }).click();
    await text.getByText("# The guide").waitFor();
    equal(await text.getByRole("heading").count(), 0);
    await text.getByRole("button", { name: "Rendered" }).click();
  });
  await check("nothing in Markdown runs, and no picture is loaded but those beside the record", async () => {
    equal(await text.locator("script, a[href^='javascript' i], [onerror]").count(), 0);
    equal(await text.locator("img").evaluateAll((images) => images.map(({ alt }) => alt)), ["A picture beside it"]);
    await text.getByRole("img").scrollIntoViewIfNeeded();
    await page.waitForFunction(() => document.querySelector(".markdown img").naturalWidth === 1);
    await text.getByRole("link", { name: "A picture elsewhere" }).waitFor();
    holds(!(await page.title()).startsWith("owned"), "nothing of it ran");
    equal([seen.errors, seen.strangers], [[], []]);
  });
  await close();
}

async function theReferences() {
  const { page, main, close } = await opened("notes/guide");
  await check("references are links with titles, and a missing record is said to be missing", async () => {
    await main.getByRole("link", { name: "Ada Lovelace" }).waitFor();
    await main.getByRole("link", { name: "Grace Hopper" }).waitFor();
    await main.getByText("no record of people").waitFor();
    await main.getByRole("link", { name: "Ada Lovelace" }).click();
    await page.getByRole("heading", { level: 1, name: "Ada Lovelace" }).waitFor();
  });
  await check("a record lists those that refer to it, with their numbers", async () => {
    const referring = main.getByRole("region", { name: "Referred to by" });
    await referring.getByText("of notes by author").waitFor();
    equal(await referring.getByRole("link").allInnerTexts(), ["6 records", "A guide", "Note 0", "Note 1", "and 3 others"]);
    await referring.getByRole("link", { name: "6 records" }).click();
    await main.getByText("6 records match").waitFor();
  });
  await close();
}

async function theHistory() {
  const { page, main, seen, close } = await opened("notes/guide");
  const items = main.locator(".versions > li");
  await check("the history is a timeline with messages and authors", async () => {
    await items.nth(2).waitFor();
    equal(await items.locator(".summary").allInnerTexts(), ["Call it a guide", "Tell instead of say", "Add all of it"]);
    holds((await items.nth(1).innerText()).includes("Grace"), await items.nth(1).innerText());
  });
  await check("a changed text shows the lines and the words that differ, and not the whole of it", async () => {
    await items.nth(1).getByRole("button", { name: /^What changed/ }).click();
    await items.nth(1).locator(".line-changes ins").waitFor();
    equal(await items.nth(1).locator("del, ins").allInnerTexts(), ["says", "tells"]);
    const told = await items.nth(1).locator(".line-changes").innerText();
    holds(told.includes("unchanged lines") && !told.includes("Line 25") && told.length < 500, told);
  });
  await check("two versions are compared by their address", async () => {
    await main.getByText("Compare two versions").click();
    await main.getByLabel("Before").selectOption(served.commits.first);
    await main.getByRole("heading", { name: /^From/ }).waitFor();
    await main.locator(".compared + div ins").first().waitFor();
    equal(await main.locator(".compared + div dt").allInnerTexts(), ["body", "title"]);
    holds(page.url().includes(`from=${served.commits.first}`), page.url());
  });
  await check("a record is shown as it was, clearly, and there is a way back", async () => {
    await items.nth(2).getByRole("link", { name: /^As it was/ }).click();
    await main.getByText("As it was", { exact: true }).first().waitFor();
    await page.getByRole("heading", { level: 1, name: "The guide" }).waitFor();
    await main.locator(".banner").getByText("“Add all of it” by Ada").waitFor();
    equal(await main.locator('.versions [aria-current="true"] .summary').allInnerTexts(), ["Add all of it"]);
    await main.getByRole("link", { name: "What has changed since" }).click();
    await main.locator(".compared").waitFor();
    await page.goBack();
    await main.getByRole("link", { name: "Show the current version" }).click();
    await page.getByRole("heading", { level: 1, name: "A guide" }).waitFor();
    equal(await main.locator(".banner").count(), 0);
  });
  await check("a record is shown as it was at a commit that somebody names", async () => {
    await main.getByText("As it was at another time").click();
    await main.getByLabel("A date, a tag or a commit").fill(served.commits.second.slice(0, 10));
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { level: 1, name: "The guide" }).waitFor();
    await main.locator(".banner").getByText("“Tell instead of say” by Grace").waitFor();
    equal(seen.errors, []);
  });
  await close();
}

async function howTall() {
  for (const viewport of VIEWPORTS) {
    const { page, main, close } = await opened("odd/kinds", "", { viewport });
    for (const path of ["advisories/PYSEC-2023-214", "advisories/GO-2024-3112", "odd/wide", "odd/long", "notes/guide"]) {
      await check(`a record is at most four screens tall: ${path}, ${viewport.width} pixels`, async () => {
        await page.goto(`${served.address}/#/record/${path}`);
        await main.locator(".over code", { hasText: path.split("/")[1] }).waitFor();
        await main.locator(".record-value dl").first().waitFor();
        await main.locator(".versions li").first().waitFor();
        const tall = await page.evaluate(() => document.documentElement.scrollHeight);
        console.log(`     ${tall} pixels, which are ${(tall / viewport.height).toFixed(1)} screens`);
        holds(tall <= SCREENS * viewport.height, `${tall} pixels`);
        await page.getByRole("button", { name: "Expand all" }).click();
        const wide = await page.evaluate(() => document.documentElement.scrollWidth);
        holds(wide <= viewport.width, `the page is ${wide} pixels wide`);
      });
    }
    await close();
  }
}

/** Runs what one copies, and returns what it prints. */
function ran(name, text, env = {}) {
  const [command, ...args] = { curl: ["sh", "-c"], JavaScript: ["node", "--input-type=module", "-e"], Python: ["python3", "-c"] }[name];
  return execFileSync(command, [...args, text], { encoding: "utf8", env: { ...process.env, ...env }, stdio: ["ignore", "pipe", "ignore"] });
}

async function elsewhere() {
  const permissions = ["clipboard-read", "clipboard-write"];
  const { page, main, seen, close } = await opened("notes/guide", "", { permissions });
  const dialog = page.getByRole("dialog", { name: "Use it elsewhere" });
  const open = () => page.getByRole("button", { name: "Use it elsewhere" }).press("Enter");
  const code = () => dialog.getByRole("region", { name: /^The request/ }).innerText();
  const choose = async (name) => {
    await dialog.getByRole("group", { name: "Language" }).getByRole("button", { name }).click();
    return code();
  };

  await check("a record is asked for with what one copies", async () => {
    await open();
    equal(await code(), `${served.address}/api/notes/guide`);
    await dialog.getByRole("button", { name: "Copy the address" }).click();
    await dialog.getByText("Copied").waitFor();
    equal(await page.evaluate(() => navigator.clipboard.readText()), `${served.address}/api/notes/guide`);
    for (const name of ["curl", "JavaScript", "Python"]) {
      const text = await choose(name);
      holds(!text.includes("TOKEN"), text);
      holds(ran(name, text).includes("A guide"), `${name}: ${text}`);
    }
    holds((await choose("Rust")).includes(`.get("${served.address}/api/notes/guide")`), await code());
  });
  await check("what is pinned names the commit", async () => {
    await dialog.getByRole("checkbox").check();
    equal(await choose("Address"), `${served.address}/api/notes/guide?at=${served.commits.newest}`);
    equal(await dialog.getByRole("region", { name: "The link" }).innerText(), `${served.address}/#/record/notes/guide?at=${served.commits.newest}`);
  });
  await check("a record is downloaded as JSON, NDJSON and CSV", async () => {
    const saved = async (name) => {
      const [file] = await Promise.all([page.waitForEvent("download"), dialog.getByRole("button", { name, exact: true }).click()]);
      return { name: file.suggestedFilename(), text: readFileSync(await file.path(), "utf8") };
    };
    const [json, lines, table] = [await saved("JSON"), await saved("NDJSON"), await saved("CSV")];
    equal([json.name, JSON.parse(json.text).title], ["guide.json", "A guide"]);
    equal([lines.name, JSON.parse(lines.text).key], ["guide.ndjson", "guide"]);
    holds(table.name === "guide.csv" && /^_key,/.test(table.text) && table.text.includes("A guide"), table.text.slice(0, 80));
  });
  await check("Escape closes the dialog, and the focus returns", async () => {
    await page.keyboard.press("Escape");
    await dialog.waitFor({ state: "detached" });
    equal(await page.evaluate(() => document.activeElement.textContent), "Use it elsewhere");
  });
  await check("a list goes elsewhere with its filters, its order and its commit", async () => {
    await page.goto(`${served.address}/#/sheet/notes?author=7&sort=-title`);
    await main.getByText("6 records match").waitFor();
    await open();
    equal(await code(), `${served.address}/api/notes?author=7&sort=-title`);
    const answer = JSON.parse(ran("curl", await choose("curl")));
    equal([answer.total, answer.items[0].key], [6, "note-4"]);
    const [file] = await Promise.all([page.waitForEvent("download"), dialog.getByRole("button", { name: "JSON", exact: true }).click()]);
    equal(JSON.parse(readFileSync(await file.path(), "utf8")).map(({ key }) => key), ["note-4", "note-3", "note-2", "note-1", "note-0", "guide"]);
    const link = await dialog.getByRole("region", { name: "The link" }).innerText();
    equal(link, `${served.address}/#/sheet/notes?author=7&sort=-title&at=${served.commits.newest}`);
    await page.keyboard.press("Escape");
    await page.goto(link);
    await main.locator("tbody tr").first().waitFor();
    equal([seen.errors, seen.strangers], [[], []]);
  });
  await close();
}

async function withAToken() {
  await check("where a token is needed, what one copies has a place for it and not the token", async () => {
    const { page, close } = await visited(browser, `${locked.address}/#/record/people/ada`);
    await page.getByLabel("Token").fill(TOKENS.people);
    await page.getByRole("dialog").getByRole("button", { name: "Sign in" }).click();
    await page.locator(".record-value dl").waitFor();
    await page.getByRole("button", { name: "Use it elsewhere" }).click();
    const dialog = page.getByRole("dialog", { name: "Use it elsewhere" });
    for (const name of ["curl", "JavaScript", "Python", "Rust"]) {
      await dialog.getByRole("group", { name: "Language" }).getByRole("button", { name }).click();
      const text = await dialog.getByRole("region", { name: /^The request/ }).innerText();
      holds(text.includes("HEADWATER_TOKEN") && !text.includes(TOKENS.people), text);
      if (name !== "Rust") holds(ran(name, text, { HEADWATER_TOKEN: TOKENS.people }).includes("Ada"), text);
    }
    const [file] = await Promise.all([page.waitForEvent("download"), dialog.getByRole("button", { name: "CSV", exact: true }).click()]);
    equal([file.suggestedFilename(), readFileSync(await file.path(), "utf8").includes("Ada")], ["ada.csv", true]);
    await close();
  });
}

/** Takes a picture of each form of the page in each width and colour, and lets axe look at it. */
async function pictured() {
  const press = (name) => async (page) => page.getByRole("button", { name }).first().click();
  const pages = [
    ["advisory", "advisories/PYSEC-2023-214", "", null],
    ["expanded", "odd/kinds", "", press("Expand all")],
    ["text", "notes/guide", "", press("Show all of it")],
    ["json", "odd/kinds", "?view=json", null],
    ["then", "notes/guide", `?at=${served.commits.first}`, null],
    ["compared", "notes/guide", `?from=${served.commits.first}&to=${served.commits.third}`, null],
    ["referred", "people/ada", "", null],
    ["elsewhere", "notes/guide", "", press("Use it elsewhere")],
  ];
  for (const viewport of VIEWPORTS) {
    for (const colorScheme of ["light", "dark"]) {
      for (const [name, path, params, act] of pages) {
        await check(`axe finds nothing: ${name}, ${viewport.width} pixels, ${colorScheme}`, async () => {
          const { page, close } = await opened(path, params, { viewport, colorScheme, reducedMotion: "reduce" });
          await page.locator(".versions li").first().waitFor();
          // Each version that is shown open says so: the first one is gone when all are.
          await page.getByText("Reading both versions").first().waitFor({ state: "detached" });
          await act?.(page);
          await page.screenshot({ path: join(pictures, `${name}-${viewport.width}-${colorScheme}.png`), fullPage: name !== "elsewhere" });
          await page.evaluate(axe.source);
          const { violations, passes } = await page.evaluate(() => window.axe.run());
          holds(passes.length > 20, `axe looked at ${passes.length} rules only`);
          holds(violations.length === 0, violations.map(({ id, nodes }) => `${id}: ${nodes.slice(0, 3).map((node) => `${node.html.slice(0, 120)} ${node.any[0]?.message ?? ""}`).join(" | ")}`).join("\n"));
          const wide = await page.evaluate(() => document.documentElement.scrollWidth);
          holds(wide <= viewport.width, `the page is ${wide} pixels wide`);
          await close();
        });
      }
    }
  }
}

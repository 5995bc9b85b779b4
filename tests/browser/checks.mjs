// Counts what holds, and watches a page for what must never happen on it.

let [passed, failed] = [0, 0];

/** Does `work`; what it throws is a failure. */
export async function check(name, work) {
  try {
    await work();
    passed += 1;
    console.log(`ok    ${name}`);
  } catch (error) {
    failed += 1;
    console.log(`FAIL  ${name}\n      ${String(error.message).split("\n").slice(0, 12).join("\n      ")}`);
  }
}

export function equal(found, expected) {
  const [one, other] = [JSON.stringify(found), JSON.stringify(expected)];
  if (one !== other) throw new Error(`found ${one}, expected ${other}`);
}

export function holds(condition, what) {
  if (!condition) throw new Error(what);
}

/** Prints the closing line, and returns the code to exit with. */
export function closing() {
  console.log(`${passed} passed, ${failed} failed`);
  return failed === 0 ? 0 : 1;
}

/** Notes errors of the console, requests of other origins and loads of the page. */
export function watched(page, origin) {
  const seen = { errors: [], strangers: [], loads: 0 };
  page.on("console", (message) => {
    if (message.type() === "error") seen.errors.push(`${message.text()} ${message.location().url ?? ""}`);
  });
  page.on("pageerror", (error) => seen.errors.push(String(error.stack)));
  page.on("request", (request) => {
    if (!request.url().startsWith(`${origin}/`)) seen.strangers.push(request.url());
  });
  page.on("load", () => {
    seen.loads += 1;
  });
  return seen;
}

// A headless browser, and pages in it that are watched.
import { chromium } from "playwright-core";
import { watched } from "./checks.mjs";

const FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
  "--disable-background-networking", "--disable-component-update", "--disable-sync"];

export const launched = () => chromium.launch({ executablePath: process.env.CHROMIUM, args: FLAGS });

/** Opens a page; every wait on it ends after a while. */
export async function visited(browser, address, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  context.setDefaultTimeout(8_000);
  const page = await context.newPage();
  const seen = watched(page, new URL(address).origin);
  await page.goto(address);
  return { page, seen, close: () => context.close() };
}

// What the explorer says of a replica, and of its part in the cluster.
import { check } from "./checks.mjs";

/** Parts in a cluster, as `_status` has them, and what is said of each. */
const CASES = [
  [{ role: "following", leader: "headwater-0" }, "Replica 2 of 3, follows headwater-0"],
  [{ role: "leading", leader: "headwater-1" }, "Replica 2 of 3, leads"],
  [{ role: "following", leader: null }, "Replica 2 of 3, waits for a leader"],
  [{ role: "following", leader: "headwater-0", behindSeconds: 90 }, "Replica 2 of 3, behind"],
  [{ role: "orphaned", leader: null }, "Replica 2 of 3, on its own"],
];

/** Looks at the banner of a server that says that it is a replica. */
export async function replicas(browser, home) {
  const context = await browser.newContext();
  context.setDefaultTimeout(8_000);
  await check("a replica says which one it is and whom it follows", async () => {
    for (const [part, said] of CASES) {
      const page = await context.newPage();
      const others = ["headwater-2", "headwater-0"].map((name) => ({ name }));
      const cluster = { name: "headwater-1", behindSeconds: 0, replicas: others, ...part };
      await page.route("**/api/_status", async (route) => {
        const response = await route.fetch().catch(() => null);
        const status = await response?.json().catch(() => null);
        if (status) await route.fulfill({ response, json: { ...status, cluster } });
      });
      await page.goto(`${home}/`);
      const banner = page.getByRole("status", { name: "State of the server" });
      await banner.getByText(said, { exact: true }).waitFor();
      await page.close();
    }
  });
  await check("a server that is no replica says nothing of it", async () => {
    const page = await context.newPage();
    await page.goto(`${home}/`);
    await page.getByRole("heading", { level: 1 }).waitFor();
    const banner = page.getByRole("status", { name: "State of the server" });
    if (await banner.getByText("Replica").count()) throw new Error(await banner.innerText());
  });
  await context.close();
}

// The frame: navigation, search, the banner, and the page that the hash of the address names.

import { showBanner, showState } from "./banner.js";
import { arrive, signButton } from "./credential.js";
import { hidePushed, showDemo } from "./demo.js";
import { announce, count, h, put, whenChanged } from "./dom.js";
import { number, plural } from "./format.js";
import { live } from "./live.js";
import { link, parse, replace, toApi, toSheet } from "./route.js";
import { openPalette } from "./palette.js";
import { showSaved } from "./saved.js";
import * as api from "./api_page.js";
import * as bulk from "./bulk.js";
import * as commits from "./commits.js";
import * as compare from "./compare.js";
import * as edit from "./edit.js";
import * as overview from "./overview.js";
import * as problems from "./problems.js";
import * as record from "./record.js";
import * as reloads from "./reloads.js";
import * as remove from "./remove.js";
import * as search from "./search.js";
import * as sheet from "./sheet.js";
import * as undo from "./undo.js";

const PAGES = { overview, commits, reloads, problems, sheet, record, search, compare, edit, new: edit, delete: remove, undo, bulk, api };

/** How long typing must pause before the search starts. */
const PAUSE = 200;

const main = document.getElementById("main");
let shown = { place: "", leave: new AbortController(), update: null };

/** The page of the API has an address of its own, and its parts are anchors there. */
function fromDocs() {
  if (location.pathname.endsWith("/docs")) history.replaceState(null, "", `./${toApi(location.hash.slice(1))}`);
}

/** Shows the page of the address. If only the parameters differ, the page updates itself. */
async function go() {
  const route = parse(location.hash);
  const place = [route.name, ...route.rest].join("/");
  if (place === shown.place && shown.update) return shown.update(route);
  const isFirst = shown.place === "";
  shown.leave.abort();
  const leave = new AbortController();
  shown = { place, leave, update: null };
  if (!isFirst) hidePushed();
  showSaved();
  marked(route);
  const page = PAGES[route.name];
  const element = h("div", { class: `page ${route.name}` });
  put(main, element);
  if (page) {
    // A page shows its heading before it waits for anything.
    const showing = page.show({ element, route, signal: leave.signal });
    entitled(element, isFirst);
    const update = await showing.catch(ignored);
    if (shown.leave === leave) shown.update = update ?? null;
  } else {
    element.append(h("h1", { tabindex: "-1" }, "Page not found"), h("p", {}, h("a", { href: "#/" }, "Go to the overview")));
    entitled(element, isFirst);
  }
}

/** Sets the title, and moves the focus of keyboard and screen reader to the heading. */
function entitled(element, isFirst) {
  const heading = element.querySelector("h1");
  document.title = `${heading?.dataset.title ?? heading?.textContent ?? ""} · Headwater`;
  // Typing must not be interrupted.
  if (isFirst || document.activeElement?.id === "find-text") return;
  heading?.focus({ preventScroll: true });
  window.scrollTo(0, 0);
}

function ignored(error) {
  if (error.name !== "AbortError") throw error;
}

/** Marks the current page in the navigation. */
function marked({ name, rest }) {
  for (const place of document.querySelectorAll("[data-place]")) {
    const [kind, of] = place.dataset.place.split(/ (.*)/s);
    const current = of === undefined ? kind === name : (name === "sheet" || name === "record") && of === rest[0];
    if (current) place.setAttribute("aria-current", "page");
    else place.removeAttribute("aria-current");
  }
}

const showSheets = whenChanged(() => live.sheets, () => {
  const item = ({ name, records }) =>
    h("li", {}, h("a", { href: toSheet(name), "data-place": `sheet ${name}` }, h("span", {}, name), h("span", { class: "count" }, number(records))));
  put(document.getElementById("sheets"), live.sheets.map(item));
  marked(parse(location.hash));
});

function showFrame() {
  showState(document.getElementById("state"), live);
  showBanner(document.getElementById("banner"), live);
  if (!live.status) return;
  showSheets();
  const { problems } = live.status;
  put(document.getElementById("problem-count"), problems > 0 ? number(problems) : "");
  put(document.getElementById("side-foot"), "Branch ", h("code", {}, live.status.branch), " ", signButton(live.takesWrites));
  showDemo();
}

function searchAsTyped() {
  const input = document.getElementById("find-text");
  let pause = 0;
  const find = () => {
    clearTimeout(pause);
    const text = input.value.trim();
    const there = parse(location.hash).name === "search";
    if (!text && !there) return;
    const address = link(["search"], text ? { q: text } : undefined);
    if (there) replace(address);
    else location.hash = address;
  };
  input.addEventListener("input", () => {
    clearTimeout(pause);
    pause = setTimeout(find, PAUSE);
  });
  document.getElementById("find").addEventListener("submit", (event) => {
    event.preventDefault();
    find();
  });
}

/** Ctrl+K opens the box that goes anywhere, and a slash goes to the search, except where one types. */
function shortcuts() {
  document.getElementById("go-to").addEventListener("click", openPalette);
  document.addEventListener("keydown", (event) => {
    if (event.key.toLowerCase() === "k" && (event.ctrlKey || event.metaKey)) openPalette();
    else if (event.key === "/" && !event.target.closest("input, textarea, select, dialog, [contenteditable]")) document.getElementById("find-text").focus();
    else return;
    event.preventDefault();
  });
}

/** Closes open menus on the Escape key, and on a click elsewhere. */
function closeMenus() {
  const open = (inside) => [...document.querySelectorAll("details.menu[open]")].filter((menu) => menu.contains(inside));
  document.addEventListener("keydown", ({ key, target }) => {
    if (key !== "Escape") return;
    for (const menu of open(target)) {
      menu.open = false;
      menu.querySelector("summary").focus();
    }
  });
  document.addEventListener("pointerdown", ({ target }) => {
    const kept = open(target);
    for (const menu of document.querySelectorAll("details.menu[open]")) if (!kept.includes(menu)) menu.open = false;
  });
}

document.getElementById("skip").addEventListener("click", (event) => {
  // The hash is the address of a page, so the link cannot use it.
  event.preventDefault();
  main.focus();
});
window.addEventListener("hashchange", go);
live.on("status", undefined, showFrame);
live.on("changes", undefined, ({ items }) => announce(items ? `A change went live: ${plural(items.length, "record")}` : "A change went live"));
setInterval(count, 5_000);
searchAsTyped();
closeMenus();
shortcuts();
fromDocs();
const told = await arrive();
await live.begin();
await go();
told?.();

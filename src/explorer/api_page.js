// The page of the API: the operations of the server's document by sheet, their parameters, answers and
// schemas, and a form to try reads.

import { readDocument, sentence } from "./api.js";
import { prose, resolved, schemaId, schemaList } from "./api_schema.js";
import { trial } from "./api_trial.js";
import { answerLink } from "./download.js";
import { h, put, scrolling } from "./dom.js";
import { toApi } from "./route.js";

const METHODS = ["get", "put", "post", "patch", "delete"];

/** `#/api`, and `#/api?part=…` with the id of an operation, a schema or a group. */
export async function show({ element, route, signal }) {
  const lead = h("p", { class: "lead" }, "Reading the document…");
  const [groups, operations] = [h("nav", { class: "api-groups", "aria-label": "Groups of operations" }), h("div", {})];
  put(element, h("header", { class: "head" }, h("h1", { tabindex: "-1" }, "API"), lead), h("div", { class: "api-columns" }, groups, operations));
  let api;
  try {
    api = await readDocument(signal);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    put(lead, sentence(error, "openapi.json"));
    return undefined;
  }
  put(lead, prose(api.info.description), " The document is ", answerLink("openapi.json", "openapi.json", "openapi.json"), `, version ${api.info.version}.`);
  const parts = sections(api);
  put(groups, h("ul", {}, parts.map(({ id, title }) => h("li", {}, h("a", { href: toApi(id) }, title)))));
  put(operations, parts.map(({ element }) => element));
  const open = ({ params }) => {
    const part = params.get("part");
    if (part) reveal(part);
  };
  open(route);
  return open;
}

/** Opens the part with this id, and moves to it. */
function reveal(id) {
  const part = document.getElementById(id);
  if (part === null) return;
  const folded = part.closest("details");
  if (folded) folded.open = true;
  part.scrollIntoView();
  (folded?.querySelector("summary") ?? part.querySelector("h2"))?.focus({ preventScroll: true });
}

/** Returns the groups of operations, those of sheets first, and at last the schemas. */
function sections(api) {
  const tagged = (name) => Object.entries(api.paths).flatMap(([path, item]) => METHODS
    .filter((method) => item[method]?.tags.includes(name))
    .map((method) => operation({ api, path, method, item })));
  const section = (id, title, description, children) => ({ id, title, element: h("section", { id, "aria-label": title },
    h("h2", { tabindex: "-1" }, title), h("p", { class: "soft" }, prose(description)), children) });
  const schemas = Object.entries(api.components.schemas).map(([name, schema]) =>
    folded(schemaId(name), h("code", {}, name), () => h("p", {}, schemaList(api, schema))));
  return [
    ...api.tags.map(({ name, description }) => section(`tag-${name}`, name, description, tagged(name))),
    section("schemas", "Schemas", "What bodies and answers are made of.", schemas),
  ];
}

/** Returns a part that is made once it is opened: a sheet may have a hundred fields. */
function folded(id, title, content) {
  const inside = h("div", {});
  const element = h("details", { class: "api-part", id }, h("summary", {}, title), inside);
  element.addEventListener("toggle", () => put(inside, content()), { once: true });
  return element;
}

function operation({ api, path, method, item }) {
  const { operationId, summary, description, security, requestBody, responses } = item[method];
  const parameters = [...(item.parameters ?? []), ...(item[method].parameters ?? [])].map((parameter) => resolved(api, parameter));
  const body = resolved(api, requestBody);
  const title = [h("span", { class: `method ${method}` }, method.toUpperCase()), " ", h("code", {}, path), h("span", { class: "soft" }, ` ${summary}`)];
  return folded(operationId, title, () => [
    description && h("p", {}, prose(description)),
    security?.length > 0 && h("p", {}, "Needs a token of those who may write."),
    parameterTable(api, parameters),
    body.content && [h("h3", {}, "Body"), contents(api, body.content)],
    answerTable(api, responses),
    trial({ api, path, method, operation: item[method], parameters }),
  ]);
}

function parameterTable(api, parameters) {
  if (parameters.length === 0) return null;
  const row = ({ name, in: place, required, description, schema }) => h("tr", {},
    h("th", { scope: "row" }, h("code", {}, name)),
    h("td", {}, place, required && ", required"),
    h("td", {}, prose(description), " ", h("span", { class: "soft" }, schemaList(api, schema))));
  const head = ["Name", "In", "What it is"].map((text) => h("th", { scope: "col" }, text));
  return [h("h3", {}, "Parameters"), scrolling("Parameters", h("table", {}, h("thead", {}, h("tr", {}, head)), h("tbody", {}, parameters.map(row))))];
}

function answerTable(api, responses) {
  const row = ([status, reference]) => {
    const { description, content, headers } = resolved(api, reference);
    const names = Object.keys(headers ?? {});
    return h("tr", {}, h("th", { scope: "row" }, status),
      h("td", {}, prose(description), contents(api, content), names.length > 0 && h("div", { class: "soft" }, "Headers:", names.map((name) => [" ", h("code", {}, name)]))));
  };
  return [h("h3", {}, "Answers"), scrolling("Answers", h("table", {}, h("tbody", {}, Object.entries(responses).map(row))))];
}

const contents = (api, content = {}) => Object.entries(content).map(([type, { schema }]) =>
  h("div", {}, h("code", {}, type), " ", schemaList(api, schema)));

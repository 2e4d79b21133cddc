import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { temporaryFolder } from "./support/folder.ts";

// These programs need the driver, a dependency of this package only, so they run inside it.
test.each([
  ["transaction", ' title="orders.js"', "working\n"],
  ["database", "", "{ status: 'working', tasks: 1 }"],
])("the page's program with its own %s runs", (_, info, says) => {
  const readme = readFileSync(new URL("../../../tooling/docs/stores/sqlite.md", import.meta.url), "utf8");
  const [, code = ""] = new RegExp(`^\`\`\`js no-run${info}\\n(.*?)^\`\`\`$`, "ms").exec(readme) ?? [];
  const parent = fileURLToPath(new URL("../.scratch/", import.meta.url));
  mkdirSync(parent, { recursive: true });
  const folder = mkdtempSync(parent);
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, "program.js");
  writeFileSync(file, code);
  const output = execFileSync(process.execPath, [file], { cwd: temporaryFolder(), encoding: "utf8" });
  expect(output).toContain(says);
});

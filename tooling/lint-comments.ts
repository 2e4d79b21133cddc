/** Fails if a comment of its own line is wider than 100 columns. Code has the formatter's 120. */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { repositoryRoot } from "./packages.ts";

const MAX = 100;
const COMMENT = { script: /^\s*(\/\/|\/\*|\*)/, database: /^\s*--/ };
/** Comments for tools must stay on one line, and a web address cannot be wrapped. */
const ONE_LINE = /biome-ignore|@ts-|https?:\/\//;

const files = execFileSync(
  "git",
  ["ls-files", "--cached", "--others", "--exclude-standard", "*.ts", "*.tsx", "*.cjs", "*.lua", "*.sql"],
  {
    cwd: repositoryRoot,
    encoding: "utf8",
  },
)
  .trim()
  .split("\n")
  .filter((file) => !file.includes(".generated."));

const wide = files.flatMap((file) => {
  const comment = /\.(lua|sql)$/.test(file) ? COMMENT.database : COMMENT.script;
  return readFileSync(join(repositoryRoot, file), "utf8")
    .split("\n")
    .map((line, index) => ({ line, place: `${file}:${index + 1}` }))
    .filter(({ line }) => line.length > MAX && comment.test(line) && !ONE_LINE.test(line));
});

for (const { place, line } of wide)
  console.error(`${place}: the comment is ${line.length} columns wide; wrap it at ${MAX}`);
if (wide.length > 0) process.exitCode = 1;

#!/usr/bin/env node
import { relative } from "node:path";
import { answersTo } from "./answers.ts";
import { generate } from "./generate.ts";
import { HELP, parse, UsageError } from "./options.ts";

try {
  const options = parse(process.argv.slice(2));
  if (options.help) console.log(HELP);
  else {
    const answers = await answersTo(options);
    await generate(answers);
    console.log(nextSteps(answers.folder));
  }
} catch (error) {
  console.error(`create-mcp-task-backend: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = error instanceof UsageError ? 2 : 1;
}

function nextSteps(folder: string): string {
  const path = relative("", folder);
  return [
    `The backend is in ${folder}. Next:`,
    "",
    ...(path === "" ? [] : [`  cd ${/\s/.test(path) ? JSON.stringify(path) : path}`]),
    "  git init",
    "  npm install",
    "  npm run conformance -- --bail",
    "",
    "README.md says which files to fill in, and in which order.",
  ].join("\n");
}

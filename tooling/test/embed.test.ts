import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { expect, test } from "vitest";
import { repositoryRoot } from "../packages.ts";

test("the embedded SQL and Lua are those of the files", () => {
  const check = () =>
    execFileSync(process.execPath, [join(repositoryRoot, "tooling/embed.ts"), "--check"], { stdio: "pipe" });
  expect(check).not.toThrow();
});

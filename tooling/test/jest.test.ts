import { spawnSync } from "node:child_process";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { useDatabase, useKeys } from "../databases/fixtures.ts";

// Jest fakes more than vitest can, runs each file in its own realm, and replaces the globals there.
// Its test is in the folder `jest`.

const JEST = createRequire(import.meta.url).resolve("jest/bin/jest");
const FOLDER = fileURLToPath(new URL("jest", import.meta.url));

const database = useDatabase();
const keys = useKeys();

test("under Jest's fake timers every store answers, waits and follows the moved clock", () => {
  const args = ["--rootDir", FOLDER, "--testMatch", "**/*.jest.js", "--testTimeout", "60000", "--no-watchman"];
  // Jest must not inherit the variables of this test's runner.
  const inherited = Object.entries(process.env).filter(([name]) => !/^(VITEST|NODE_|TEST$)/.test(name));
  const places = { connectionString: database.url, url: keys.url, keyPrefix: keys.prefix };
  const { status, stderr } = spawnSync(process.execPath, ["--experimental-vm-modules", JEST, ...args], {
    encoding: "utf8",
    env: { ...Object.fromEntries(inherited), NO_COLOR: "1", PLACES: JSON.stringify(places) },
    timeout: 600_000,
  });
  expect(stderr).toMatch(/Tests: +12 passed, 12 total/);
  expect(status).toBe(0);
}, 600_000);

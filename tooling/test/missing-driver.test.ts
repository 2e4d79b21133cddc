import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { pack, publicPackages, run } from "../packages.ts";

// Drivers are optional peers. A project that installed a store without its driver learns what to
// install.

const DRIVERS = [
  {
    store: "postgres",
    entryPoint: "@mcp-task-store/postgres",
    open: 'new PostgresTaskStore({ connectionString: "postgres://127.0.0.1:1/none" })',
    className: "PostgresTaskStore",
    message: /npm install pg\b/,
  },
];

let directory = "";

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "missing-driver-"));
  const needed = publicPackages().filter(({ name }) =>
    ["core", ...DRIVERS.map(({ store }) => store)].some((each) => name === `@mcp-task-store/${each}`),
  );
  const tarballs = await Promise.all(needed.map((each) => pack(each.directory, directory)));
  const dependencies = Object.fromEntries(needed.map(({ name }, index) => [name, `file:${tarballs[index]}`]));
  await writeFile(join(directory, "package.json"), JSON.stringify({ private: true, type: "module", dependencies }));
  // As an application does it: npm installs no optional peer on its own.
  await run("npm", ["install", "--no-audit", "--no-fund", "--prefer-offline"], { cwd: directory });
}, 300_000);
afterAll(() => rm(directory, { recursive: true, force: true }));

test.each(DRIVERS)("$entryPoint loads without its driver, and its first call says what to install", async (driver) => {
  const program = `
    const { ${driver.className}, isTaskStoreError } = await import("${driver.entryPoint}");
    const store = ${driver.open};
    const answer = await store.listTasks().catch((error) => error);
    await store.close();
    console.log(JSON.stringify({ ours: isTaskStoreError(answer), code: answer.code, message: answer.message, cause: answer.cause?.code }));`;
  const { ours, code, message, cause } = JSON.parse(
    await run(process.execPath, ["--input-type=module", "--eval", program], { cwd: directory, timeoutMs: 60_000 }),
  );
  expect({ ours, code, cause }).toEqual({ ours: true, code: "INVALID_ARGUMENT", cause: "ERR_MODULE_NOT_FOUND" });
  expect(message).toMatch(driver.message);
});

import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, test } from "vitest";
import { repositoryRoot, run } from "../packages.ts";
import { isWide } from "../wide.ts";
import { usePackedProject } from "./packed-project.ts";

// The packed SQLite store with each major version of its optional driver, and without it.

const PACKAGES = { packages: ["core", "sqlite"] };
const node = (directory: string, ...args: string[]) =>
  run(process.execPath, ["--disable-warning=ExperimentalWarning", ...args], {
    cwd: directory,
    timeoutMs: 600_000,
  });

test("the tested majors are those of the range", () => {
  const { peerDependencies } = JSON.parse(readFileSync(join(repositoryRoot, "packages/sqlite/package.json"), "utf8"));
  // oldest.test.ts has 13.0.0.
  expect(peerDependencies["better-sqlite3"]).toBe("^12.0.0 || ^13.0.0");
});

describe("without better-sqlite3", () => {
  const project = usePackedProject({}, PACKAGES);

  test.each(["import", "require"])("%s and a store by path work", async (how) => {
    const program = `(async () => {
      const { SqliteTaskStore } = await ${how}("@mcp-task-store/sqlite");
      const store = new SqliteTaskStore({ path: "${how}.db" });
      const { taskId } = await store.createTask({ name: "render" });
      console.log((await store.getTask(taskId)).status);
      await store.close();
    })();`;
    expect(await node(project.directory, "--eval", program)).toBe("working\n");
  });

  test("a store that asks for it says what to install", async () => {
    const program = `import { SqliteTaskStore } from "@mcp-task-store/sqlite";
      const store = new SqliteTaskStore({ path: "tasks.db", driver: "better-sqlite3" });
      await store.getTask("any").catch(({ code, message, cause }) => console.log(code, message, cause.code));
      await store.close();`;
    const said = await node(project.directory, "--input-type=module", "--eval", program);
    expect(said).toBe(
      "BACKEND_UNAVAILABLE The store needs a driver for SQLite: npm install better-sqlite3 ERR_MODULE_NOT_FOUND\n",
    );
  });
});

describe.runIf(isWide)("better-sqlite3 12", () => {
  // It has no binaries in its package. Where it cannot download one, it builds one with the headers
  // of the first Node of this major version. (With those of 24.21, Node aborts when a database is
  // collected.)
  const headers = `node-${process.platform}-${process.arch}`;
  const [major] = process.versions.node.split(".");
  const project = usePackedProject(
    {
      devDependencies: { [headers]: `${major}.0.0` },
      optionalDependencies: { "better-sqlite3": "12.0.0" },
    },
    {
      ...PACKAGES,
      timeoutMs: 1_200_000,
      env: (directory) => ({
        ...process.env,
        PATH: `${dirname(process.execPath)}:${process.env["PATH"]}`,
        npm_config_nodedir: join(directory, "node_modules", headers),
      }),
    },
  );

  test("the conformance suite passes", { timeout: 600_000 }, async ({ skip }) => {
    const found = await node(project.directory, "--print", "require('better-sqlite3/package.json').version").catch(
      String,
    );
    if (!found.startsWith("12.0.0") && !process.env["CI"])
      skip("better-sqlite3 12 could be neither downloaded nor built here: it needs Python, make and a C++ compiler");
    const { passed, failed } = JSON.parse(await node(project.directory, "conform-sqlite.mjs", "better-sqlite3"));
    expect(failed).toEqual([]);
    expect(passed).toBeGreaterThan(200);
  });
});

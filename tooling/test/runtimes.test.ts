import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ConformanceReport } from "@mcp-task-store/core/conformance";
import { describe, expect, onTestFinished, test } from "vitest";
import { publicPackages, repositoryRoot, run } from "../packages.ts";
import { variantCases } from "../wide.ts";

// The packages on Bun and Deno, whose binaries come with the dependencies.

const RUNTIMES = [
  { runtime: "bun", args: [], driver: "bun:sqlite" },
  // node_modules is pnpm's, and Deno leaves it as it is.
  { runtime: "deno", args: ["run", "--allow-all", "--node-modules-dir=manual", "--no-lock"], driver: "node:sqlite" },
] as const;

const programs = join(repositoryRoot, "tooling/test/runtimes");
const binaryOf = (runtime: string) => join(repositoryRoot, "tooling/node_modules/.bin", runtime);

describe.each(RUNTIMES)("$runtime", ({ runtime, args, driver }) => {
  // An optional dependency: the registry has no binary for every platform.
  if (!existsSync(binaryOf(runtime)) && process.env["CI"] === undefined) {
    test.skip(`is not tested: the npm package ${runtime} has no binary for this platform`, () => undefined);
    return;
  }

  const start = (program: string, ...more: string[]) =>
    run(binaryOf(runtime), [...args, join(programs, program), ...more], { cwd: programs });

  test("imports every entry point, which exports what it exports on Node", async () => {
    const entryPoints = publicPackages().flatMap((each) => each.entryPoints);
    const onNode: Record<string, string[]> = {};
    for (const specifier of entryPoints) onNode[specifier] = Object.keys(await import(specifier)).toSorted();
    const said = JSON.parse(await start("imports.ts", ...entryPoints));
    expect(said).toEqual({ [runtime]: expect.any(String), exported: onNode });
  });

  test.each(["memory", driver])(
    "the conformance suite passes on %s",
    async (where) => {
      const { cases, passed }: ConformanceReport = JSON.parse(
        await start("conform.ts", where, ...(variantCases ?? [])),
      );
      expect(cases.filter(({ status }) => status === "failed")).toEqual([]);
      expect(passed).toBeGreaterThan(variantCases ? 70 : 240);
    },
    300_000,
  );

  test.runIf(existsSync("/proc/self/fd"))("a SQLite store takes paths and databases of its own driver", async () => {
    const folder = await mkdtemp(join(tmpdir(), "runtimes-"));
    onTestFinished(() => rm(folder, { recursive: true, force: true }));
    const said = JSON.parse(await start("sqlite.ts", join(folder, "tasks.db")));
    expect(said).toEqual({
      capabilities: { durable: true, multiProcess: true },
      whileOpen: expect.any(Number),
      afterClose: 0,
      afterBoth: 0,
      found: true,
      rolledBack: null,
      committed: "working",
      statusMessage: "in \0 and \ud800",
      refused: expect.stringMatching(/^BACKEND_UNAVAILABLE: .*inside a transaction/),
      noFolder: expect.stringMatching(/^BACKEND_UNAVAILABLE: The database file cannot be opened/),
      ...(runtime === "bun"
        ? {}
        : { noDriver: expect.stringMatching(/^BACKEND_UNAVAILABLE: .* no bun:sqlite: npm install better-sqlite3/) }),
    });
    expect(said.whileOpen).toBeGreaterThan(0);
  });
});

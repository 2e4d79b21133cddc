/**
 * The tests that need nothing but Node, for systems without PostgreSQL, Redis and Docker:
 * `test:portable`. Tests over several stores run on memory and SQLite there.
 */
export const portable: boolean = process.env["TEST_PORTABLE"] === "1";

export const PORTABLE_INCLUDE: readonly string[] = [
  "packages/{core,memory,sqlite,server,create-mcp-task-backend}/test/**/*.test.ts",
  "tooling/test/{serving,sdk-1}/**/*.test.ts",
  "tooling/test/{async-context,fake-timers,shared-signal,supply-chain}.test.ts",
];

/** Tests of those folders that stay away, each with its reason. */
export const PORTABLE_EXCLUDE: Readonly<Record<string, string>> = {
  "packages/create-mcp-task-backend/test/template.test.ts":
    "it installs packages by npm and pnpm, and needs PostgreSQL",
  "tooling/test/serving/outage.test.ts": "it cuts PostgreSQL and Redis off",
};

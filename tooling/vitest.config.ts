import { fileURLToPath } from "node:url";
import { defineConfig, type TestProjectInlineConfiguration } from "vitest/config";

const OFFICIAL = "tooling/test/official-conformance*.test.ts";
/** A minute more, for what the servers that are replaced show as well. */
const KILLED = process.env["TEST_KILLED"] === "1" ? [] : ["tooling/test/official-conformance-killed.test.ts"];

/** Groups run one after another. */
function project(
  name: string,
  groupOrder: number,
  test: TestProjectInlineConfiguration["test"],
): TestProjectInlineConfiguration {
  return { extends: true, test: { ...test, name, sequence: { groupOrder } } };
}

/** One run over every package. Tests import the packages by name, so they see what a user installs: `dist`. */
export default defineConfig({
  root: fileURLToPath(new URL("..", import.meta.url)),
  test: {
    globalSetup: [fileURLToPath(new URL("databases/global-setup.ts", import.meta.url))],
    reporters: ["default", fileURLToPath(new URL("summary-reporter.ts", import.meta.url))],
    // Only a bound on what hangs: a busy machine may take its time.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    projects: [
      project("tests", 0, {
        include: [
          "packages/*/test/**/*.test.ts",
          "tooling/test/**/*.test.ts",
          // Minutes of killing servers and processes: `test:faults`, and in CI.
          ...(process.env["TEST_FAULTS"] === "1" ? ["tooling/faults/*.test.ts"] : []),
        ],
        exclude: ["**/node_modules/**", OFFICIAL],
        // More than there may be processors: files that test databases mostly wait for their clocks.
        maxWorkers: 4,
      }),
      // After the others: this suite has limits of its own in which servers have to answer.
      project("official", 1, { include: [OFFICIAL], exclude: ["**/node_modules/**", ...KILLED], maxWorkers: 2 }),
    ],
  },
});

import { fileURLToPath } from "node:url";
import { defineConfig, type TestProjectInlineConfiguration } from "vitest/config";
import { PORTABLE_EXCLUDE, PORTABLE_INCLUDE, portable } from "./portable.ts";

const OFFICIAL = "tooling/test/official-conformance*.test.ts";
/**
 * Leaves out these tests by default: they take a minute more, and the tests of replaced servers
 * cover the same.
 */
const KILLED = process.env["TEST_KILLED"] === "1" ? [] : ["tooling/test/official-conformance-killed.test.ts"];

/** Groups run one after another. */
function project(
  name: string,
  groupOrder: number,
  test: TestProjectInlineConfiguration["test"],
): TestProjectInlineConfiguration {
  return { extends: true, test: { ...test, name, sequence: { groupOrder } } };
}

/**
 * One run over every package. Tests import the packages by name, so they see what a user installs:
 * `dist`.
 */
export default defineConfig({
  root: fileURLToPath(new URL("..", import.meta.url)),
  test: {
    globalSetup: [fileURLToPath(new URL("databases/global-setup.ts", import.meta.url))],
    reporters: ["default", fileURLToPath(new URL("summary-reporter.ts", import.meta.url))],
    // Only a bound on hanging tests, since a busy machine may be slow.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    expect: { poll: { timeout: 30_000 } },
    projects: [
      project("tests", 0, {
        include: portable
          ? [...PORTABLE_INCLUDE]
          : [
              "packages/*/test/**/*.test.ts",
              "tooling/test/**/*.test.ts",
              // Minutes of killing servers and processes, for `test:faults` and CI.
              ...(process.env["TEST_FAULTS"] === "1" ? ["tooling/faults/*.test.ts"] : []),
            ],
        exclude: ["**/node_modules/**", OFFICIAL, ...(portable ? Object.keys(PORTABLE_EXCLUDE) : [])],
        // More than the processors, as files that test databases mostly wait for clocks.
        maxWorkers: 5,
      }),
      // After the others, one file at a time, as this suite has its own time limits for answers.
      ...(portable
        ? []
        : [project("official", 1, { include: [OFFICIAL], exclude: ["**/node_modules/**", ...KILLED], maxWorkers: 1 })]),
    ],
  },
});

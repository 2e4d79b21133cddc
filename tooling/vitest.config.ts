import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

/** One run over every package. Tests import the packages by name, so they see what a user installs: `dist`. */
export default defineConfig({
  root: fileURLToPath(new URL("..", import.meta.url)),
  test: {
    include: [
      "packages/*/test/**/*.test.ts",
      "tooling/test/**/*.test.ts",
      // Minutes of killing servers and processes: `test:faults`, and in CI.
      ...(process.env["TEST_FAULTS"] === "1" ? ["tooling/faults/*.test.ts"] : []),
    ],
    globalSetup: [fileURLToPath(new URL("databases/global-setup.ts", import.meta.url))],
    reporters: ["default", fileURLToPath(new URL("summary-reporter.ts", import.meta.url))],
    // More than there may be processors: files that test databases mostly wait for their clocks.
    maxWorkers: 4,
    // Only what hangs takes as long, however slow the machine.
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});

import type { Reporter, TestCase, TestModule, TestSuite } from "vitest/node";
// Declares the `meta` fields of those tests.
import type {} from "./test/official-conformance.ts";

/**
 * Makes `N passed, N failed` the last line of a run. A file that does not load, a hook that throws
 * and an uncaught error each count as a failure, so the numbers never look better than the exit
 * code.
 */
export default class SummaryReporter implements Reporter {
  #passed = 0;
  #failed = 0;
  #skipped = 0;
  #official: readonly string[] = [];

  onInit(): void {
    process.once("exit", (code) => {
      const failed = code !== 0 && this.#failed === 0 ? 1 : this.#failed;
      const skipped = this.#skipped > 0 ? `, ${this.#skipped} skipped` : "";
      for (const line of this.#official) process.stdout.write(`${line}\n`);
      process.stdout.write(`${this.#passed} passed, ${failed} failed${skipped}\n`);
    });
  }

  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly unknown[]): void {
    const tests = modules.flatMap((module) => [...module.children.allTests()]);
    const groups = modules.flatMap((module) => [module, ...module.children.allSuites()]);
    this.#passed = count(tests, "passed");
    this.#failed = count(tests, "failed") + groups.filter(isBroken).length + unhandledErrors.length;
    this.#skipped = tests.length - this.#passed - count(tests, "failed");
    this.#official = officialCounts(tests);
  }
}

function count(tests: TestCase[], state: "passed" | "failed"): number {
  return tests.filter((test) => test.result().state === state).length;
}

function isBroken(group: TestModule | TestSuite): boolean {
  return group.errors().length > 0;
}

/** One line for each setting in which the official conformance suite was run. */
function officialCounts(tests: TestCase[]): string[] {
  const settings = Map.groupBy(tests, (test) => test.meta().officialConformance?.setting);
  settings.delete(undefined);
  return [...settings].map(([setting, scenarios]) => {
    const made = scenarios.filter((test) => !test.meta().officialConformance?.skipped);
    const checks = made.reduce((sum, test) => sum + (test.meta().officialConformance?.checks ?? 0), 0);
    const left = scenarios.length - made.length;
    return `official conformance suite, ${setting}: ${count(made, "passed")} of ${made.length} scenarios and ${checks} checks passed${left > 0 ? `, ${left} skipped by the suite` : ""}`;
  });
}

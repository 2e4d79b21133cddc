import type { Reporter, TestCase, TestModule, TestSuite } from "vitest/node";

/**
 * Makes `N passed, N failed` the last line of a run. A file that does not load, a hook that throws and an error that
 * nobody caught count as a failure each, so the numbers never look better than the exit code.
 */
export default class SummaryReporter implements Reporter {
  #passed = 0;
  #failed = 0;
  #skipped = 0;

  onInit(): void {
    process.once("exit", (code) => {
      const failed = code !== 0 && this.#failed === 0 ? 1 : this.#failed;
      const skipped = this.#skipped > 0 ? `, ${this.#skipped} skipped` : "";
      process.stdout.write(`${this.#passed} passed, ${failed} failed${skipped}\n`);
    });
  }

  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly unknown[]): void {
    const tests = modules.flatMap((module) => [...module.children.allTests()]);
    const groups = modules.flatMap((module) => [module, ...module.children.allSuites()]);
    this.#passed = count(tests, "passed");
    this.#failed = count(tests, "failed") + groups.filter(isBroken).length + unhandledErrors.length;
    this.#skipped = tests.length - this.#passed - count(tests, "failed");
  }
}

function count(tests: TestCase[], state: "passed" | "failed"): number {
  return tests.filter((test) => test.result().state === state).length;
}

function isBroken(group: TestModule | TestSuite): boolean {
  return group.errors().length > 0;
}

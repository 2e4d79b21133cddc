// The output of a failing case, for each way to run the suite.

import { describe, expect, test } from "vitest";
import { TIMEOUT_MS, useProject, vitest } from "./project.ts";

/**
 * A store with an endless `getTask` or a failing driver, and a program for each way to run the
 * suite.
 */
const project = useProject([
  [
    "harness.ts",
    `import { makeHarness } from "../../mutants/harness.ts";
    import { override } from "../../mutants/mutant.ts";

    const broken = {
      silent: () => new Promise(() => undefined),
      microtasks: async () => { for (;;) await null; },
      loop: () => { for (;;); },
    };
    export const harness = {
      ...makeHarness(undefined, 200),
      blockedMs: /microtasks|loop/.test(process.env.BROKEN) ? 1000 : undefined,
      async isolate() {
        const place = await makeHarness().isolate();
        if (process.env.BROKEN === "driver") await place.outage.begin();
        const getTask = broken[process.env.BROKEN];
        return { ...place, open: (options) => override(place.open(options), getTask ? { getTask } : {}) };
      },
    };`,
  ],
  [
    "program.ts",
    `import { runConformance } from "@mcp-task-store/core/conformance";
    import { harness } from "./harness.ts";

    const report = await runConformance(harness, { only: ["task-object/initial"] });
    for (const { id, contract, error } of report.cases) if (error) console.error(id + ": " + contract, error.message);
    process.exitCode = report.failed > 0 ? 1 : 0;`,
  ],
  ...["vitest", "node:test"].map((runner): [string, string] => [
    runner === "vitest" ? "suite.test.ts" : "suite.ts",
    `import { defineConformance } from "@mcp-task-store/core/conformance";
    import { describe, test } from "${runner}";
    import { harness } from "./harness.ts";

    defineConformance({ describe, test }, harness);`,
  ]),
]);

const doors = {
  vitest: [vitest, "run", "--root", ".", "-t", "task-object/initial", "suite.test.ts"],
  "node:test": ["--test", "--test-name-pattern=task-object/initial", "suite.ts"],
  "node:test as TAP": ["--test", "--test-reporter=tap", "--test-name-pattern=task-object/initial", "suite.ts"],
  "a program": ["program.ts"],
};

const SENTENCE = "task-object/initial: A new task is `working` and has exactly the wire fields.";

describe.each(Object.entries(doors))("by %s", (_, args) => {
  test.each(["silent", "microtasks", "loop"])(
    "a case that never ends fails under its own name: %s",
    { timeout: TIMEOUT_MS },
    async (broken) => {
      const { code, signal, stdout, stderr } = await project.node(args, { BROKEN: broken });
      expect({ code, signal }).not.toEqual({ code: 0, signal: null });
      expect(stdout + stderr).toContain(SENTENCE);
      expect(stdout + stderr).toMatch(
        broken === "silent" ? "The end of task-object/initial did not come" : "FAILED, because it does not end",
      );
    },
  );

  test("a failure carries the driver's error", { timeout: TIMEOUT_MS }, async () => {
    const { code, stdout, stderr } = await project.node(args, { BROKEN: "driver" });
    expect(code).toBe(1);
    expect(stdout + stderr).toContain(SENTENCE);
    expect(stdout + stderr).toContain("caused by Error: connect ECONNREFUSED");
  });
});

test("the error on an old Node.js names the version that is needed", { timeout: TIMEOUT_MS }, async () => {
  const old = "data:text/javascript,delete Promise.withResolvers; delete Map.groupBy";
  const { code, stderr } = await project.node(["--import", old, "program.ts"]);
  expect(code).toBe(1);
  expect(stderr).toContain("mcp-task-store needs Node 22.14 or newer: this is Node ");
});

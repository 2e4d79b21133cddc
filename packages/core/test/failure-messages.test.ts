// What the message of a failing case says.

import { runConformance } from "@mcp-task-store/core/conformance";
import { expect, test } from "vitest";
import { makeHarness } from "./mutants/harness.ts";
import { mutants } from "./mutants/index.ts";
import type { Mutant } from "./mutants/mutant.ts";

const messageOf = async (mutant: Mutant, id: string, patienceMs?: number) => {
  const report = await runConformance(makeHarness(mutant, patienceMs), { only: [id] });
  return report.cases[0]?.error?.message ?? "The case passed";
};
const broken = (store: Mutant["store"] & {}): Mutant => ({ id: "broken", breaks: "One call", kills: [], store });
const emptied = broken(() => ({ getTaskResult: async () => ({}) }));
const called = mutants.find(({ id }) => id === "stale-reads") as Mutant;

test("names the rule, the calls in their order, and what was seen", async () => {
  const message = await messageOf(called, "task-object/read-your-writes");
  const lines = message.split("\n").map((line) => line.trim());
  expect(lines.slice(0, 2)).toEqual(["task-object/read-your-writes: Every handle reads a write at once.", "Done:"]);
  expect(lines[2]).toMatch(
    /^1\. store 1\.createTask\(\{ ttl: 3600000 \}, 1, \{ method: 'tools\/call', params: \[Object\] \}\) → \{ taskId: '\w{8}…', status: 'working', /,
  );
  expect(lines[5]).toMatch(/^4\. store 2\.updateTaskStatus\('\w{8}…', 'input_required', '0'\) → undefined$/);
  expect(message).toMatch(/Seen: Expected values to be strictly equal:\n\nundefined !== '0'\n/);
});

test("says how a call failed, and which calls have no answer", async () => {
  const refusing = broken(() => ({ updateTaskStatus: () => Promise.reject(new Error("No\nroom")) }));
  expect(await messageOf(refusing, "states/progress")).toContain(", 'working', 'one') rejected: No room\n  Seen: No");
  const silent = broken(() => ({ updateTaskStatus: () => new Promise(() => undefined) }));
  expect(await messageOf(silent, "states/progress", 200)).toContain(", 'working', 'one') has not settled\n  Seen: ");
  const throwing = broken(() => ({
    updateTaskStatus: () => {
      throw new TypeError("Not here");
    },
  }));
  expect(await messageOf(throwing, "states/progress")).toContain(", 'working', 'one') threw: Not here\n  Seen: Not");
});

test("shows a call that was under way at the failure as it was then", async () => {
  const ignoring = broken(() => ({ cancelTask: async () => null as never }));
  const message = await messageOf(ignoring, "waiting/cancel-reaches-the-runner", 500);
  // The end of the store, after the failure, ended the wait.
  expect(message).toMatch(/store 1\.waitForTask\('\w{8}…'\) has not settled\n/);
  expect(message).toContain("Seen: What was waited for did not come within 500 ms");
});

test("has the processes and the clock", async () => {
  const forgetting = mutants.find(({ kills }) => kills.includes("processes/read-your-writes")) as Mutant;
  expect(await messageOf(forgetting, "processes/read-your-writes")).toMatch(
    /1\. process 1 opens a store\n +2\. process 1\.call\('createTask', \{ ttl: 3600000 \}, 1, /,
  );
  const immortal = mutants.find(({ kills }) => kills.some((id) => id.startsWith("expiry/"))) as Mutant;
  const expiry = immortal.kills.find((id) => id.startsWith("expiry/")) as string;
  expect(await messageOf(immortal, expiry, 500)).toMatch(/\d+\. \d+ ms pass\n/);
});

test("shows the first and the last calls of many, and no more than the beginning of a payload", async () => {
  const lifo = mutants.find(({ id }) => id === "lifo") as Mutant;
  const message = await messageOf(lifo, "messages/calls-keep-their-order");
  const steps = message.slice(message.indexOf("Done:"), message.indexOf("  Seen:")).trim().split(/\n */).slice(1);
  expect(steps[7]).toMatch(/^8\. /);
  expect(steps[8]).toMatch(/^\(\d+ more\)$/);
  expect(steps[20]).toMatch(/^141\. store 1\.messages\.dequeueAll\('t'\) → \[ /);
  expect(steps).toHaveLength(21);
  const large = await messageOf(emptied, "payloads/large");
  expect(large).toContain("  Seen: ");
  for (const line of large.slice(0, large.indexOf("  Seen:")).split("\n")) expect(line.length).toBeLessThan(300);
});

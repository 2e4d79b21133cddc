import { setTimeout as sleep } from "node:timers/promises";
import type { Result, TaskStore } from "@mcp-task-store/core";
import { inFlight, REQUEST } from "../lives.ts";
import { openStore, type Place } from "../places.ts";
import type { Comparison, Contestant, Scenario } from "../scenario.ts";

/** Enough that the reads do not all hit one row or key. */
const TASKS = 20;
const READS = { rate: { unit: "reads/s", better: "higher" } } as const;

export const statusReads: Scenario = {
  name: "status-reads",
  title: "status reads: getTask of completed tasks with results of 1 MB",
  notes: [
    `Each side reads ${TASKS} tasks of the same store in turn; they differ in their results alone: a text of 1 MB, or of 1 byte.`,
    "The goal is a ratio of 1, less what two runs of the same thing may differ by.",
  ],
  stores: ["memory", "sqlite", "postgres", "redis"],
  comparisons: (place) => [1, 16].map((most) => comparison(place, most)),
};

function comparison(place: Place, most: number): Comparison {
  return {
    title: `${most} in flight`,
    metrics: READS,
    leastOperations: most,
    async setUp(cleanUp) {
      const store = openStore(place, cleanUp);
      const large: string[] = [];
      const small: string[] = [];
      // Alternating and some time apart, so that they differ in nothing else. Times of the same
      // millisecond are formatted only once.
      for (let index = 0; index < TASKS; index += 1) {
        large.push(await completed(store, 1_000_000));
        await sleep(5);
        small.push(await completed(store, 1));
        await sleep(5);
      }
      return [reads("with 1 MB", store, large, most), { ...reads("with 1 byte", store, small, most), goal: 0.9 }];
    },
  };
}

function reads(name: string, store: TaskStore, taskIds: readonly string[], most: number): Contestant {
  let next = 0;
  return {
    name,
    run: (times) =>
      inFlight(most, times, async () => {
        next = (next + 1) % taskIds.length;
        const task = await store.getTask(taskIds[next] as string);
        if (task?.status !== "completed") throw new Error(`the task is ${task?.status}`);
      }),
  };
}

async function completed(store: TaskStore, length: number): Promise<string> {
  // Random text, because a database would compress a repeated letter to a few bytes.
  const text = Array.from({ length: Math.ceil(length / 8) }, () => Math.random().toString(36).slice(2, 10)).join("");
  const result: Result = { content: [{ type: "text", text: text.slice(0, length) }] };
  const { taskId } = await store.createTask({}, 1, REQUEST);
  await sleep(2);
  await store.storeTaskResult(taskId, "completed", result);
  return taskId;
}

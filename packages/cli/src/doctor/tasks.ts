import type { NameStats, StuckReason, TaskStore } from "@mcp-task-store/core";
import { count, durationText } from "../output/text.ts";
import { pagesOf } from "../tasks.ts";
import { type Checks, type Found, ok, warning } from "./finding.ts";

const SCAN = 10_000;
/** Longer than the time between two looks of a worker. */
const UNCLAIMED_MS = 60_000;

/** The checks of tasks, on any store. */
export function taskChecks(store: TaskStore, signal: AbortSignal): Checks {
  return {
    workers: async () => workersFinding((await store.operations.stats({ scan: SCAN })).names),
    stuck: () => stuck(store, signal),
  };
}

export function workersFinding(names: Readonly<Record<string, NameStats>>): Found | Found[] {
  const found = Object.entries(names).flatMap(([name, { claimable, running, oldestClaimableMs = 0, paused }]) => {
    const wait = `${count(claimable, "task")} of ${name} can be claimed`;
    if (paused) return [warning(`claims of ${name} are paused: ${wait}`, `mcp-tasks resume ${name}`)];
    if (claimable === 0 || oldestClaimableMs < UNCLAIMED_MS) return [];
    const late = `${wait}, the oldest for ${durationText(oldestClaimableMs)}`;
    if (running > 0)
      return [warning(`the workers of ${name} are behind: ${late}`, "start more workers, or raise their concurrency")];
    return [
      warning(
        `no worker runs tasks of ${name}: ${late}`,
        `start a process with a handler for ${name}, or cancel the tasks: mcp-tasks cancel --where name=${name}`,
      ),
    ];
  });
  return found.length > 0 ? found : ok("every claimable task finds a worker");
}

const REASONS: Readonly<Record<StuckReason, readonly [what: string, advice: string]>> = {
  overdue: ["no worker has taken", "see that workers run, and that their handlers have the tasks' names"],
  lost: ["the runner was lost, and no other has taken", "see in the history of mcp-tasks show which runners end"],
  waiting: [
    "a question is open for over an hour in",
    "answer or cancel: mcp-tasks list --where 'stuck status=input_required'",
  ],
};

async function stuck(store: TaskStore, signal: AbortSignal): Promise<Found | Found[]> {
  const counts = new Map<StuckReason, number>();
  for await (const { records } of pagesOf(store, { where: { stuck: true } }, SCAN, signal))
    for (const { stuck: reason } of records) if (reason) counts.set(reason, (counts.get(reason) ?? 0) + 1);
  const found = [...counts].map(([reason, number]) => {
    const [what, advice] = REASONS[reason];
    return warning(`${what} ${count(number, "task")}`, advice);
  });
  return found.length > 0 ? found : ok("no task is stuck");
}

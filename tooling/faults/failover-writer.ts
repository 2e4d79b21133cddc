// A process that creates tasks, moves them on and ends them, and tells its parent the outcome of
// each write. After a failed write it goes on with another task, as long as it is asked to.
import { setTimeout as sleep } from "node:timers/promises";
import { isTaskStoreError, type TaskStore, type TaskStoreError } from "@mcp-task-store/core";
import { openStore, type Reach } from "./failover-stores.ts";

export interface WriterOrder {
  readonly name: string;
  readonly reach: Reach;
  readonly lanes: number;
}

/** The outcome of one write. Times are of this machine's clock, in milliseconds. */
export interface Write {
  readonly taskId: string;
  readonly step: Step;
  readonly outcome: "acknowledged" | "unknown" | "not-applied";
  readonly startedAt: number;
  readonly endedAt: number;
  /** Why it failed. */
  readonly message?: string;
}

export type FailoverReport = { readonly write: Write } | { readonly wrong: string };

export const resultOf = (taskId: string) => ({ content: [{ type: "text", text: `The result of ${taskId}` }] });

/** The writes of a task, in their order. */
const STEPS = {
  create: (store: TaskStore, taskId: string) =>
    store.createTask({ taskId, ttl: null }, 1, { method: "tools/call", params: { name: "grind" } }),
  progress: (store: TaskStore, taskId: string) => store.updateTask(taskId, { statusMessage: "half" }),
  complete: (store: TaskStore, taskId: string) => store.storeTaskResult(taskId, "completed", resultOf(taskId)),
};
export type Step = keyof typeof STEPS;

/** Between two attempts while the database is away, as an application would wait. */
const PAUSE_MS = 20;

const now = () => performance.timeOrigin + performance.now();

async function main({ name, reach, lanes }: WriterOrder): Promise<void> {
  const store = await openStore(reach);
  let stopped = false;
  process.once("message", () => {
    stopped = true;
  });
  const report = (message: FailoverReport) =>
    new Promise<void>((resolve, reject) => {
      process.send?.(message, undefined, {}, (error) => (error ? reject(error) : resolve()));
    });
  const write = async (taskId: string, step: Step): Promise<boolean> => {
    const startedAt = now();
    const told = { taskId, step, startedAt };
    try {
      await STEPS[step](store, taskId);
      await report({ write: { ...told, outcome: "acknowledged", endedAt: now() } });
      return true;
    } catch (error) {
      // The failover has lost the task.
      const gone = isTaskStoreError(error, "TASK_NOT_FOUND");
      if (!gone && !isTaskStoreError(error, "BACKEND_UNAVAILABLE")) await report({ wrong: `${taskId}: ${error}` });
      else {
        const outcome = (gone ? undefined : (error as TaskStoreError).write) ?? "not-applied";
        const message = `${(error as Error).message} (${((error as Error).cause as Error | undefined)?.message})`;
        await report({ write: { ...told, outcome, endedAt: now(), message } });
      }
      await sleep(PAUSE_MS);
      return false;
    }
  };
  const lane = async (number: number): Promise<void> => {
    for (let count = 0; !stopped; count += 1) {
      const taskId = `${name}, lane ${number}, task ${count}`;
      for (const step of Object.keys(STEPS) as Step[]) if (stopped || !(await write(taskId, step))) break;
    }
  };
  await Promise.all(Array.from({ length: lanes }, (_, number) => lane(number)));
  await store.close();
  process.disconnect();
}

if (process.argv[1] === import.meta.filename) await main(JSON.parse(process.argv[2] as string));

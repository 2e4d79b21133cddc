/** The tools of the watched server. Each leads a task another way. */
import { setTimeout as sleep } from "node:timers/promises";
import type { RetryOptions, TaskContext, TaskHandlers, WorkerOptions } from "@mcp-task-store/core";
import type { TasksExtension } from "@mcp-task-store/server";
import type { CallToolResult, McpServer } from "@modelcontextprotocol/server";

/** A runner is lost again and again here, and no task may fail for it. */
export const WORKER: WorkerOptions = {
  concurrency: 10,
  claimPollMs: 250,
  leaseMs: 3000,
  maxAttempts: 100_000,
  onError: () => undefined,
};

/** A database that is away fails a handler's calls, and the handler runs again. */
const retry: RetryOptions = { limit: 1000, delayMs: 100, maxDelayMs: 1000 };

/** A task whose client never learned of it ends after this time. */
const UNKNOWN_MS = 60_000;

const QUESTION = {
  mode: "form",
  message: "Go on?",
  requestedSchema: { type: "object", properties: { yes: { type: "boolean" } } },
} as const;

/** About a kilobyte, so that a payload that stays is seen. */
const result = (): CallToolResult => ({ content: [{ type: "text", text: `done ${"x".repeat(1000)}` }] });

async function work(task: TaskContext): Promise<CallToolResult> {
  for (let done = 1; done <= 2; done += 1) {
    await sleep(10, undefined, { signal: task.signal });
    await task.progress(`${done} of 2`, { done });
  }
  return result();
}

/** The tools that only the worker process runs. */
export const workerHandlers: TaskHandlers = {
  there: { handler: work, retry },
  steps: {
    retry,
    handler: async (task) => {
      await task.step("first", () => "kept");
      await task.sleep("pause", 100);
      await task.step("second", () => "kept");
      return result();
    },
  },
};

/** @param inside Uses the store of the watched process directly. */
export function registerTools(tasks: TasksExtension, server: McpServer, inside: () => Promise<void>): void {
  const required = { task: "required", retry } as const;
  tasks.registerTool(server, "here", required, (_, task) => work(task));
  tasks.registerTool(server, "asks", required, async (_, task) => {
    await task.elicit(QUESTION, { timeoutMs: UNKNOWN_MS }).catch((error: Error) => {
      if (error.name !== "TimeoutError") throw error;
    });
    return result();
  });
  tasks.registerTool(server, "endless", required, (_, task) => sleep(UNKNOWN_MS, result(), { signal: task.signal }));
  tasks.registerTool(server, "again", required, (_, task) => {
    if (task.failures === 0) throw new Error("the first attempt fails");
    return result();
  });
  tasks.registerTool(server, "there", { ...required, runs: "worker", withoutTasks: "inline" });
  tasks.registerTool(server, "steps", { ...required, runs: "worker" });
  tasks.registerTool(server, "inside", { task: "never" }, async () => {
    await inside();
    return result();
  });
}

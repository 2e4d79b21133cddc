/** The life of a task as a server lives it with a requestor that polls, and how many of them there are at a time. */
import { randomBytes } from "node:crypto";
import type { Request, Result, Task } from "@mcp-task-store/core";

export type MaybePromise<T> = T | Promise<T>;

/** What a task is made of, whoever keeps it: a small tool call and a small result. */
export const REQUEST: Request = {
  method: "tools/call",
  params: { name: "render", arguments: { document: "reports/2026/annual.md", format: "pdf", pages: [1, 2, 3, 4] } },
};
export const RESULT: Result = {
  content: [{ type: "text", text: "The document was rendered: 4 pages, 183 kB, no warnings. ".repeat(4) }],
  structuredContent: { pages: 4, bytes: 187_392, warnings: [] },
};
export const PROGRESS = "3 of 4 pages are rendered";

/** Five calls, in this order; each has to see what the one before did. */
export interface Life {
  create(): MaybePromise<string>;
  progress(taskId: string): MaybePromise<unknown>;
  complete(taskId: string): MaybePromise<unknown>;
  get(taskId: string): MaybePromise<Task | null>;
  result(taskId: string): MaybePromise<unknown>;
}

/** What our stores and SDK 1.x's have in common. */
export interface SdkStore {
  createTask(options: { ttl?: number | null }, requestId: number, request: Request): Promise<Task>;
  updateTaskStatus(taskId: string, status: Task["status"], statusMessage?: string): Promise<void>;
  storeTaskResult(taskId: string, status: "completed" | "failed", result: Result): Promise<void>;
  getTask(taskId: string): Promise<Task | null>;
  getTaskResult(taskId: string): Promise<Result>;
}

export function lifeIn(store: SdkStore, ttl: number | null): Life {
  return {
    create: async () => (await store.createTask({ ttl }, 1, REQUEST)).taskId,
    progress: (taskId) => store.updateTaskStatus(taskId, "working", PROGRESS),
    complete: (taskId) => store.storeTaskResult(taskId, "completed", RESULT),
    get: (taskId) => store.getTask(taskId),
    result: (taskId) => store.getTaskResult(taskId),
  };
}

export async function live(life: Life): Promise<void> {
  const taskId = await life.create();
  await life.progress(taskId);
  await life.complete(taskId);
  const task = await life.get(taskId);
  if (task?.status !== "completed") throw new Error(`the task is ${task?.status}`);
  if ((await life.result(taskId)) === undefined) throw new Error("the task has no result");
}

/** So many tasks, of which so many live at the same time. */
export async function inFlight(most: number, tasks: number, one: () => Promise<unknown>): Promise<void> {
  let left = tasks;
  const loop = async () => {
    while (left > 0) {
      left -= 1;
      await one();
    }
  };
  await Promise.all(Array.from({ length: Math.min(most, tasks) }, loop));
}

/** So many workers, which take the next task while the outcome of the last one is being stored. */
export async function work(workers: number, tasks: number, take: () => Promise<() => Promise<unknown>>): Promise<void> {
  let left = tasks;
  const loop = async () => {
    let stored: Promise<unknown> = Promise.resolve();
    while (left > 0) {
      left -= 1;
      const [complete] = await Promise.all([take(), stored]);
      stored = complete();
    }
    await stored;
  };
  await Promise.all(Array.from({ length: workers }, loop));
}

/** Ids of those who write their own: as hard to guess as ours. */
export function newTaskId(): string {
  return randomBytes(16).toString("hex");
}

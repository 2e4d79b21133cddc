/** The lifecycle of a task whose requestor polls, and loops that keep many in flight. */
import { randomBytes } from "node:crypto";
import type { Request, Result, Task } from "@mcp-task-store/core";

export type MaybePromise<T> = T | Promise<T>;

/** The payloads of a task, for every contestant: a small tool call and a small result. */
export const REQUEST: Request = {
  method: "tools/call",
  params: { name: "render", arguments: { document: "reports/2026/annual.md", format: "pdf", pages: [1, 2, 3, 4] } },
};
export const RESULT: Result = {
  content: [{ type: "text", text: "The document was rendered: 4 pages, 183 kB, no warnings. ".repeat(4) }],
  structuredContent: { pages: 4, bytes: 187_392, warnings: [] },
};
export const PROGRESS = "3 of 4 pages are rendered";

/** Five calls, in this order. Each must see the effect of the one before. */
export interface Life {
  create(): MaybePromise<string>;
  progress(taskId: string): MaybePromise<unknown>;
  complete(taskId: string): MaybePromise<unknown>;
  get(taskId: string): MaybePromise<Task | null>;
  result(taskId: string): MaybePromise<unknown>;
}

/** The methods that our stores share with SDK 1.x's. */
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

/** Runs this many lifecycles, with so many in flight at a time. */
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

/** Workers that take the next task while the last outcome is being stored. */
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

/** Checks that each of so many tasks is handed to a worker once. */
export class HandedOut {
  readonly #ids: string[] = [];
  #expected = 0;

  begin(expected: number): void {
    this.#ids.length = 0;
    this.#expected = expected;
  }

  add(...ids: readonly string[]): void {
    this.#ids.push(...ids);
  }

  get all(): boolean {
    return this.#ids.length === this.#expected;
  }

  /** @throws Error if one was handed out twice, or one was not */
  check(): void {
    if (new Set(this.#ids).size !== this.#ids.length) throw new Error("a task was handed out twice");
    if (!this.all) throw new Error(`${this.#ids.length} of ${this.#expected} tasks were handed out`);
  }
}

/** Ids for contestants that have none of their own, with as many random bits as ours. */
export function newTaskId(): string {
  return randomBytes(16).toString("hex");
}

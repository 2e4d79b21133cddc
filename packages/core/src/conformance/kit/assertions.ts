import assert from "node:assert/strict";
import type { TaskStoreError, TaskStoreErrorCode } from "../../contract/errors.ts";
import type { QueuedMessage } from "../../contract/messages.ts";
import type { ExportedTask } from "../../contract/operations.ts";
import type { CreateTaskOptions } from "../../contract/options.ts";
import { ANY_OWNER } from "../../contract/owner.ts";
import type { Lease, TaskRecord, TaskSnapshot } from "../../contract/record.ts";
import type { Request, Task, TaskStatus } from "../../contract/task.ts";
import type { TaskStore } from "../../contract/task-store.ts";
import { quiet } from "./quiet.ts";
import type { Settled } from "./remote-store.ts";

/** A tool call. Claims find the task by the tool's name. */
export const REQUEST: Request = { method: "tools/call", params: { name: "grind", arguments: { grain: "rye" } } };
export const RESULT = { content: [{ type: "text", text: "flour" }] };
export const QUESTION = { method: "elicitation/create", params: { message: "How fine?" } };
export const TERMINAL: readonly TaskStatus[] = ["completed", "failed", "cancelled"];

/** Long enough that nothing expires by accident, however slow the machine. */
export const LONG = 3_600_000;

export function createTask(store: TaskStore, options: CreateTaskOptions = {}, sessionId?: string): Promise<Task> {
  return store.createTask({ ttl: LONG, ...options }, 1, REQUEST, sessionId);
}

/** The id of a new task. */
export async function newTask(store: TaskStore, options: CreateTaskOptions = {}, sessionId?: string): Promise<string> {
  return (await createTask(store, options, sessionId)).taskId;
}

/** Makes a task that ended in this status, with a result unless it was cancelled. */
export async function endedTask(
  store: TaskStore,
  status: TaskStatus,
  options: CreateTaskOptions = {},
): Promise<string> {
  const taskId = await newTask(store, options);
  if (status === "completed" || status === "failed") await store.storeTaskResult(taskId, status, RESULT);
  else await store.cancelTask(taskId);
  return taskId;
}

/**
 * Makes a task under a lease that outlasts its ttl, so that the task does not expire during a slow
 * case.
 */
export async function heldTask(store: TaskStore, options: CreateTaskOptions): Promise<Lease> {
  return store.acquireLease(await newTask(store, options), { leaseMs: LONG });
}

/** The whole record of a task, which has to exist. */
export async function recordOf(store: TaskStore, taskId: string): Promise<TaskRecord> {
  const record = await store.getRecord(taskId, { owner: ANY_OWNER });
  assert(record, "The task is not there");
  return record;
}

/** The part of a record that a snapshot has. */
export function snapshotOf({ task, revision }: TaskSnapshot): TaskSnapshot {
  return { task, revision };
}

export async function statusOf(store: TaskStore, taskId: string): Promise<TaskStatus> {
  return (await recordOf(store, taskId)).task.status;
}

/** The error of a call, which has to reject. */
export function reasonOf(call: Promise<unknown>): Promise<unknown> {
  return call.then(
    () => assert.fail("The call succeeded"),
    (reason: unknown) => reason,
  );
}

/** The error of a call, which has to reject with this code. */
export function refused(call: Promise<unknown>, code: TaskStoreErrorCode): Promise<TaskStoreError> {
  return quiet(refusal(call, code));
}

async function refusal(call: Promise<unknown>, code: TaskStoreErrorCode): Promise<TaskStoreError> {
  const error = await call.then(
    () => assert.fail(`Expected ${code}, but the call succeeded`),
    (reason: unknown) => reason,
  );
  return assertCode(error, code);
}

export function assertCode(error: unknown, code: TaskStoreErrorCode): TaskStoreError {
  const found = error as TaskStoreError;
  if (found?.name !== "TaskStoreError" || found.code !== code)
    throw Object.assign(
      new assert.AssertionError({
        message: `Expected a TaskStoreError ${code}, got ${found?.stack ?? String(found)}`,
        actual: found?.code,
        expected: code,
        operator: "refused",
      }),
      { cause: found?.cause },
    );
  return found;
}

/** The values of the calls that succeeded. All others have to reject with this code. */
export function winners<T>(outcomes: readonly Settled<T>[], code: TaskStoreErrorCode): T[] {
  for (const { error } of outcomes) if (error) assertCode(error, code);
  return outcomes.flatMap((outcome) => (outcome.error ? [] : [outcome.value as T]));
}

/** The outcomes of all calls, once they have settled. */
export async function outcomes<T>(calls: readonly Promise<T>[]): Promise<Settled<T>[]>;
export async function outcomes(calls: readonly Promise<unknown>[]): Promise<Settled[]>;
export async function outcomes(calls: readonly Promise<unknown>[]): Promise<Settled[]> {
  const settled = await Promise.allSettled(calls);
  return settled.map((each) => (each.status === "fulfilled" ? { value: each.value } : { error: each.reason }));
}

/**
 * Resolves when earlier waits for this task have read it, so that the next thing they see is a
 * change.
 */
export async function begun(store: TaskStore, taskId: string): Promise<void> {
  for (const _ of range(3)) {
    await store.waitForTask(taskId, { until: "change", owner: ANY_OWNER });
    await store.getRecord(taskId, { owner: ANY_OWNER });
  }
}

/** The ids of all tasks, by walking the pages. */
export async function walk(store: TaskStore, sessionId?: string): Promise<string[]> {
  const ids: string[] = [];
  let cursor: string | undefined;
  do {
    const page = await store.listTasks(cursor, sessionId);
    ids.push(...page.tasks.map((task) => task.taskId));
    cursor = page.nextCursor;
    assert(ids.length < 10_000, "The walk does not end");
  } while (cursor !== undefined);
  return ids;
}

/** A message with its own number. */
export function message(id: number, text = "Well?"): QueuedMessage {
  return {
    type: "request",
    message: { jsonrpc: "2.0", id, method: "elicitation/create", params: { message: text } },
    timestamp: 1_700_000_000_000 + id,
  };
}

export function idOf(queued: QueuedMessage | undefined): unknown {
  return queued && "id" in queued.message ? queued.message.id : undefined;
}

/** The numbers from 0 to `count` - 1. */
export function range(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index);
}

/** Resolves to `undefined` if the backend lacks the method, which its store says. */
export async function ifSupported<T>(call: Promise<T>): Promise<{ value: T } | undefined> {
  try {
    return { value: await call };
  } catch (error) {
    if ((error as { code?: unknown }).code === "NOT_SUPPORTED") return undefined;
    throw error;
  }
}

export async function exported(store: TaskStore): Promise<ExportedTask[]> {
  const tasks: ExportedTask[] = [];
  for await (const task of store.operations.exportTasks()) tasks.push(task);
  return tasks;
}

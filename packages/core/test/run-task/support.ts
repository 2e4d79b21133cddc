import {
  ANY_OWNER,
  type CreateTaskOptions,
  type Result,
  type RunOutcome,
  type RunTaskOptions,
  runTask,
  type TaskContext,
  type TaskHandler,
  type TaskRecord,
  type TaskStore,
} from "@mcp-task-store/core";
import { type Handles, useHandles } from "../../../../tooling/test/fixtures/handles.ts";
import { type StoreKind, withMethods } from "../../../../tooling/test/fixtures/stores.ts";

export const DONE: Result = { content: [{ type: "text", text: "done" }] };

/** The first handle belongs to the runner. */
export interface Scene extends Handles {
  newTask(options?: CreateTaskOptions): Promise<string>;
  record(taskId: string): Promise<TaskRecord>;
  /** Starts a run, and resolves once its handler runs. */
  start(
    taskId: string,
    handler: TaskHandler,
    options?: RunTaskOptions,
    runner?: TaskStore,
  ): Promise<{ task: TaskContext; outcome: Promise<RunOutcome> }>;
  /** A runner whose heartbeats are blocked, so that others take it for dead. */
  stalled(): { runner: TaskStore; resume: () => void };
}

export function useScene(kind: StoreKind): Scene {
  const handles = useHandles(kind);
  return Object.assign(handles, {
    async newTask(options?: CreateTaskOptions) {
      const request = { method: "tools/call", params: { name: "work", arguments: { input: "a" } } };
      return (await handles.store.createTask({ ttl: 60_000, ...options }, 1, request)).taskId;
    },
    async record(taskId: string) {
      return (await handles.other.getRecord(taskId, { owner: ANY_OWNER })) as TaskRecord;
    },
    async start(taskId: string, handler: TaskHandler, options?: RunTaskOptions, runner = handles.store) {
      const started = Promise.withResolvers<TaskContext>();
      const outcome = runTask(
        runner,
        taskId,
        (task) => {
          started.resolve(task);
          return handler(task);
        },
        options,
      );
      outcome.catch(started.reject);
      return { task: await started.promise, outcome };
    },
    stalled() {
      const { promise, resolve } = Promise.withResolvers<void>();
      const renewLease: TaskStore["renewLease"] = (lease) => promise.then(() => handles.store.renewLease(lease));
      return { runner: withMethods(handles.store, { renewLease }), resume: () => resolve() };
    },
  });
}

/** A handler that ends on the test's command. */
export function held(): { handler: TaskHandler; finish: (result: Result) => void; fail: (error: unknown) => void } {
  const { promise, resolve, reject } = Promise.withResolvers<Result>();
  return { handler: () => promise, finish: resolve, fail: reject };
}

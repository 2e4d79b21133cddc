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
import { afterEach, beforeEach } from "vitest";
import { type Place, type StoreKind, withMethods } from "../fixtures/stores.ts";

export const DONE: Result = { content: [{ type: "text", text: "done" }] };

/** What each test has: a place for tasks, and two handles on it. */
export interface Scene {
  readonly place: Place;
  /** The runner's handle. */
  readonly store: TaskStore;
  /** As if in another process. */
  readonly other: TaskStore;
  newTask(options?: CreateTaskOptions): Promise<string>;
  record(taskId: string): Promise<TaskRecord>;
  /** Starts a run, and resolves as soon as its handler runs. */
  start(
    taskId: string,
    handler: TaskHandler,
    options?: RunTaskOptions,
    runner?: TaskStore,
  ): Promise<{ task: TaskContext; outcome: Promise<RunOutcome> }>;
  /** A runner whose heartbeats do not get through: to others it looks dead. */
  stalled(): { runner: TaskStore; resume: () => void };
}

export function useScene({ usePlaces }: StoreKind): Scene {
  const newPlace = usePlaces();
  let place: Place;
  let store: TaskStore;
  let other: TaskStore;

  beforeEach(async () => {
    place = await newPlace();
    store = place.open();
    other = place.open();
  });
  afterEach(() => place[Symbol.asyncDispose]());

  return {
    get place() {
      return place;
    },
    get store() {
      return store;
    },
    get other() {
      return other;
    },
    async newTask(options) {
      const request = { method: "tools/call", params: { name: "work", arguments: { input: "a" } } };
      return (await store.createTask({ ttl: 60_000, ...options }, 1, request)).taskId;
    },
    async record(taskId) {
      return (await other.getRecord(taskId, { owner: ANY_OWNER })) as TaskRecord;
    },
    async start(taskId, handler, options, runner = store) {
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
      const renewLease: TaskStore["renewLease"] = (lease) => promise.then(() => store.renewLease(lease));
      return { runner: withMethods(store, { renewLease }), resume: () => resolve() };
    },
  };
}

/** A handler that ends as the test says. */
export function held(): { handler: TaskHandler; finish: (result: Result) => void; fail: (error: unknown) => void } {
  const { promise, resolve, reject } = Promise.withResolvers<Result>();
  return { handler: () => promise, finish: resolve, fail: reject };
}

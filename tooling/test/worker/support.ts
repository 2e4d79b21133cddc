import {
  type CreateTaskOptions,
  startWorker,
  type TaskHandler,
  type TaskStore,
  type TaskWorker,
  type WorkerOptions,
} from "@mcp-task-store/core";
import { afterEach, beforeEach } from "vitest";
import type { Place, StoreKind } from "../fixtures/stores.ts";

/** A poll that never comes: what happens, happens because of a signal. */
export const NEVER = 2 ** 31 - 1;

/** What each test has: a place for tasks, two handles on it, and workers that are stopped at the end. */
export interface Scene {
  readonly place: Place;
  readonly store: TaskStore;
  readonly other: TaskStore;
  start(handlers: Record<string, TaskHandler>, options?: WorkerOptions, on?: TaskStore): TaskWorker;
}

export function useScene({ usePlaces }: StoreKind): Scene {
  const newPlace = usePlaces();
  let place: Place;
  let store: TaskStore;
  let other: TaskStore;
  const workers: TaskWorker[] = [];

  beforeEach(async () => {
    place = await newPlace();
    store = place.open();
    other = place.open();
  });
  afterEach(async () => {
    await Promise.all(workers.splice(0).map((worker) => worker.stop()));
    await place[Symbol.asyncDispose]();
  });

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
    start(handlers, options, on = store) {
      const worker = startWorker(on, handlers, options);
      workers.push(worker);
      return worker;
    },
  };
}

export async function newTask(store: TaskStore, options: CreateTaskOptions = {}, name = "work"): Promise<string> {
  const request = { method: "tools/call", params: { name } };
  return (await store.createTask({ ttl: 60_000, claimAfterMs: 0, ...options }, 1, request)).taskId;
}

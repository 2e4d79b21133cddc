import {
  type CreateTaskOptions,
  startWorker,
  type TaskHandlers,
  type TaskStore,
  type TaskWorker,
  type WorkerOptions,
} from "@mcp-task-store/core";
import { afterEach } from "vitest";
import { type Handles, useHandles } from "../../../../tooling/test/fixtures/handles.ts";
import type { StoreKind } from "../../../../tooling/test/fixtures/stores.ts";

/** A poll interval that never passes, so every event of these tests comes from a signal. */
export const NEVER = 2 ** 31 - 1;

/** Adds workers that stop at the end of the test. */
export interface Scene extends Handles {
  start(handlers: TaskHandlers, options?: WorkerOptions, on?: TaskStore): TaskWorker;
}

export function useScene(kind: StoreKind): Scene {
  const handles = useHandles(kind);
  const workers: TaskWorker[] = [];
  afterEach(async () => void (await Promise.all(workers.splice(0).map((worker) => worker.stop()))));
  return Object.assign(handles, {
    start(handlers: TaskHandlers, options?: WorkerOptions, on = handles.store) {
      const worker = startWorker(on, handlers, options);
      workers.push(worker);
      return worker;
    },
  });
}

export async function newTask(store: TaskStore, options: CreateTaskOptions = {}, name = "work"): Promise<string> {
  const request = { method: "tools/call", params: { name } };
  return (await store.createTask({ ttl: 60_000, claimAfterMs: 0, ...options }, 1, request)).taskId;
}

import {
  type CreateTaskOptions,
  startWorker,
  type TaskHandler,
  type TaskStore,
  type TaskWorker,
  type WorkerOptions,
} from "@mcp-task-store/core";
import { afterEach } from "vitest";
import { type Handles, useHandles } from "../fixtures/handles.ts";
import type { StoreKind } from "../fixtures/stores.ts";

/** A poll that never comes: what happens, happens because of a signal. */
export const NEVER = 2 ** 31 - 1;

/** And workers that are stopped at the end. */
export interface Scene extends Handles {
  start(handlers: Record<string, TaskHandler>, options?: WorkerOptions, on?: TaskStore): TaskWorker;
}

export function useScene(kind: StoreKind): Scene {
  const handles = useHandles(kind);
  const workers: TaskWorker[] = [];
  afterEach(async () => void (await Promise.all(workers.splice(0).map((worker) => worker.stop()))));
  return Object.assign(handles, {
    start(handlers: Record<string, TaskHandler>, options?: WorkerOptions, on = handles.store) {
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

import {
  ANY_OWNER,
  type FollowedTask,
  type PollerOptions,
  type RemoteOutcome,
  type RemoteTask,
  startPoller,
  type TaskPoller,
  type TaskRecord,
  type TaskStore,
} from "@mcp-task-store/core";
import { afterEach, beforeEach, vi } from "vitest";
import { RemoteTasks } from "../../../../tooling/test/fixtures/remote-tasks.ts";
import { MemoryTaskStore, type MemoryTaskStoreOptions } from "../../../../tooling/test/fixtures/stores.ts";

export const A = { taskId: "a" };
export const DONE = { content: [{ type: "text", text: "done" }] };
export const NEVER = 2 ** 31 - 1;
export const unreachable = () => Object.assign(new Error("connect ECONNREFUSED"), { code: "ECONNREFUSED" });

/**
 * A remote, a store, pollers that stop at the end of the test, and the calls of their callbacks.
 */
export interface Scene {
  readonly remote: RemoteTasks;
  readonly store: TaskStore;
  readonly errors: { error: unknown; task: FollowedTask | undefined }[];
  readonly changes: RemoteTask[];
  readonly ends: RemoteOutcome[];
  readonly stalls: { at: number; task: FollowedTask }[];
  /** Replaces the store by an empty one with these options. */
  reopen(options: MemoryTaskStoreOptions): Promise<void>;
  start(options?: Partial<PollerOptions>, on?: TaskStore): TaskPoller;
  record(taskId: string): Promise<TaskRecord | null>;
}

/** Fake timers and clocks: an event due in an hour comes at once, at its exact time. */
export function useScene(): Scene {
  let remote: RemoteTasks;
  let store: TaskStore;
  const told: Pick<Scene, "errors" | "changes" | "ends" | "stalls"> = { errors: [], changes: [], ends: [], stalls: [] };
  const pollers: TaskPoller[] = [];
  const open = (options?: MemoryTaskStoreOptions) =>
    new MemoryTaskStore({ sweepIntervalMs: false, fallbackPollMs: NEVER, ...options });

  beforeEach(() => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "Date", "performance"] });
    remote = new RemoteTasks();
    store = open();
    for (const list of Object.values(told)) list.length = 0;
  });
  afterEach(async () => {
    await Promise.all(pollers.splice(0).map((poller) => poller.stop()));
    await store.close();
    vi.restoreAllMocks();
    vi.useRealTimers();
  });

  return {
    get remote() {
      return remote;
    },
    get store() {
      return store;
    },
    ...told,
    async reopen(options) {
      await store.close();
      store = open(options);
    },
    start(options, on = store) {
      const startedAt = performance.now();
      const poller = startPoller(on, {
        poll: remote.poll,
        onError: (error, task) => told.errors.push({ error, task }),
        onChange: (_, state) => told.changes.push(state),
        onEnd: (_, outcome) => told.ends.push(outcome),
        onStalled: (task) => told.stalls.push({ at: performance.now() - startedAt, task }),
        idleIntervalMs: 0,
        ...options,
      });
      pollers.push(poller);
      return poller;
    },
    record: (taskId) => store.getRecord(taskId, { owner: ANY_OWNER }),
  };
}

export const advance = (ms: number) => vi.advanceTimersByTimeAsync(ms);

/** The store with a hook before each call. */
export function intercepted(on: TaskStore, intercept: (method: string) => void): TaskStore {
  return new Proxy(on, {
    get(target, key) {
      const value: unknown = Reflect.get(target, key, target);
      if (typeof value !== "function") return value;
      return async (...args: unknown[]) => {
        intercept(String(key));
        return Reflect.apply(value, target, args);
      };
    },
  });
}

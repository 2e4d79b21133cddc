import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface, type Interface } from "node:readline";
import { fileURLToPath } from "node:url";
import {
  type CreateTaskOptions,
  DurableTaskStore,
  startWorker,
  type TaskBackend,
  type TaskStore,
  type TaskStoreError,
} from "@mcp-task-store/core";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { durableStores, type Place, stores } from "./fixtures/stores.ts";

async function newTask(store: TaskStore, options: CreateTaskOptions = {}): Promise<string> {
  const request = { method: "tools/call", params: { name: "work" } };
  return (await store.createTask({ ttl: 60_000, claimAfterMs: 0, ...options }, 1, request)).taskId;
}

describe("a backend that fails for a while", () => {
  /** The backend, with a switch: while it is off, every call fails as one on a lost connection does. */
  function switched(backend: TaskBackend): { backend: TaskBackend; turn: (on: boolean) => void } {
    let up = true;
    const proxy = new Proxy(backend, {
      get(target, key) {
        const value: unknown = Reflect.get(target, key, target);
        if (typeof value !== "function") return value;
        if (up || key === "close") return value.bind(target);
        return () => Promise.reject(new Error("connect ECONNREFUSED 10.0.0.7:5432"));
      },
    });
    return {
      backend: proxy,
      turn(on) {
        up = on;
      },
    };
  }

  describe.each(stores)("over $name", ({ usePlaces }) => {
    const newPlace = usePlaces();

    test.each(["before it", "during it"])("does not end a worker that was started %s", async (when) => {
      await using place = await newPlace();
      const { backend, turn } = switched(place.openBackend());
      const options = { sweepIntervalMs: false, fallbackPollMs: 5, onError: () => undefined } as const;
      const store = new DurableTaskStore(backend, options);
      const errors: TaskStoreError[] = [];
      let failed = Promise.withResolvers<void>();
      const onError = (error: TaskStoreError) => {
        errors.push(error);
        failed.resolve();
      };
      if (when === "during it") turn(false);
      const worker = startWorker(store, { work: ({ attempt }) => ({ attempt }) }, { pollMs: 5, onError });
      try {
        if (when === "before it") await store.waitForResult(await newTask(store));
        turn(false);
        failed = Promise.withResolvers();
        await failed.promise;
        turn(true);
        expect(await store.waitForResult(await newTask(store))).toEqual({ attempt: 1 });
        for (const error of errors) {
          expect(error).toMatchObject({ name: "TaskStoreError", code: "BACKEND_UNAVAILABLE" });
          expect(error.message).not.toMatch(/ECONNREFUSED|10\.0\.0\.7/);
        }
      } finally {
        await worker.stop();
        await store.close();
      }
    });
  });
});

describe.each(durableStores)("a runner in another process, over $name,", ({ usePlaces }) => {
  const newPlace = usePlaces();
  let place: Place;
  let store: TaskStore;
  const children: ChildProcess[] = [];

  beforeEach(async () => {
    place = await newPlace();
    store = place.open();
  });
  afterEach(async () => {
    for (const child of children.splice(0)) child.kill("SIGKILL");
    await place[Symbol.asyncDispose]();
  });

  /** Starts the process, and resolves when it is half-way through the task. */
  async function runElsewhere(taskId: string, leaseMs: number): Promise<{ child: ChildProcess; lines: Interface }> {
    const program = fileURLToPath(new URL("fixtures/runner-process.ts", import.meta.url));
    const args = [program, JSON.stringify(place.address), taskId, String(leaseMs)];
    const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
    children.push(child);
    const lines = createInterface({ input: child.stdout });
    const [line] = await once(lines, "line");
    expect(JSON.parse(line)).toMatchObject({ taskId, status: "working", statusMessage: "half-way" });
    return { child, lines };
  }

  test("that was killed is replaced by a worker, which goes on where it was", async () => {
    const taskId = await newTask(store, { claimAfterMs: 30_000 });
    const { child } = await runElsewhere(taskId, 300);
    const worker = startWorker(store, { work: ({ attempt, checkpoint }) => ({ attempt, checkpoint }) }, { pollMs: 10 });
    try {
      child.kill("SIGKILL");
      await once(child, "exit");
      expect(await store.waitForResult(taskId)).toEqual({
        attempt: 2,
        checkpoint: { half: true, attempt: 1, pid: child.pid },
      });
    } finally {
      await worker.stop();
    }
  });

  test("that lives is left alone, and sees the cancellation", async () => {
    const taskId = await newTask(store, { claimAfterMs: 30_000 });
    const { child, lines } = await runElsewhere(taskId, 30_000);
    expect(await store.claimTask({ names: ["work"] })).toBeNull();
    const ended = Promise.all([once(lines, "line"), once(child, "exit")]);
    await store.cancelTask(taskId);
    const [[line], [exitCode]] = await ended;
    expect(JSON.parse(line)).toEqual({ stored: false, status: "cancelled" });
    expect(exitCode).toBe(0);
  });
});

import { startWorker, type TaskStoreError } from "@mcp-task-store/core";
import { DurableTaskStore, type TaskBackend } from "@mcp-task-store/core/backend";
import { describe, expect, test } from "vitest";
import { stores } from "../../../../tooling/test/fixtures/stores.ts";
import { newTask } from "./support.ts";

describe("an outage of the backend", () => {
  /** A backend with a switch. While it is off, every call fails like one on a lost connection. */
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

    test.each(["before it", "during it"])("does not stop a worker that started %s", async (when) => {
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
      const worker = startWorker(store, { work: ({ attempt }) => ({ attempt }) }, { claimPollMs: 5, onError });
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

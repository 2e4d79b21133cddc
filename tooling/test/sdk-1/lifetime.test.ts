import { startWorker, type TaskStoreOptions } from "@mcp-task-store/core";
import { describe, expect, test } from "vitest";
import { aborted, rejection } from "../fixtures/events.ts";
import { call, cancel, DONE, get, held, list, result, useScene } from "../fixtures/sdk-1-scene.ts";
import { currentUser } from "../fixtures/sdk-1-server.ts";
import { stores } from "../fixtures/stores.ts";

describe.each(stores)("The life of tasks of SDK 1.x over $name", (kind) => {
  const scene = useScene(kind);

  describe("expiry", () => {
    test("an ended task is gone after its ttl, for every method", async () => {
      const client = await (await scene.start({ work: () => DONE })).connect();
      const { taskId } = (await call(client, "work", {}, 10_000)).task;
      await result(client, taskId);
      await scene.place.skip(5_000);
      expect(await result(client, taskId)).toMatchObject(DONE);
      await scene.place.skip(5_001);
      for (const attempt of [get, result, cancel])
        expect(await rejection(attempt(client, taskId))).toMatchObject({
          code: -32602,
          message: expect.stringMatching(/not found/i),
        });
      expect(await list(client)).toMatchObject({ tasks: [] });
    });

    test("a client that waits for a task gets an error when it expires", async () => {
      const client = await (
        await scene.start(
          {},
          {
            prepare: (mcp) =>
              mcp.experimental.tasks.registerToolTask(
                "orphan",
                {},
                {
                  createTask: async (extra) => ({ task: await extra.taskStore.createTask({ ttl: 10_000 }) }),
                  getTask: (extra) => extra.taskStore.getTask(extra.taskId),
                  getTaskResult: async () => ({ content: [] }),
                },
              ),
          },
        )
      ).connect();
      const { taskId } = (await call(client, "orphan")).task;
      const pending = rejection(result(client, taskId));
      expect(await get(client, taskId)).toMatchObject({ status: "working" });
      await scene.place.skip(10_001);
      expect(await pending).toMatchObject({ code: -32602, message: expect.stringContaining("not found") });
    });

    test("a task whose runner is alive outlives its ttl", async () => {
      const { work, finish, signal } = held();
      const client = await (await scene.start({ work })).connect();
      const { taskId } = (await call(client, "work", {}, 10_000)).task;
      await signal;
      await scene.place.skip(20_000);
      expect(await get(client, taskId)).toMatchObject({ status: "working", ttl: 10_000 });
      finish(DONE);
      expect(await result(client, taskId)).toMatchObject(DONE);
    });
  });

  test("the SDK may clear a queue after the store was closed", async () => {
    await scene.store.createTask({ taskId: "a" }, 1, { method: "tools/call" });
    await scene.store.close();
    // After a result, the SDK clears the queue without waiting. The place's disposal fails on a
    // reported failure.
    expect(await scene.store.messages.dequeueAll("a")).toEqual([]);
  });

  describe("a server that is replaced", () => {
    const byUser: TaskStoreOptions = { owner: () => currentUser.getStore(), isolation: "strict" };

    test("leaves its results to the next server", async () => {
      scene.reopen(byUser);
      const first = await scene.start({ work: () => DONE });
      const { taskId } = (await call(await first.connect({ user: "ann" }))).task;
      await first.runs.get(taskId);
      await first[Symbol.asyncDispose]();
      await scene.store.close();

      scene.reopen(byUser);
      const second = await scene.start({ work: () => DONE });
      expect(await result(await second.connect({ user: "ann" }), taskId)).toMatchObject(DONE);
    });

    test("leaves its work to the next server, which continues from the checkpoint", async () => {
      const firstStore = scene.reopen(byUser);
      const saved = Promise.withResolvers<void>();
      const first = await scene.start({
        async work({ progress, signal }) {
          await progress("1 of 2", { done: 1 });
          saved.resolve();
          throw await aborted(signal);
        },
      });
      const { taskId } = (await call(await first.connect({ user: "ann" }))).task;
      await saved.promise;
      await first[Symbol.asyncDispose]();
      await firstStore.close();

      scene.reopen(byUser);
      const second = await scene.start({});
      const client = await second.connect({ user: "ann" });
      const pending = result(client, taskId);
      expect(await get(client, taskId)).toMatchObject({ status: "working", statusMessage: "1 of 2" });
      await using _worker = startWorker(scene.store, {
        work: ({ attempt, checkpoint }) => ({ content: [], structuredContent: { attempt, checkpoint } }),
      });
      expect(await pending).toMatchObject({ structuredContent: { attempt: 1, checkpoint: { done: 1 } } });
    });

    test("can run beside the next server, and either serves or cancels the task", async () => {
      scene.reopen(byUser);
      const { work, finish, signal } = held();
      const first = await scene.start({ work });
      const here = await first.connect({ user: "ann" });
      const { taskId } = (await call(here)).task;
      const started = await signal;

      scene.reopen(byUser);
      const second = await scene.start({});
      const there = await second.connect({ user: "ann" });
      expect(await get(there, taskId)).toMatchObject({ status: "working" });
      expect(await cancel(there, taskId)).toMatchObject({ status: "cancelled" });
      await aborted(started);
      finish(DONE);
      expect(await first.runs.get(taskId)).toMatchObject({ stored: false });
      expect(await get(here, taskId)).toMatchObject({ status: "cancelled" });
    });
  });
});

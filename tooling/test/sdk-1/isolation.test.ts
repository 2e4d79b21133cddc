import type { TaskStoreOptions } from "@mcp-task-store/core";
import type { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { describe, expect, test } from "vitest";
import { rejection } from "../fixtures/events.ts";
import { call, cancel, DONE, get, held, list, result, useScene } from "../fixtures/sdk-1-scene.ts";
import { currentUser } from "../fixtures/sdk-1-server.ts";
import { stores } from "../fixtures/stores.ts";

describe.each(stores)("Isolation of SDK 1.x over $name", (kind) => {
  const scene = useScene(kind);

  test("the task does not exist for another session, in every method", async () => {
    const { work, finish } = held();
    const server = await scene.start({ work });
    const [mine, theirs] = [await server.connect(), await server.connect()];
    const { taskId } = (await call(mine)).task;
    const foreign = await attempts(theirs, taskId);
    const missing = await attempts(theirs, "f".repeat(32));
    expect(foreign.map((error) => error.replaceAll(taskId, "ID"))).toEqual(
      missing.map((error) => error.replaceAll("f".repeat(32), "ID")),
    );
    for (const error of foreign) expect(error).toMatch(/not found/i);
    expect(await list(theirs)).toMatchObject({ tasks: [] });
    expect(await list(mine)).toMatchObject({ tasks: [{ taskId, status: "working" }] });
    finish(DONE);
    expect(await result(mine, taskId)).toMatchObject(DONE);
    expect(await attempts(theirs, taskId)).toEqual(foreign);
  });

  async function attempts(client: Client, taskId: string): Promise<string[]> {
    const errors = await Promise.all([get, result, cancel].map((attempt) => rejection(attempt(client, taskId))));
    return errors.map(String);
  }

  describe("by user", () => {
    const byUser: TaskStoreOptions = { owner: () => currentUser.getStore(), isolation: "strict" };

    test("a user who reconnects finds the task and gets its result", async () => {
      scene.reopen(byUser);
      const { work, finish } = held();
      const server = await scene.start({ work });
      const before = await server.connect({ user: "ann" });
      const { taskId } = (await call(before)).task;
      await before.close();

      const after = await server.connect({ user: "ann" });
      expect(await list(after)).toMatchObject({ tasks: [{ taskId }] });
      const pending = result(after, taskId);
      finish(DONE);
      expect(await pending).toMatchObject(DONE);
    });

    test("another user and an anonymous caller see nothing of the task", async () => {
      scene.reopen(byUser);
      const { work, finish } = held();
      const server = await scene.start({ work });
      const ann = await server.connect({ user: "ann" });
      const { taskId } = (await call(ann)).task;
      for (const client of [await server.connect({ user: "bob" }), await server.connect()]) {
        expect(await list(client)).toMatchObject({ tasks: [] });
        for (const error of await attempts(client, taskId)) expect(error).toMatch(/not found/i);
      }
      expect(await get(ann, taskId)).toMatchObject({ status: "working" });
      finish(DONE);
    });
  });
});

import { DurableTaskStore } from "@mcp-task-store/core/backend";
import { MemoryBackend, MemoryStorage } from "@mcp-task-store/memory";
import { CreateTaskResultSchema } from "@modelcontextprotocol/sdk/types.js";
import { describe, expect, test } from "vitest";
import { rejection } from "../fixtures/events.ts";
import { call, cancel, DONE, get, held, list, result, useScene } from "../fixtures/sdk-1-scene.ts";
import { startServer, type ToolWork } from "../fixtures/sdk-1-server.ts";
import { stores } from "../fixtures/stores.ts";

// The SDK sends the message of every store error to the peer.

describe.each(stores)("Errors of SDK 1.x over $name", (kind) => {
  const scene = useScene(kind);

  test("hold no payload", async () => {
    const SECRET = "hunter2";
    const { work, finish } = held();
    scene.reopen({ limits: { payloadBytes: 2_000, activeTasks: 2 } });
    const tools: Record<string, ToolWork> = {
      work,
      notJson: () => ({ content: [], structuredContent: { [SECRET]: 1n } }),
      tooLarge: () => ({ content: [{ type: "text", text: SECRET.repeat(1_000) }] }),
    };
    const client = await (await scene.start(tools)).connect();
    const said: string[] = [];
    const note = async (promise: Promise<unknown>) => said.push(String(await rejection(promise)));
    for (const name of ["notJson", "tooLarge"]) {
      const { taskId } = (await call(client, name, { text: SECRET })).task;
      await note(result(client, taskId));
      expect(await get(client, taskId)).toMatchObject({ status: "failed" });
    }
    await note(call(client, "work", { text: SECRET.repeat(1_000) }));
    const { taskId } = (await call(client, "work", { text: SECRET })).task;
    await call(client, "work", { text: SECRET });
    await note(call(client, "work", { text: SECRET }));
    await cancel(client, taskId);
    await note(cancel(client, taskId));
    await note(result(client, taskId));
    await note(list(client, SECRET));
    expect(said).toHaveLength(7);
    expect(said.filter((text) => text.includes(SECRET))).toEqual([]);
    finish(DONE);
  });
});

test("from a backend say only that it failed", async () => {
  const storage = new MemoryStorage();
  const backend = new MemoryBackend(storage);
  const store = new DurableTaskStore(backend, { onError: () => undefined });
  await using server = await startServer({ store, tools: { work: () => DONE } });
  const client = await server.connect();
  const refuse = () => Promise.reject(new Error("no entry for postgres://app:hunter2@10.0.0.7/tasks"));
  Object.assign(backend, { read: refuse, insert: refuse, list: refuse });
  const create = { method: "tools/call", params: { name: "work", arguments: {} } } as const;
  const said = [
    await rejection(client.experimental.tasks.getTask("a")),
    await rejection(client.experimental.tasks.getTaskResult("a")),
    await rejection(client.experimental.tasks.cancelTask("a")),
    await rejection(client.experimental.tasks.listTasks()),
    await rejection(client.request(create, CreateTaskResultSchema, { task: { ttl: 60_000 } })),
  ].map(String);
  expect(said.filter((text) => /hunter2|10\.0\.0\.7|postgres/.test(text))).toEqual([]);
  for (const text of said.slice(0, 4)) expect(text).toContain("backend could not be reached or failed");
  await store.close();
});

import { ANY_OWNER } from "@mcp-task-store/core";
import { InMemoryTransport, type JSONRPCMessage } from "@modelcontextprotocol/server";
import { describe, expect, test } from "vitest";
import { stores } from "../fixtures/stores.ts";
import { counted } from "./support/counted.ts";
import { instance, text } from "./support/instance.ts";
import type { Message } from "./support/stream.ts";

describe.each(stores)("a session of 2025-11-25 over $name", ({ usePlaces }) => {
  const newPlace = usePlaces();

  test("follows its tasks only until they have ended or expired", async () => {
    await using place = await newPlace();
    const runs = place.open();
    const watched = counted(place.open());
    await using server = instance(watched.store, (tasks, mcp) => {
      tasks.registerTool(mcp, "work", { task: "required", runs: "worker" }, () => text("done"));
    });
    const mcp = server.newServer();
    const [client, serving] = InMemoryTransport.createLinkedPair();
    const told: Message[] = [];
    const waiting: (() => void)[] = [];
    client.onmessage = (message) => {
      told.push(message as Message);
      for (const wake of waiting.splice(0)) wake();
    };
    const next = async (wanted: (message: Message) => boolean): Promise<Message> => {
      for (;;) {
        const found = told.find(wanted);
        if (found) return found;
        await new Promise<void>((resolve) => waiting.push(resolve));
      }
    };
    const ask = async (id: number, method: string, params: object) => {
      await client.send({ jsonrpc: "2.0", id, method, params } as JSONRPCMessage);
      return (await next((message) => message.id === id)).result as { task: { taskId: string } };
    };
    const start = async (id: number) =>
      (await ask(id, "tools/call", { name: "work", arguments: {}, task: { ttl: 60_000 } })).task.taskId;
    await mcp.connect(serving);
    await client.start();
    const clientInfo = { name: "test", version: "1.0.0" };
    await ask(1, "initialize", { protocolVersion: "2025-11-25", capabilities: {}, clientInfo });
    await client.send({ jsonrpc: "2.0", method: "notifications/initialized" });

    const [ends, expires] = [await start(2), await start(3)];
    expect(watched.open).toBe(4);
    await runs.finishTask(ends, { status: "completed", result: text("done") }, { owner: ANY_OWNER });
    await next(({ method, params }) => method === "notifications/tasks/status" && params?.["taskId"] === ends);
    await watched.reaches(2);
    await place.skip(60_001);
    await watched.reaches(0);
    expect(told.filter(({ params }) => params?.["taskId"] === expires)).toEqual([]);
    await mcp.close();
  });
});

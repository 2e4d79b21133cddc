import { ANY_OWNER } from "@mcp-task-store/core";
import { MemoryTaskStore } from "@mcp-task-store/memory";
import { TasksExtension } from "@mcp-task-store/server";
import { McpServer } from "@modelcontextprotocol/server";
import { describe, expect, test } from "vitest";
import { stores } from "../fixtures/stores.ts";
import { instance, type Register, text } from "./support/instance.ts";
import { PLAIN } from "./support/rpc.ts";

describe.each(stores)("a tool with limits over $name", ({ usePlaces }) => {
  const newPlace = usePlaces();

  test("runs in the workers of its servers, no more calls at once than its limits say, and all in the end", async () => {
    await using place = await newPlace();
    const state = { now: 0, most: 0 };
    const ends: (() => void)[] = [];
    let begun = Promise.withResolvers<void>();
    const register: Register = (tasks, server) => {
      tasks.registerTool(server, "work", { concurrency: { running: 2 } }, async () => {
        state.now += 1;
        state.most = Math.max(state.most, state.now);
        const end = Promise.withResolvers<void>();
        ends.push(end.resolve);
        begun.resolve();
        await end.promise;
        state.now -= 1;
        return text("done");
      });
      tasks.registerTool(server, "free", {}, () => text("free"));
    };
    const options = { worker: { claimPollMs: 5 } };
    await using first = instance(place.open(), register, options);
    await using second = instance(place.open(), register, options);
    const peers = [first.peer(), second.peer()];
    const started = [];
    for (let n = 0; n < 3; n += 1) for (const peer of peers) started.push(await peer.start("work", {}));
    // A call without a task waits for a place as well.
    const plain = first.peer().ask("tools/call", { name: "work", arguments: {} }, PLAIN);
    const store = place.open();
    const free = await peers[0]?.start("free", {});
    expect(await store.waitForResult(String(free?.taskId), { owner: ANY_OWNER })).toEqual(text("free"));
    for (let ended = 0; ended < 7; ended += 1) {
      while (ends.length === 0) {
        begun = Promise.withResolvers();
        await begun.promise;
      }
      ends.shift()?.();
    }
    for (const { taskId } of started)
      expect(await store.waitForResult(taskId, { owner: ANY_OWNER })).toEqual(text("done"));
    expect((await plain).result).toMatchObject(text("done"));
    expect(state).toEqual({ now: 0, most: 2 });
  });
});

test("a config whose limits could not hold is refused", async () => {
  const store = new MemoryTaskStore();
  const config = { concurrency: { running: 1 } };
  const [tasks, alone] = [new TasksExtension({ store }), new TasksExtension({ store, worker: false })];
  const server = () => new McpServer({ name: "s", version: "1" });
  const refused = (message: RegExp) =>
    expect.objectContaining({ code: "INVALID_ARGUMENT", message: expect.stringMatching(message) });
  const handler = () => text("done");
  const early = { ...config, answerWithinMs: 10 };
  expect(() => tasks.registerTool(server(), "work", early, handler)).toThrow(refused(/answerWithinMs has no effect/));
  expect(() => alone.registerTool(server(), "work", config, handler)).toThrow(refused(/runs: "worker"/));
  const wrong = { concurrency: 2 } as never;
  expect(() => tasks.registerTool(server(), "work", wrong, handler)).toThrow(refused(/running or runningPerOwner/));
  alone.registerTool(server(), "work", { ...config, runs: "worker" }, handler);
  await Promise.all([tasks.close(), alone.close(), store.close()]);
});

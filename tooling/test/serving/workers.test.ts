import { ANY_OWNER, startWorker } from "@mcp-task-store/core";
import { TasksExtension } from "@mcp-task-store/server";
import { McpServer } from "@modelcontextprotocol/server";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { untilAborted } from "../fixtures/events.ts";
import { MemoryTaskStore, stores } from "../fixtures/stores.ts";
import { instance, type Register, text } from "./support/instance.ts";
import { type Json, MISSING_CAPABILITY, PLAIN } from "./support/rpc.ts";

/** A poll interval that never passes, so every event of these tests comes from a signal. */
const NEVER = 2 ** 31 - 1;

describe.each(stores)("tasks for workers over $name", ({ usePlaces }) => {
  const newPlace = usePlaces();

  test("run only where a worker is", async () => {
    await using place = await newPlace();
    const ran: string[] = [];
    const register =
      (name: string, handler: boolean): Register =>
      (tasks, server) => {
        const inputSchema = z.object({ size: z.number() });
        const work = ({ size }: { size: number }, { context }: { context?: Json | undefined }) => {
          ran.push(name);
          return text(`${size} ${context?.["extra"]}`);
        };
        const config = { inputSchema, runs: "worker", prepare: () => ({ extra: "more" }) } as const;
        if (handler) tasks.registerTool(server, "work", config, work);
        else tasks.registerTool(server, "work", config);
        server.registerTool("plain", { inputSchema }, async ({ size }, ctx) =>
          tasks.create(ctx, { context: { extra: `plain ${size}` }, ttl: 60_000, pollInterval: 123 }),
        );
        tasks.registerTool(server, "both", { inputSchema }, work);
      };
    // The server has the handler too, and claims lost tasks all the time.
    await using server = instance(place.open(), register("server", true), { worker: { claimPollMs: 1 } });
    await using bare = instance(place.open(), register("bare", false));
    const peers = [server.peer(), bare.peer()];
    const started = await Promise.all(peers.map((peer) => peer.start("work", { size: 1 })));
    const plain = await peers[0]?.start("plain", { size: 2 });
    expect(plain).toMatchObject({ status: "working", ttlMs: 60_000, pollIntervalMs: 123 });
    for (const peer of peers) {
      const { error } = await peer.ask("tools/call", { name: "plain", arguments: { size: 1 } }, PLAIN);
      expect(error).toMatchObject(MISSING_CAPABILITY);
      const old = await peer.askOld("tools/call", { name: "plain", arguments: { size: 1 } });
      expect(old.error).toMatchObject({ code: -32601 });
    }
    const madeOld = await peers[1]?.startOld("plain", { ttl: 50_000 }, { size: 3 });
    expect(madeOld).toMatchObject({ ttl: 60_000 });
    // Long enough for the server to look and find no task for it.
    const store = place.open();
    const own = await peers[0]?.start("both", { size: 1 });
    await store.waitForResult(String(own?.taskId), { owner: ANY_OWNER });
    expect(ran.splice(0)).toEqual(["server"]);

    await using elsewhere = instance(place.open(), register("elsewhere", true), { worker: false });
    elsewhere.newServer();
    const handlers = { plain: ({ context }: { context?: Json | undefined }) => text(`${context?.["extra"]}`) };
    await using _plain = startWorker(place.open(), handlers, { claimPollMs: NEVER });
    await using _worker = elsewhere.tasks.startWorker({ claimPollMs: NEVER });
    for (const { taskId } of started)
      expect(await store.waitForResult(taskId, { owner: ANY_OWNER })).toEqual(text("1 more"));
    for (const [made, size] of [[plain, 2] as const, [madeOld, 3] as const])
      expect(await store.waitForResult(String(made?.taskId), { owner: ANY_OWNER })).toEqual(text(`plain ${size}`));
    // New tasks are signalled.
    const late = await peers[1]?.start("work", { size: 4 });
    expect(await store.waitForResult(String(late?.taskId), { owner: ANY_OWNER })).toEqual(text("4 more"));
    expect(ran).toEqual(["elsewhere", "elsewhere", "elsewhere"]);
  });

  test("drain runs the tools of this process, and close stops it and gives the task back", async () => {
    await using place = await newPlace();
    const inputSchema = z.object({ size: z.number() });
    const config = { inputSchema, runs: "worker" } as const;
    const started = Promise.withResolvers<void>();
    await using server = instance(place.open(), (tasks, mcp) => tasks.registerTool(mcp, "work", config), {
      worker: false,
    });
    await using first = instance(
      place.open(),
      (tasks, mcp) =>
        tasks.registerTool(mcp, "work", config, async ({ size }, task) => {
          if (size < 3) return text(`${size}`);
          await task.progress("half-way", size);
          started.resolve();
          return untilAborted(task);
        }),
      { worker: false },
    );
    const peer = server.peer();
    const made = [await peer.start("work", { size: 1 }), await peer.start("work", { size: 2 })];
    first.newServer();
    expect(await first.tasks.drain({ concurrency: 2 })).toEqual({ ran: 2, done: true });
    const store = place.open();
    for (const [index, { taskId }] of made.entries())
      expect(await store.waitForResult(taskId, { owner: ANY_OWNER })).toEqual(text(`${index + 1}`));

    const { taskId } = await peer.start("work", { size: 3 });
    const draining = first.tasks.drain();
    await started.promise;
    await first.tasks.close();
    expect(await draining).toEqual({ ran: 1, done: false });
    const taken = await store.claimTask({ names: ["work"] });
    expect(taken?.record).toMatchObject({ task: { taskId }, attempt: 1, checkpoint: 3 });
  });
});

test("drain refuses to run without tools, and options that do not exist", async () => {
  await using store = new MemoryTaskStore({ sweepIntervalMs: false });
  await using tasks = new TasksExtension({ store, worker: false });
  const refused = { code: "INVALID_ARGUMENT" };
  await expect(tasks.drain()).rejects.toMatchObject({
    ...refused,
    message: expect.stringMatching(/register the tools/),
  });
  tasks.registerTool(new McpServer({ name: "test", version: "1.0.0" }), "work", { runs: "worker" }, () => text("done"));
  await expect(tasks.drain({ maxMS: 1 } as object)).rejects.toMatchObject(refused);
  await expect(tasks.drain({ signal: "now" } as object)).rejects.toMatchObject(refused);
  expect(await tasks.drain()).toEqual({ ran: 0, done: true });
  await tasks.close();
  expect(await tasks.drain()).toEqual({ ran: 0, done: false });
});

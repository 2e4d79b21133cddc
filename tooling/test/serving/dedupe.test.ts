import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { ANY_OWNER, type TaskStore, type TraceMessage } from "@mcp-task-store/core";
import type { ServerContext } from "@modelcontextprotocol/server";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Place, stores } from "../fixtures/stores.ts";
import { Gate, type Instance, instance, type Register, text } from "./support/instance.ts";
import { envelope, PLAIN } from "./support/rpc.ts";

// Calls that a client may repeat: a key makes one task, in whichever process the call arrives.

const WAIT = "tracing:mcp-task-store.wait:start";

describe.each(stores)("calls with a key over $name", ({ usePlaces }) => {
  const newPlace = usePlaces();
  let place: Place;
  let store: TaskStore;
  let gate: Gate;
  let servers: readonly [Instance, Instance];

  const order = (args: Record<string, unknown> | undefined) => args?.["order"] as string | undefined;
  const use = (_: unknown, ctx: ServerContext) => ctx.mcpReq._meta?.["claudecode/toolUseId"] as string | undefined;
  const register: Register = (tasks, mcp) => {
    tasks.registerTool(mcp, "charge", { task: "required", dedupe: order }, async (_, task) => {
      await gate.pass(task.signal);
      return text("charged");
    });
    tasks.registerTool(mcp, "quick", { dedupe: order, answerWithinMs: 60_000 }, () => text("done"));
    tasks.registerTool(mcp, "used", { dedupe: use }, () => text("done"));
    tasks.registerTool(mcp, "elsewhere", { runs: "worker", dedupe: order }, async (_, task) => {
      await gate.pass(task.signal);
      return text("done elsewhere");
    });
  };

  beforeEach(async () => {
    place = await newPlace();
    store = place.open();
    gate = new Gate();
    servers = [
      instance(place.open(), register, { worker: false }),
      instance(place.open(), register, { worker: false }),
    ];
  });
  afterEach(async () => {
    for (const server of servers) await server[Symbol.asyncDispose]();
    await place[Symbol.asyncDispose]();
  });

  const tasksMade = async () => (await store.listTasks(undefined, { owner: ANY_OWNER })).tasks.length;
  const result = (taskId: string) => store.waitForResult(taskId, { owner: ANY_OWNER });

  test("get one task, which runs once, and its result when it has ended", async () => {
    const [here, there] = servers;
    const first = await here.peer("ada").start("charge", { order: "17" });
    await gate.reached;
    const again = await there.peer("ada").start("charge", { order: "17" });
    expect(again.taskId).toBe(first.taskId);
    expect(Object.keys(again).sort()).toEqual(Object.keys(first).sort());
    const old = await there.peer("ada").startOld("charge", {}, { order: "17" });
    expect(old).toEqual({ ...old, taskId: first.taskId });
    expect(old).not.toHaveProperty("created");
    expect((await there.peer("bob").start("charge", { order: "17" })).taskId).not.toBe(first.taskId);
    gate.open();
    expect(await result(first.taskId)).toMatchObject(text("charged"));
    const ended = await there.peer("ada").start("charge", { order: "17" });
    expect(ended).toMatchObject({ taskId: first.taskId, status: "completed" });
    // One run for each of the two tasks.
    expect([gate.passed, await tasksMade()]).toEqual([2, 2]);
  });

  test("are refused with other arguments, and without a key make a task each", async () => {
    const peer = servers[0].peer("ada");
    gate.open();
    await peer.start("charge", { order: "17" });
    const { error } = await peer.ask("tools/call", { name: "charge", arguments: { order: "17", more: true } });
    expect(error).toMatchObject({ code: -32602, data: { code: "DEDUPE_CONFLICT" } });
    const [one, two] = [await peer.start("charge", {}), await peer.start("charge", {})];
    expect(one.taskId).not.toBe(two.taskId);
  });

  test("make the task before the work, so that a repetition finds it", async () => {
    const [here, there] = servers;
    const first = await here.peer().start("quick", { order: "1" });
    expect((await there.peer().start("quick", { order: "1" })).taskId).toBe(first.taskId);
  });

  test("may take the key from the context of the call", async () => {
    const send = async (use: string) => {
      const { result } = await servers[0].peer().ask("tools/call", {
        name: "used",
        arguments: {},
        _meta: { ...envelope(), "claudecode/toolUseId": use },
      });
      return result?.["taskId"];
    };
    const [one, again, two] = [await send("toolu_1"), await send("toolu_1"), await send("toolu_2")];
    expect(one).toEqual(expect.any(String));
    expect([again === one, two === one]).toEqual([true, false]);
  });

  test("that wait for a worker: one that leaves does not cancel the task of the other", async () => {
    const [here, there] = servers;
    const worker = there.tasks.startWorker({ claimPollMs: 20 });
    const call = (server: Instance, signal?: AbortSignal) =>
      server.peer().ask("tools/call", { name: "elsewhere", arguments: { order: "1" } }, PLAIN, signal);
    const first = call(here);
    await gate.reached;
    const leaving = new AbortController();
    const waits = new Promise<void>((resolve) => {
      const begun = (message: unknown) => {
        if ((message as TraceMessage).method !== "waitForTask") return;
        unsubscribe(WAIT, begun);
        resolve();
      };
      subscribe(WAIT, begun);
    });
    const second = call(there, leaving.signal).catch((error: Error) => error);
    await waits;
    leaving.abort();
    await second;
    gate.open();
    expect((await first).result).toMatchObject(text("done elsewhere"));
    expect(await tasksMade()).toBe(1);
    await worker.stop();
  });
});

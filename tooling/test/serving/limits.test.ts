import { ANY_OWNER, type Limits, type TaskStore } from "@mcp-task-store/core";
import { MemoryTaskStore } from "@mcp-task-store/memory";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { z } from "zod";
import { type Place, stores } from "../fixtures/stores.ts";
import { FORM, type Instance, instance, text } from "./support/instance.ts";

describe.each(stores)("limits over $name", ({ usePlaces }) => {
  const newPlace = usePlaces();
  let place: Place;
  let store: TaskStore;
  const instances: Instance[] = [];

  function serve(limits: Limits, pollInterval?: number): Instance {
    store = place.open({ limits, pollInterval });
    const made = instance(
      store,
      (tasks, server) => {
        tasks.registerTool(server, "unset", { runs: "worker" });
        for (const [name, ttl] of Object.entries({ short: 1, long: 10 ** 9, forever: null, middle: 5000 }))
          tasks.registerTool(server, name, { runs: "worker", ttl, pollInterval: 77 });
        tasks.registerTool(server, "size", { inputSchema: z.object({ text: z.string() }) }, ({ text: given }) =>
          text(given.repeat(100)),
        );
        tasks.registerTool(server, "asks", {}, async (_, task) => text((await task.elicit(FORM, { key: "k" })).action));
      },
      { worker: false },
    );
    instances.push(made);
    return made;
  }

  beforeEach(async () => {
    place = await newPlace();
  });
  afterEach(async () => {
    await Promise.all(instances.splice(0).map((made) => made[Symbol.asyncDispose]()));
    await place[Symbol.asyncDispose]();
  });

  test("the tool or the requestor sets the ttl within the store's bounds", async () => {
    const peer = serve({ ttl: { default: 4000, min: 2000, max: 6000 } }, 1234).peer();
    const shown: Record<string, unknown> = {};
    for (const name of ["unset", "short", "long", "forever", "middle"]) {
      const made = await peer.start(name);
      shown[name] = [made["ttlMs"], made["pollIntervalMs"]];
      expect(await peer.task(made.taskId)).toMatchObject({
        ttlMs: made["ttlMs"],
        pollIntervalMs: made["pollIntervalMs"],
      });
      expect(made).not.toHaveProperty("ttl");
      expect(made).not.toHaveProperty("pollInterval");
    }
    expect(shown).toEqual({
      unset: [4000, 1234],
      short: [2000, 77],
      long: [6000, 77],
      forever: [6000, 77],
      middle: [5000, 77],
    });
    const asked = async (ttl: number, name = "unset") => (await peer.startOld(name, { ttl }))["ttl"];
    expect([await asked(1), await asked(10 ** 9), await asked(3000), await asked(3000, "middle")]).toEqual([
      2000, 6000, 3000, 3000,
    ]);
    expect(await peer.startOld("middle")).toMatchObject({ ttl: 5000, pollInterval: 77 });
  });

  test("tasks beyond the store's cap are refused", async () => {
    const server = serve({ activeTasks: 3, activeTasksPerOwner: 2 });
    const [ada, bob] = [server.peer("Ada"), server.peer("Bob")];
    const call = { name: "unset", arguments: {} };
    const full = { code: -32000, data: { code: "LIMIT_EXCEEDED" } };
    const many = await Promise.all(Array.from({ length: 5 }, () => ada.ask("tools/call", call)));
    const made = many.flatMap(({ result }) => (result ? [String(result["taskId"])] : []));
    expect(made).toHaveLength(2);
    for (const { error } of many.filter(({ result }) => !result)) expect(error).toMatchObject(full);
    expect((await ada.askOld("tools/call", { ...call, task: {} })).error).toMatchObject(full);
    // Another owner has room until the store is full.
    await bob.start("unset");
    expect((await bob.ask("tools/call", call)).error).toMatchObject(full);
    expect((await store.listTasks(undefined, { owner: ANY_OWNER })).tasks).toHaveLength(3);
    await ada.cancel(made[0] as string);
    await bob.start("unset");
  });

  test("payloads beyond the byte limit are refused", async () => {
    const peer = serve({ payloadBytes: 2000 }).peer();
    const tooLarge = { code: -32602, data: { code: "PAYLOAD_TOO_LARGE" } };
    const call = (length: number) => ({ name: "size", arguments: { text: "x".repeat(length) } });
    expect((await peer.ask("tools/call", call(2000))).error).toMatchObject(tooLarge);
    expect((await peer.askOld("tools/call", { ...call(2000), task: {} })).error).toMatchObject(tooLarge);
    expect((await store.listTasks(undefined, { owner: ANY_OWNER })).tasks).toEqual([]);
    // A result too large to store is not the client's fault, but the client must not wait for ever.
    const { taskId } = await peer.start("size", { text: "x".repeat(20) });
    await store.waitForTask(taskId, { owner: ANY_OWNER });
    expect(await peer.task(taskId)).toMatchObject({ status: "failed", error: { code: -32603 } });
    const asking = await peer.start("asks");
    await store.waitForTask(asking.taskId, { owner: ANY_OWNER, until: ["input_required"] });
    const answer = (name: string) => ({ k: { action: "accept", content: { name } } });
    expect((await peer.update(asking.taskId, answer("x".repeat(2000)))).error).toMatchObject(tooLarge);
    expect(await peer.task(asking.taskId)).toMatchObject({ status: "input_required", inputRequests: { k: {} } });
    expect((await peer.update(asking.taskId, answer("x"))).error).toBeUndefined();
    expect(await store.waitForResult(asking.taskId, { owner: ANY_OWNER })).toEqual(text("accept"));
  });
});

test("an automatic poll interval follows the duration of the work", async () => {
  const store = new MemoryTaskStore({ pollInterval: 1234, sweepIntervalMs: false });
  let ends = Promise.withResolvers<void>();
  await using made = instance(store, (tasks, server) => {
    tasks.registerTool(server, "work", { pollInterval: "auto" }, async () => {
      await ends.promise;
      return text("done");
    });
  });
  const peer = made.peer();
  const interval = async () => (await peer.start("work"))["pollIntervalMs"];
  const started = performance.now();
  // The store has no durations of a tool that has not run yet.
  expect(await interval()).toBe(1234);
  const { taskId } = await peer.start("work");
  const longEnough = 2000;
  await new Promise((resolve) => setTimeout(resolve, longEnough));
  ends.resolve();
  await store.waitForTask(taskId, { owner: ANY_OWNER });
  const took = performance.now() - started;
  ends = Promise.withResolvers();
  const learned = (await interval()) as number;
  expect(learned).toBeGreaterThanOrEqual(longEnough / 4 - 1);
  expect(learned).toBeLessThanOrEqual(took / 4 + 1);
  // The shortest interval is 100 ms.
  ends.resolve();
  for (let run = 0; run < 30; run += 1) {
    const quick = await peer.start("work");
    await store.waitForTask(quick.taskId, { owner: ANY_OWNER });
  }
  expect(await interval()).toBe(100);
  await store.close();
});

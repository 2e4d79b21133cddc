import { ANY_OWNER, type TaskStore, TaskStoreError } from "@mcp-task-store/core";
import { MemoryStorage, MemoryTaskStore } from "@mcp-task-store/memory";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { FORM, Gate, type Instance, type InstanceOptions, instance, text } from "./support/instance.ts";
import type { Peer } from "./support/rpc.ts";

const unavailable = () => new TaskStoreError("BACKEND_UNAVAILABLE", "The backend is away");
const FAILURE = { code: -32603, data: { code: "BACKEND_UNAVAILABLE" } };
const NEVER = 2 ** 31 - 1;

type Method = "createTask" | "getTask" | "getRecord" | "provideInputs" | "cancelTask" | "waitForTask" | "listTasks";

let storage: MemoryStorage;
let sound: TaskStore;
/** Methods that fail, before or after their effect. */
let failing: Map<string, "before" | "after">;
let told: string[];
let gate: Gate;
const instances: Instance[] = [];

beforeEach(() => {
  storage = new MemoryStorage();
  sound = open();
  failing = new Map();
  told = [];
  gate = new Gate();
});
afterEach(async () => {
  failing.clear();
  gate.open();
  for (const { errors } of instances) errors.splice(0);
  await Promise.all(instances.splice(0).map((made) => made[Symbol.asyncDispose]()));
  await sound.close();
});

function open(): TaskStore {
  return new MemoryTaskStore({ storage, claimAfterMs: 0, pollInterval: 5, fallbackPollMs: 20, sweepIntervalMs: false });
}

/** A store that fails on the test's command, before or after a call's effect. */
function shaky(): TaskStore {
  const store = open();
  return new Proxy(store, {
    get(target, key) {
      const value: unknown = Reflect.get(target, key, target);
      if (typeof value !== "function") return value;
      return async (...of: unknown[]) => {
        const when = failing.get(String(key));
        if (when) told.push(String(key));
        if (when === "before") throw unavailable();
        const result: unknown = await value.apply(target, of);
        if (when === "after") throw unavailable();
        return result;
      };
    },
  });
}

function serve(options: InstanceOptions = {}): Instance {
  const made = instance(
    shaky(),
    (tasks, server) => {
      tasks.registerTool(server, "ask", { task: "required" }, async (_, task) => {
        const { action } = await task.elicit(FORM, { key: "k" });
        return text(action);
      });
      tasks.registerTool(server, "quick", { answerWithinMs: 1 }, async (_, { signal }) => {
        await gate.pass(signal);
        return text("done");
      });
      tasks.registerTool(server, "done", { onLost: "fail" }, (_, { attempt }) => text(`attempt ${attempt}`));
    },
    { worker: { claimPollMs: 5 }, leaseMs: 300, ...options },
  );
  instances.push(made);
  return made;
}

const asked = (taskId: string) => sound.waitForTask(taskId, { owner: ANY_OWNER, until: ["input_required"] });

describe("an unreachable store", () => {
  const decline = { k: { action: "decline" } };

  test.each<[string, readonly Method[], (peer: Peer, taskId: string) => ReturnType<Peer["ask"]>]>([
    ["tools/call", ["createTask"], (peer) => peer.ask("tools/call", { name: "ask", arguments: {} })],
    ["tools/call of 2025-11-25", ["createTask"], (peer) => peer.askOld("tools/call", { name: "ask", task: {} })],
    ["a call that became slow", ["createTask"], (peer) => peer.ask("tools/call", { name: "quick", arguments: {} })],
    ["tasks/get", ["getTask", "getRecord"], (peer, taskId) => peer.get(taskId)],
    ["tasks/get of 2025-11-25", ["getTask"], (peer, taskId) => peer.askOld("tasks/get", { taskId })],
    ["tasks/update", ["getRecord", "provideInputs"], (peer, taskId) => peer.update(taskId, decline)],
    ["tasks/cancel", ["cancelTask"], (peer, taskId) => peer.cancel(taskId)],
    ["tasks/cancel of 2025-11-25", ["cancelTask"], (peer, taskId) => peer.askOld("tasks/cancel", { taskId })],
    ["tasks/result", ["waitForTask"], (peer, taskId) => peer.askOld("tasks/result", { taskId })],
    ["tasks/list", ["listTasks"], (peer) => peer.askOld("tasks/list", {})],
  ])("fails %s with an error that says so", async (_, methods, request) => {
    const peer = serve({ worker: false }).peer("Ada");
    const { taskId } = await peer.start("ask");
    await asked(taskId);
    for (const method of methods) {
      failing.set(method, "before");
      const { error, text: said } = await request(peer, taskId);
      expect(error, `${method}: ${said}`).toMatchObject(FAILURE);
      expect(said).not.toContain("away");
      failing.clear();
    }
    // The store works again afterwards.
    expect(await peer.task(taskId)).toMatchObject({ status: "input_required" });
    await peer.update(taskId, decline);
    expect(await sound.waitForResult(taskId, { owner: ANY_OWNER })).toEqual(text("decline"));
  });

  test("a call whose task cannot be stored ends its work", async () => {
    const server = serve();
    failing.set("createTask", "before");
    const { error } = await server.peer().ask("tools/call", { name: "quick", arguments: {} });
    expect(error).toMatchObject(FAILURE);
    expect((await sound.listTasks(undefined, { owner: ANY_OWNER })).tasks).toEqual([]);
    expect(gate.passed).toBe(1);
  });

  test("a lost answer after the write does no harm", async () => {
    const peer = serve().peer();
    const { taskId } = await peer.start("ask");
    await asked(taskId);
    failing.set("provideInputs", "after");
    expect((await peer.update(taskId, decline)).error).toMatchObject(FAILURE);
    failing.clear();
    // The client retries and gets its acknowledgement.
    expect((await peer.update(taskId, decline)).error).toBeUndefined();
    expect(await sound.waitForResult(taskId, { owner: ANY_OWNER })).toEqual(text("decline"));
    const other = await peer.start("ask");
    failing.set("cancelTask", "after");
    expect((await peer.cancel(other.taskId)).error).toMatchObject(FAILURE);
    failing.clear();
    expect((await peer.cancel(other.taskId)).error).toBeUndefined();
    expect(await peer.task(other.taskId)).toMatchObject({ status: "cancelled" });
  });

  test("a task that could not start is taken over once", async () => {
    const server = serve({ worker: false });
    failing.set("acquireLease", "before");
    const { taskId } = await server.peer().start("done");
    while (server.errors.length === 0) await new Promise(setImmediate);
    failing.clear();
    expect(await sound.getRecord(taskId, { owner: ANY_OWNER })).toMatchObject({ attempt: 0 });
    // The failed start does not reserve the task for long, so another server can take it.
    const other = instance(
      open(),
      (tasks, mcp) => void tasks.registerTool(mcp, "done", { onLost: "fail" }, (_, task) => text(`${task.attempt}`)),
      { worker: { claimPollMs: 5 } },
    );
    instances.push(other);
    expect(await sound.waitForResult(taskId, { owner: ANY_OWNER })).toEqual(text("1"));
  });

  test("a result counts as stored even if the write's answer was lost", async () => {
    const server = serve({ leaseMs: 30_000 });
    failing.set("finishTask", "after");
    const { taskId } = await server.peer().start("done");
    expect(await sound.waitForResult(taskId, { owner: ANY_OWNER })).toEqual(text("attempt 1"));
    failing.clear();
    await server.tasks.close();
    expect(server.errors).toEqual([]);
  });

  test("close() settles", async () => {
    const server = serve();
    const { taskId } = await server.peer().start("ask");
    await asked(taskId);
    for (const method of ["releaseLease", "finishTask", "claimTasks", "renewLease"]) failing.set(method, "before");
    await server.tasks.close();
    expect(told).toContain("releaseLease");
  });

  test("a subscription ends if its first read fails, and resumes after a later failure", async () => {
    const server = serve({ worker: false });
    const peer = server.peer();
    const { taskId } = await peer.start("ask");
    await asked(taskId);
    failing.set("getTask", "before");
    const none = await peer.listen([taskId]);
    expect(await none.acknowledged()).toEqual([]);
    expect(await none.endsGracefully()).toBe(true);
    expect(server.errors.splice(0)).toHaveLength(1);
    failing.clear();
    failing.set("waitForTask", "before");
    const stream = await peer.listen([taskId]);
    await stream.acknowledged();
    while (server.errors.length === 0) await new Promise(setImmediate);
    failing.clear();
    expect(await stream.state()).toMatchObject({ status: "input_required" });
    await sound.finishTask(taskId, { status: "completed", result: { content: [] } }, { owner: ANY_OWNER });
    expect(await stream.state()).toMatchObject({ status: "completed", result: { content: [] } });
    expect(await stream.endsGracefully()).toBe(true);
  });

  test("an onError that throws ends nothing", async () => {
    const warned = new Promise((resolve) => process.once("warning", resolve));
    const server = serve({
      worker: { claimPollMs: NEVER },
      onError: () => {
        throw new Error("The listener failed");
      },
    });
    failing.set("acquireLease", "before");
    const { taskId } = await server.peer().start("done");
    expect(await warned).toMatchObject({ message: "The listener failed" });
    expect(await server.peer().task(taskId)).toMatchObject({ status: "working" });
  });
});

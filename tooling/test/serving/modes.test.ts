import { ANY_OWNER, type TaskStore } from "@mcp-task-store/core";
import { MemoryTaskStore } from "@mcp-task-store/memory";
import { acceptedContent, inputRequired, ProtocolError } from "@modelcontextprotocol/server";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { z } from "zod";
import { aborted } from "../fixtures/events.ts";
import { FORM, Gate, type Instance, type InstanceOptions, instance, type Register, text } from "./support/instance.ts";
import { ABLE, type Json, MISSING_CAPABILITY, PLAIN } from "./support/rpc.ts";

/** Longer than any stall of a machine. */
const NEVER = 2 ** 31 - 1;
const NO_TASK = /must be called as a task/;

describe("calls that become tasks", () => {
  let store: TaskStore;
  const instances: Instance[] = [];

  function serve(register: Register, options: InstanceOptions = {}): Instance {
    const made = instance(store, register, options);
    instances.push(made);
    return made;
  }

  beforeEach(() => {
    store = new MemoryTaskStore({ sweepIntervalMs: false });
  });
  afterEach(async () => {
    await Promise.all(instances.splice(0).map((made) => made[Symbol.asyncDispose]()));
    await store.close();
  });

  const tasksMade = async () => (await store.listTasks(undefined, { owner: ANY_OWNER })).tasks.length;
  const ended = (taskId: unknown) => store.waitForTask(String(taskId), { owner: ANY_OWNER });

  const modes = () =>
    serve((tasks, server) => {
      const inputSchema = z.object({ long: z.boolean().default(false) });
      for (const task of ["required", "optional", "never"] as const)
        tasks.registerTool(server, task, { task }, () => text(task));
      tasks.registerTool(server, "unset", {}, () => text("unset"));
      const decide = ({ long }: { long: boolean }) => (long ? "required" : "never");
      tasks.registerTool(server, "decides", { inputSchema, task: decide }, ({ long }) => text(`long: ${long}`));
    }).peer();

  test("the tool and the client decide under 2026-07-28", async () => {
    const peer = modes();
    const call = (name: string, capabilities: object, args: Json = {}) =>
      peer.ask("tools/call", { name, arguments: args }, capabilities);
    const task = { resultType: "task", status: "working" };
    const atOnce = (said: string) => ({ resultType: "complete", ...text(said) });
    expect((await call("required", ABLE)).result).toMatchObject(task);
    expect((await call("optional", ABLE)).result).toMatchObject(task);
    expect((await call("unset", ABLE)).result).toMatchObject(task);
    expect((await call("decides", ABLE, { long: true })).result).toMatchObject(task);
    expect(await tasksMade()).toBe(4);
    expect((await call("never", ABLE)).result).toMatchObject(atOnce("never"));
    expect((await call("decides", ABLE, {})).result).toMatchObject(atOnce("long: false"));
    for (const capabilities of [PLAIN, {}, { extensions: {} }, { tasks: { requests: { tools: { call: {} } } } }]) {
      expect((await call("required", capabilities)).error).toMatchObject(MISSING_CAPABILITY);
      expect((await call("decides", capabilities, { long: true })).error).toMatchObject(MISSING_CAPABILITY);
      expect((await call("optional", capabilities)).result).toMatchObject(atOnce("optional"));
    }
    expect(await tasksMade()).toBe(4);
  });

  test("the client asks and the tool may refuse under 2025-11-25", async () => {
    const peer = modes();
    const call = (name: string, more: Json = {}) => peer.askOld("tools/call", { name, arguments: {}, ...more });
    for (const name of ["required", "optional", "unset"]) {
      const { result } = await call(name, { task: {} });
      expect(result).toMatchObject({ task: { status: "working" } });
      expect(result).not.toHaveProperty("content");
    }
    expect((await call("never", { task: {} })).error).toMatchObject({ code: -32601 });
    expect((await call("required")).error).toMatchObject({ code: -32601, message: expect.stringMatching(NO_TASK) });
    for (const name of ["optional", "never", "unset"]) expect((await call(name)).result).toMatchObject(text(name));
    expect(await tasksMade()).toBe(3);
    const { tools } = (await peer.askOld("tools/list", {})).result as { tools: Json[] };
    expect(Object.fromEntries(tools.map(({ name, execution }) => [name, execution]))).toMatchObject({
      required: { taskSupport: "required" },
      optional: { taskSupport: "optional" },
      unset: { taskSupport: "optional" },
      decides: { taskSupport: "optional" },
    });
  });

  test("a `task` parameter of 2025-11-25 has no effect under 2026-07-28", async () => {
    const peer = modes();
    const { result } = await peer.ask("tools/call", { name: "optional", arguments: {}, task: { ttl: 77_000 } });
    expect(result).toMatchObject({ resultType: "task", ttlMs: null });
    const never = await peer.ask("tools/call", { name: "never", arguments: {}, task: { ttl: 77_000 } });
    expect(never.result).toMatchObject(text("never"));
  });

  test("every method needs the capability, for known and unknown ids", async () => {
    const peer = modes();
    const { taskId } = await peer.start("required");
    for (const id of [taskId, "unknown"])
      for (const [method, more] of [
        ["tasks/get", {}],
        ["tasks/cancel", {}],
        ["tasks/update", { inputResponses: {} }],
      ] as const) {
        const { error } = await peer.ask(method, { taskId: id, ...more }, PLAIN);
        expect(error, method).toMatchObject(MISSING_CAPABILITY);
      }
  });

  test("wrong arguments and unknown tools make no task", async () => {
    const peer = serve((tasks, server) => {
      tasks.registerTool(server, "add", { inputSchema: z.object({ a: z.number() }), task: "required" }, ({ a }) =>
        text(`${a}`),
      );
      tasks.registerTool(server, "off", { task: "required" }, () => text("off")).disable();
    }).peer();
    for (const params of [
      { name: "add", arguments: { a: "1" } },
      { name: "add", arguments: {} },
      { name: "off", arguments: {} },
      { name: "nothing", arguments: {} },
    ]) {
      const { result, error, text: said } = await peer.ask("tools/call", params);
      expect(error ?? result, said).toMatchObject(error ? { code: -32602 } : { isError: true });
      const old = await peer.askOld("tools/call", { ...params, task: {} });
      expect(old.result?.["task"], old.text).toBeUndefined();
    }
    expect(await tasksMade()).toBe(0);
  });

  describe("a call with answerWithinMs", () => {
    test("leaves nothing behind when the work ends in time", async () => {
      const peer = serve((tasks, server) => {
        tasks.registerTool(server, "quick", { answerWithinMs: NEVER }, async (_, { progress }) => {
          await progress("half-way");
          return text("done");
        });
        tasks.registerTool(server, "throws", { answerWithinMs: NEVER }, () => {
          throw new Error("Oh");
        });
        tasks.registerTool(server, "breaks", { answerWithinMs: NEVER }, () => {
          throw new ProtocolError(-32050, "No luck", 7);
        });
      }).peer();
      const call = (name: string) => peer.ask("tools/call", { name, arguments: {} });
      expect((await call("quick")).result).toMatchObject({ resultType: "complete", ...text("done") });
      expect((await call("throws")).result).toMatchObject({ isError: true, ...text("Oh") });
      expect((await call("breaks")).error).toEqual({ code: -32050, message: "No luck", data: 7 });
      expect(await tasksMade()).toBe(0);
      // A client of 2025-11-25 asks for a task.
      await peer.startOld("quick");
      expect(await tasksMade()).toBe(1);
    });

    test("becomes a task when the work takes longer, and runs once", async () => {
      const gate = new Gate();
      const peer = serve((tasks, server) => {
        tasks.registerTool(server, "slow", { answerWithinMs: 1, ttl: 60_000 }, async (_, task) => {
          await task.progress("half-way", { half: true });
          await gate.pass(task.signal);
          await task.progress("nearly");
          return text(task.taskId);
        });
      }).peer();
      const { taskId, ttlMs } = await peer.start("slow");
      expect(ttlMs).toBe(60_000);
      const { revision } = await store.waitForTask(taskId, { owner: ANY_OWNER, until: "change" });
      const record = await store.getRecord(taskId, { owner: ANY_OWNER });
      if (record?.task.statusMessage === undefined)
        await store.waitForTask(taskId, { owner: ANY_OWNER, until: "change", after: revision });
      expect(await peer.task(taskId)).toMatchObject({ status: "working", statusMessage: "half-way" });
      gate.open();
      await ended(taskId);
      expect(await peer.task(taskId)).toMatchObject({ statusMessage: "nearly", result: text(taskId) });
      expect(gate.passed).toBe(1);
    });

    test("becomes a task when the work asks a question", async () => {
      const peer = serve((tasks, server) => {
        tasks.registerTool(server, "asks", { answerWithinMs: NEVER }, async (_, task) => {
          const { content } = await task.elicit(FORM, { key: "name" });
          return text(`Hello, ${content?.["name"]}!`);
        });
      }).peer();
      const { taskId } = await peer.start("asks");
      await store.waitForTask(taskId, { owner: ANY_OWNER, until: ["input_required"] });
      await peer.update(taskId, { name: { action: "accept", content: { name: "Ada" } } });
      await ended(taskId);
      expect(await peer.task(taskId)).toMatchObject({ result: text("Hello, Ada!") });
    });

    test("ends when its client leaves, and can be cancelled as a task", async () => {
      const gate = new Gate();
      const reasons: Promise<unknown>[] = [];
      const peer = serve((tasks, server) => {
        const work = async (_: unknown, { signal }: { signal: AbortSignal }) => {
          reasons.push(aborted(signal));
          await gate.pass(signal);
          return text("done");
        };
        tasks.registerTool(server, "quick", { answerWithinMs: NEVER }, work);
        tasks.registerTool(server, "slow", { answerWithinMs: 1 }, work);
      }).peer();
      const leaving = new AbortController();
      const call = peer.ask("tools/call", { name: "quick", arguments: {} }, ABLE, leaving.signal);
      await gate.reached;
      leaving.abort();
      await reasons[0];
      await call.catch(() => undefined);
      expect(await tasksMade()).toBe(0);
      const { taskId } = await peer.start("slow");
      await peer.cancel(taskId);
      expect(await reasons[1]).toMatchObject({ code: "TASK_TERMINAL" });
    });
  });

  test("a call may ask before it becomes a task, and the handler gets the answers", async () => {
    const peer = serve((tasks, server) => {
      const question = inputRequired.elicit({ message: "Your name?", requestedSchema: FORM.requestedSchema as never });
      tasks.registerTool(
        server,
        "prepared",
        {
          task: "required",
          prepare: (_, { mcpReq }) => {
            const content = acceptedContent<{ name: string }>(mcpReq.inputResponses, "name");
            return content ? { name: content.name } : inputRequired({ inputRequests: { name: question } });
          },
        },
        (_, { context }) => text(`Hello, ${context?.["name"]}!`),
      );
    }).peer();
    const first = await peer.ask("tools/call", { name: "prepared", arguments: {} });
    expect(first.result).toMatchObject({ resultType: "input_required" });
    expect(await tasksMade()).toBe(0);
    const name = { action: "accept", content: { name: "Ada" } };
    const { result } = await peer.ask("tools/call", { name: "prepared", arguments: {}, inputResponses: { name } });
    expect(result).toMatchObject({ resultType: "task" });
    expect(await store.waitForResult(String(result?.["taskId"]), { owner: ANY_OWNER })).toMatchObject(
      text("Hello, Ada!"),
    );
  });

  test("a question to a client that cannot be asked throws in the handler", async () => {
    const peer = serve((tasks, server) => {
      tasks.registerTool(server, "asks", {}, async (_, task) => text((await task.elicit(FORM)).action));
    }).peer();
    const { extensions } = ABLE;
    const { result } = await peer.ask("tools/call", { name: "asks", arguments: {} }, { extensions });
    await ended(result?.["taskId"]);
    expect(await peer.task(String(result?.["taskId"]))).toMatchObject({
      status: "completed",
      result: { isError: true },
    });
  });
});

import { ANY_OWNER } from "@mcp-task-store/core";
import { MemoryTaskStore } from "@mcp-task-store/memory";
import type { TasksExtension, TasksExtensionOptions, WithoutTasks } from "@mcp-task-store/server";
import { type CallToolResult, InMemoryTransport, inputRequired, type McpServer } from "@modelcontextprotocol/server";
import { expect, test } from "vitest";
import { z } from "zod";
import { FORM, Gate, instance, type Register, text } from "./support/instance.ts";
import { GENERATIONS } from "./support/plain-client.ts";
import { ABLE, type Json, PLAIN } from "./support/rpc.ts";

// Every row of the table in the package's README, for clients that cannot have a task.

const CASES = (["optional", "required", "decides: required", "decides: never"] as const).flatMap((mode) =>
  ([undefined, "inline", "tools", "refuse"] as const).flatMap((ofTool) =>
    ([undefined, "inline", "tools", "refuse"] as const).flatMap((ofExtension) =>
      (["server", "worker"] as const).flatMap((runs) =>
        (["2026-07-28", "2025-11-25"] as const).map((generation) => ({ mode, ofTool, ofExtension, runs, generation })),
      ),
    ),
  ),
);

function expected({ mode, ofTool, ofExtension }: (typeof CASES)[number]): WithoutTasks {
  if (mode === "decides: never") return "inline";
  return ofTool ?? ofExtension ?? (mode === "optional" ? "inline" : "refuse");
}

const extensionOf = (withoutTasks: WithoutTasks | undefined): Partial<TasksExtensionOptions> => ({ withoutTasks });

test.each(CASES)(
  "$mode, of the tool: $ofTool, of the extension: $ofExtension, runs: $runs, $generation",
  async (one) => {
    await using store = new MemoryTaskStore({ sweepIntervalMs: false });
    const decided = one.mode.replace("decides: ", "") as "never" | "required";
    const task = one.mode.startsWith("decides") ? () => decided : (one.mode as "optional" | "required");
    const register: Register = (tasks, server) => {
      tasks.registerFallbackTools(server);
      const config = { task, runs: one.runs, ...(one.ofTool && { withoutTasks: one.ofTool }) };
      tasks.registerTool(server, "work", config, () => text("done"));
    };
    await using serving = instance(store, register, extensionOf(one.ofExtension));
    await using working = instance(store, register, { ...extensionOf(one.ofExtension), worker: false });
    working.newServer();
    if (one.runs === "worker") working.tasks.startWorker();

    const peer = serving.peer();
    const ask = async (name: string, args: Json = {}) => {
      const call = { name, arguments: args };
      return one.generation === "2026-07-28" ? peer.ask("tools/call", call, PLAIN) : peer.askOld("tools/call", call);
    };
    const { result, error } = await ask("work");
    const made = (await store.listTasks(undefined, { owner: ANY_OWNER })).tasks;
    const wanted = expected(one);
    if (wanted === "refuse") {
      expect(error?.code).toBe(one.generation === "2026-07-28" ? -32021 : -32601);
      expect(made).toEqual([]);
    } else if (wanted === "inline") {
      expect(result).toMatchObject(text("done"));
      expect(made.map(({ status }) => status)).toEqual(one.runs === "worker" ? ["completed"] : []);
    } else {
      const { taskId } = (result as Json)["structuredContent"] as { taskId: string };
      expect(made.map((each) => each.taskId)).toEqual([taskId]);
      expect((await ask("task_result", { taskId })).result).toMatchObject(text("done"));
    }
    // Clients that can have a task notice nothing of it.
    const able = await peer.ask("tools/call", { name: "work", arguments: {} }, ABLE);
    expect(able.result).toMatchObject(one.mode === "decides: never" ? text("done") : { resultType: "task" });
    // A client of SDK 1.x does not even call a tool whose tasks are required.
    const { tools } = (await peer.askOld("tools/list", {})).result as { tools: { name: string; execution?: object }[] };
    const required = one.mode === "required" && wanted === "refuse";
    expect(tools.find(({ name }) => name === "work")?.execution).toEqual({
      taskSupport: required ? "required" : "optional",
    });
  },
);

const made = (register: Register, options: Partial<TasksExtensionOptions> = {}) => {
  const store = new MemoryTaskStore({ sweepIntervalMs: false });
  return { store, serving: instance(store, register, options) };
};
const plain = { task: "required", withoutTasks: "tools" } as const;

test("a tool whose answers would name tools that are not there is not registered", async () => {
  const refuses = (own: Partial<TasksExtensionOptions>, config: object) => {
    const says: unknown[] = [];
    const { serving } = made((tasks, server) => {
      try {
        tasks.registerTool(server, "work", config, () => text("done"));
      } catch (error) {
        says.push(error);
      }
    }, own);
    serving.newServer();
    return says;
  };
  const refusal = { code: "INVALID_ARGUMENT", message: expect.stringContaining("registerFallbackTools") };
  expect(refuses({}, plain)).toMatchObject([refusal]);
  expect(refuses({ withoutTasks: "tools" }, {})).toMatchObject([refusal]);
  expect(refuses({ withoutTasks: "tools" }, { task: "never" })).toEqual([]);
  expect(refuses({ withoutTasks: "tools" }, { withoutTasks: "inline" })).toEqual([]);
});

test.each(GENERATIONS)("$generation: an output schema is not listed, and still checked", async ({ caller }) => {
  const outputSchema = z.object({ frames: z.number() });
  const { serving, store } = made((tasks, server) => {
    tasks.registerFallbackTools(server);
    for (const task of ["required", () => "never" as const] as const)
      tasks.registerTool(
        server,
        typeof task === "string" ? "task" : "inline",
        { ...plain, task, outputSchema },
        () => ({
          content: [],
          structuredContent: { frames: "three" },
        }),
      );
  });
  await using _ = serving;
  const peer = serving.peer();
  const call = caller(peer);
  const { tools } = (await peer.ask("tools/list", {})).result as { tools: { name: string; outputSchema?: object }[] };
  const listed = tools.filter(({ outputSchema: schema }) => schema).map(({ name }) => name);
  expect(listed.toSorted()).toEqual(["task_answer", "task_cancel", "task_status"]);
  const misfit = { isError: true, text: expect.stringContaining("Invalid structured content") };
  expect(await call("inline")).toMatchObject(misfit);
  const { taskId } = (await call("task")).structured;
  expect(await call("task_result", { taskId })).toMatchObject(misfit);
  await store.close();
});

test.each(GENERATIONS)("$generation: a call that ends within answerWithinMs needs no task", async ({ caller }) => {
  const gate = new Gate();
  const { serving, store } = made((tasks, server) => {
    tasks.registerFallbackTools(server);
    tasks.registerTool(server, "quick", { ...plain, answerWithinMs: 2 ** 31 - 1 }, () => text("done"));
    tasks.registerTool(server, "slow", { ...plain, answerWithinMs: 1 }, async (_, { signal }) => {
      await gate.pass(signal);
      return text("done");
    });
  });
  await using _ = serving;
  const call = caller(serving.peer());
  expect(await call("quick")).toEqual({ isError: false, text: "done", structured: {} });
  expect((await store.listTasks(undefined, { owner: ANY_OWNER })).tasks).toEqual([]);
  const { taskId } = (await call("slow")).structured;
  gate.open();
  expect(await call("task_result", { taskId })).toMatchObject({ text: "done" });
  expect(gate.passed).toBe(1);
  await store.close();
});

test("`prepare` may ask before the task is made", async () => {
  const name = inputRequired.elicit({ message: "Name?", requestedSchema: FORM.requestedSchema as never });
  const { serving, store } = made((tasks, server) => {
    tasks.registerFallbackTools(server);
    const prepare = (_: unknown, { mcpReq }: { mcpReq: { inputResponses?: Record<string, unknown> } }) =>
      mcpReq.inputResponses ? { answers: mcpReq.inputResponses } : inputRequired({ inputRequests: { name } });
    tasks.registerTool(server, "work", { ...plain, prepare }, (_, { context }) => text(JSON.stringify(context)));
  });
  await using _ = serving;
  const peer = serving.peer();
  const call = (more: Json = {}) => peer.ask("tools/call", { name: "work", arguments: {}, ...more }, PLAIN);
  expect((await call()).result).toMatchObject({ resultType: "input_required" });
  const { result } = await call({ inputResponses: { name: { action: "decline" } } });
  expect(result).toMatchObject({ resultType: "complete", structuredContent: { status: "working" } });
  await store.close();
});

test("a question needs no capability, and a question to a model is refused", async () => {
  const { serving, store } = made((tasks, server) => {
    tasks.registerFallbackTools(server);
    tasks.registerTool(server, "ask", plain, async (_, task) => text((await task.elicit(FORM)).action));
    tasks.registerTool(server, "sample", plain, async (_, task) => {
      await task.sample({ messages: [], maxTokens: 1 });
      return text("sampled");
    });
  });
  await using _ = serving;
  const peer = serving.peer();
  const ask = async (name: string, args: Json = {}) =>
    (await peer.ask("tools/call", { name, arguments: args }, {})).result as CallToolResult & {
      structuredContent: Json;
    };
  const { structuredContent } = await ask("ask");
  expect((await ask("task_result", { taskId: structuredContent["taskId"] })).structuredContent).toMatchObject({
    status: "input_required",
  });
  const sampling = (await ask("sample")).structuredContent;
  expect(await ask("task_result", { taskId: sampling["taskId"] })).toMatchObject({
    isError: true,
    content: [{ text: expect.stringContaining('capability "sampling"') }],
  });
  await store.close();
});

test.each(GENERATIONS)("$generation: a tool of tasks.create follows the extension", async ({ caller }) => {
  const register = (tasks: TasksExtension, server: McpServer) => {
    tasks.registerFallbackTools(server, { result: { name: "outcome", description: "Says how it ended." } });
    server.registerTool("own", {}, (ctx) => tasks.create(ctx));
  };
  const { serving, store } = made(register, { withoutTasks: "tools", worker: false });
  await using _ = serving;
  const call = caller(serving.peer());
  const { structured, text: said } = await call("own");
  expect(structured).toMatchObject({ status: "working", next: { tool: "outcome" } });
  expect(said).toContain("Call outcome with");
  expect(await call("outcome", { taskId: structured["taskId"], waitMs: 0 })).toMatchObject({ isError: false });
  const { tools } = (await serving.peer().ask("tools/list", {})).result as { tools: Json[] };
  expect(tools.find(({ name }) => name === "outcome")).toMatchObject({ description: "Says how it ended." });
  await store.close();
});

test.each(GENERATIONS)("$generation: wrong arguments are refused with what is right", async ({ caller }) => {
  const { serving, store } = made((tasks, server) => void tasks.registerFallbackTools(server));
  await using _ = serving;
  const call = caller(serving.peer());
  for (const [name, args, says] of [
    ["task_status", {}, /taskId is missing/],
    ["task_status", { taskId: 7 }, /taskId must be a string/],
    ["task_status", { taskId: "1", waitMs: "5" }, /waitMs must be a number from 0/],
    ["task_result", { taskId: "1", waitMs: -1 }, /waitMs must be a number from 0/],
    ["task_result", { taskId: "1", wait_ms: 5 }, /no argument wait_ms, only taskId, waitMs/],
    ["task_answer", { taskId: "1", action: "agree" }, /action must be one of accept, decline, cancel/],
    ["task_answer", { taskId: "1", content: [] }, /content must be an object/],
  ] as const)
    expect(await call(name, args)).toMatchObject({ isError: true, text: expect.stringMatching(says) });
  await store.close();
});

test("a failure of the store and of the application is a sentence, and only the second is reported", async () => {
  const store = new MemoryTaskStore({ sweepIntervalMs: false });
  const register = (tasks: TasksExtension, server: McpServer) => void tasks.registerFallbackTools(server);
  await using serving = instance(store, register, {
    owner: ({ authInfo }) => {
      if (authInfo) throw new Error("secret");
      return undefined;
    },
  });
  const [{ caller }] = GENERATIONS as [(typeof GENERATIONS)[0]];
  const failed = await caller(serving.peer("Ada"))("task_status", { taskId: "1" });
  expect(failed).toMatchObject({ isError: true, text: expect.not.stringContaining("secret") });
  expect(serving.errors.splice(0).map(String)).toEqual(["Error: secret"]);
  await store.close();
  expect(await caller(serving.peer())("task_status", { taskId: "1" })).toMatchObject({
    isError: true,
    text: expect.stringContaining("cannot reach its tasks at present"),
  });
});

test("on stdio a client without tasks gets the same tools", async () => {
  const { serving, store } = made((tasks, server) => {
    tasks.registerFallbackTools(server);
    tasks.registerTool(server, "work", plain, () => text("done"));
  });
  await using _ = serving;
  const [near, far] = InMemoryTransport.createLinkedPair();
  const handle = serving.tasks.serveStdio(serving.newServer, { transport: far });
  const answers = new Map<unknown, PromiseWithResolvers<Json>>();
  const answerTo = (id: unknown) => {
    const waiting = answers.get(id) ?? Promise.withResolvers<Json>();
    answers.set(id, waiting);
    return waiting;
  };
  const told: unknown[] = [];
  near.onmessage = (message) => {
    if ("method" in message) told.push(message.method);
    else answerTo(message.id).resolve((message as { result: Json }).result);
  };
  await near.start();
  const ask = async (id: number, method: string, params: Json): Promise<Json> => {
    await near.send({ jsonrpc: "2.0", id, method, params });
    return answerTo(id).promise;
  };
  const clientInfo = { name: "test", version: "1.0.0" };
  await ask(1, "initialize", { protocolVersion: "2025-11-25", capabilities: {}, clientInfo });
  await near.send({ jsonrpc: "2.0", method: "notifications/initialized" });
  const { structuredContent } = await ask(2, "tools/call", { name: "work", arguments: {} });
  const { taskId } = structuredContent as { taskId: string };
  expect(await ask(3, "tools/call", { name: "task_result", arguments: { taskId } })).toMatchObject(text("done"));
  // The client did not ask for a task, so it gets no notifications of one.
  expect(told).toEqual([]);
  await handle.close();
  await store.close();
});

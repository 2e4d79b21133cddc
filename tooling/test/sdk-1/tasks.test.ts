import { MODEL_IMMEDIATE_RESPONSE_META_KEY, RELATED_TASK_META_KEY } from "@mcp-task-store/core";
import type { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { CallToolResultSchema, McpError, ResultSchema, type Task } from "@modelcontextprotocol/sdk/types.js";
import { describe, expect, test } from "vitest";
import { aborted, rejection } from "../fixtures/events.ts";
import { call, cancel, DONE, get, held, list, result, useScene } from "../fixtures/sdk-1-scene.ts";
import type { ToolWork } from "../fixtures/sdk-1-server.ts";
import { stores } from "../fixtures/stores.ts";

// A real server and real clients over Streamable HTTP. Expected wire behaviour: MCP 2025-11-25,
// Tasks.

describe.each(stores)("Tasks of SDK 1.x over $name", (kind) => {
  const scene = useScene(kind);

  test("a task is created, and the client gets it at once", async () => {
    const { work, finish } = held();
    const client = await (await scene.start({ work })).connect();
    const { task, _meta } = await call(client, "work", {}, 45_000);
    expect(task).toEqual({
      taskId: expect.stringMatching(/^[0-9a-f]{32}$/),
      status: "working",
      ttl: 45_000,
      createdAt: expect.stringMatching(/Z$/),
      lastUpdatedAt: task.createdAt,
      pollInterval: 5,
    });
    expect(_meta).toEqual({ [MODEL_IMMEDIATE_RESPONSE_META_KEY]: "Started work." });
    // The raw answer: the SDK's own schema drops unknown fields.
    const request = { method: "tasks/get", params: { taskId: task.taskId } } as const;
    expect(await client.request(request, ResultSchema)).toEqual(task);
    finish(DONE);
  });

  test("tasks/result blocks until the task ends, and names it in the result's _meta", async () => {
    const { work, finish } = held();
    const client = await (await scene.start({ work })).connect();
    const { taskId } = (await call(client)).task;
    let settled = false;
    const pending = result(client, taskId).finally(() => {
      settled = true;
    });
    // Other requests still work meanwhile.
    expect(await get(client, taskId)).toMatchObject({ status: "working" });
    expect(await list(client)).toMatchObject({ tasks: [{ taskId }] });
    expect(settled).toBe(false);
    finish({ ...DONE, _meta: { cost: 3 } });
    expect(await pending).toEqual({ ...DONE, _meta: { cost: 3, [RELATED_TASK_META_KEY]: { taskId } } });
    expect(await get(client, taskId)).toMatchObject({ status: "completed" });
    // The result can be read again.
    expect(await result(client, taskId)).toMatchObject(DONE);
  });

  test("progress of the run is the status message of the task", async () => {
    const { work, finish } = held();
    const reported = Promise.withResolvers<boolean>();
    const tools = {
      work: async (...args: Parameters<ToolWork>) => {
        reported.resolve(await args[0].progress("1 of 2", { secret: true }));
        return work(...args);
      },
    };
    const client = await (await scene.start(tools)).connect();
    const { taskId } = (await call(client)).task;
    await reported.promise;
    const task = await get(client, taskId);
    expect(task).toMatchObject({ status: "working", statusMessage: "1 of 2" });
    expect(JSON.stringify(task)).not.toContain("secret");
    finish(DONE);
  });

  test("the client's own stream of a call ends with the result", async () => {
    const client = await (await scene.start({ work: () => DONE })).connect();
    const params = { name: "work", arguments: {} };
    const seen: string[] = [];
    for await (const message of client.experimental.tasks.callToolStream(params, CallToolResultSchema, {
      task: { ttl: 60_000 },
    })) {
      if (!seen.includes(message.type)) seen.push(message.type);
      if (message.type === "result") expect(message.result).toMatchObject(DONE);
    }
    expect(seen).toEqual(["taskCreated", "taskStatus", "result"]);
  });

  test("tasks/list pages through all tasks in order of creation", async () => {
    const { work, finish } = held();
    const client = await (await scene.start({ work })).connect();
    const created: string[] = [];
    for (let index = 0; index < 23; index += 1) created.push((await call(client)).task.taskId);
    const pages: Task[][] = [];
    let cursor: string | undefined;
    do {
      const page = await list(client, cursor);
      pages.push(page.tasks);
      cursor = page.nextCursor;
    } while (cursor !== undefined);
    expect(pages.map((page) => page.length)).toEqual([10, 10, 3]);
    expect(pages.flat().map(({ taskId }) => taskId)).toEqual(created);
    const [first] = (await client.request({ method: "tasks/list" }, ResultSchema))["tasks"] as unknown[];
    expect(first).toEqual(pages[0]?.[0]);
    finish(DONE);
  });

  test("a cursor that did not come from the store is refused", async () => {
    const client = await (await scene.start({})).connect();
    const error = await rejection(list(client, "page-2"));
    expect(error).toMatchObject({ code: -32602, message: expect.stringContaining("Invalid cursor") });
  });

  test("tasks/cancel reaches the handler that runs", async () => {
    const { work, finish, signal } = held();
    const server = await scene.start({ work });
    const client = await server.connect();
    const { taskId } = (await call(client)).task;
    // Otherwise the cancel could come before the work begins.
    const started = await signal;
    const pending = rejection(result(client, taskId));
    expect(await cancel(client, taskId)).toMatchObject({ taskId, status: "cancelled" });
    expect(await aborted(started)).toMatchObject({ code: "TASK_TERMINAL", status: "cancelled" });
    finish(DONE);
    expect(await server.runs.get(taskId)).toMatchObject({ stored: false, status: "cancelled", result: DONE });
    expect(await get(client, taskId)).toMatchObject({ status: "cancelled" });
    expect(await pending).toMatchObject({ code: -32603, message: expect.stringContaining("has no result stored") });
  });

  test("a task that has ended cannot be cancelled", async () => {
    const client = await (await scene.start({ work: () => DONE })).connect();
    const { taskId } = (await call(client)).task;
    await result(client, taskId);
    const error = await rejection(cancel(client, taskId));
    expect(error).toMatchObject({
      code: -32602,
      message: expect.stringContaining("Cannot cancel task in terminal status: completed"),
    });
    expect(await result(client, taskId)).toMatchObject(DONE);
  });

  test("a tool that throws a JSON-RPC error fails its task with it", async () => {
    const tools: Record<string, ToolWork> = {
      work: () => {
        throw new McpError(-32042, "the city is not on the map", { city: "Atlantis" });
      },
    };
    const client = await (await scene.start(tools)).connect();
    const { taskId } = (await call(client)).task;
    expect(await rejection(result(client, taskId))).toMatchObject({
      code: -32042,
      message: expect.stringContaining("the city is not on the map"),
      data: { city: "Atlantis" },
    });
    expect(await get(client, taskId)).toMatchObject({ status: "failed" });
  });

  test("a tool whose result is an error fails its task with that result", async () => {
    const failure = { content: [{ type: "text", text: "no such city" }], isError: true };
    const client = await (await scene.start({ work: () => failure })).connect();
    const { taskId } = (await call(client)).task;
    expect(await result(client, taskId)).toMatchObject(failure);
    expect(await get(client, taskId)).toMatchObject({ status: "failed" });
  });

  test("an id from another store is not found", async () => {
    const client = await (await scene.start({})).connect();
    for (const taskId of ["", "missing", "../etc/passwd", "\0", "x".repeat(1000), "\ud800"]) {
      expect(await rejection(get(client, taskId))).toMatchObject({ code: -32602 });
      expect(await rejection(result(client, taskId))).toMatchObject({ code: -32602 });
      expect(await rejection(cancel(client, taskId))).toMatchObject({ code: -32602 });
    }
  });

  test("a tool that uses only the SDK's own calls works, with progress and result", async () => {
    const works: Promise<void>[] = [];
    const prepare = (mcp: McpServer) =>
      mcp.experimental.tasks.registerToolTask(
        "plain",
        { execution: { taskSupport: "optional" } },
        {
          async createTask({ taskStore }) {
            const task = await taskStore.createTask({ ttl: 60_000, pollInterval: 1, context: { note: "of the tool" } });
            const work = async () => {
              await taskStore.updateTaskStatus(task.taskId, "working", "1 of 2");
              await taskStore.storeTaskResult(task.taskId, "completed", DONE);
            };
            works.push(work());
            return { task };
          },
          getTask: ({ taskStore, taskId }) => taskStore.getTask(taskId),
          getTaskResult: async ({ taskStore, taskId }) => ({ content: [], ...(await taskStore.getTaskResult(taskId)) }),
        },
      );
    const client = await (await scene.start({}, { prepare })).connect();
    const { taskId } = (await call(client, "plain")).task;
    await Promise.all(works);
    expect(await get(client, taskId)).toMatchObject({ status: "completed", statusMessage: "1 of 2" });
    expect(await result(client, taskId)).toMatchObject(DONE);
    // Without `task`, the SDK waits for the task on the server.
    expect(await client.callTool({ name: "plain" })).toEqual(DONE);
    expect((await list(client)).tasks).toHaveLength(2);
    await Promise.all(works);
  });
});

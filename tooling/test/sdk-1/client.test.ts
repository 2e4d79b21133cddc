import { ANY_OWNER, RELATED_TASK_META_KEY } from "@mcp-task-store/core";
import {
  EmptyResultSchema,
  McpError,
  PingRequestSchema,
  type Task,
  TaskStatusNotificationSchema,
} from "@modelcontextprotocol/sdk/types.js";
import { describe, expect, test } from "vitest";
import { aborted, rejection } from "../fixtures/events.ts";
import { FORM, QUESTION, useTaskClients, ways } from "../fixtures/sdk-1-requestor.ts";
import { FILLED_IN, held, SAID } from "../fixtures/sdk-1-task-client.ts";
import { stores } from "../fixtures/stores.ts";

// Tasks in the other direction: the server asks, and the client answers by a task in its own store.
// Expected behaviour: MCP 2025-11-25, Tasks, where either side may be the requestor.

describe.each(stores)("Tasks of clients of SDK 1.x over $name", (kind) => {
  const clients = useTaskClients(kind);

  describe.each(ways)("talking over %s", (way) => {
    test("a sampling task is created at once, polled, and answered", async () => {
      const { answer, finish, task } = held();
      const { client, requestor } = await clients.converse(way, { answer });
      const created = await requestor.sample(45_000);
      const { taskId } = created;
      expect(created).toEqual({
        taskId: expect.stringMatching(/^[0-9a-f]{32}$/),
        status: "working",
        ttl: 45_000,
        createdAt: expect.stringMatching(/Z$/),
        lastUpdatedAt: created.createdAt,
        pollInterval: 5,
      });
      expect(await clients.other.getRecord(taskId, { owner: ANY_OWNER })).toMatchObject({
        owner: client.transport?.sessionId,
        name: "sampling/createMessage",
        request: { method: "sampling/createMessage", params: QUESTION },
      });

      const work = await task;
      expect(work.request.params).toMatchObject(QUESTION);
      expect(await work.progress("half of it")).toBe(true);
      expect(await requestor.get(taskId)).toMatchObject({ status: "working", statusMessage: "half of it" });
      let settled = false;
      const pending = requestor.sampled(taskId).finally(() => {
        settled = true;
      });
      // Other requests still work meanwhile.
      expect(await requestor.list()).toMatchObject({ tasks: [{ taskId }] });
      expect(settled).toBe(false);
      finish(SAID);
      expect(await pending).toEqual({ ...SAID, _meta: { [RELATED_TASK_META_KEY]: { taskId } } });
      expect(await requestor.get(taskId)).toMatchObject({ status: "completed" });
      expect(await client.runs.get(taskId)).toMatchObject({ stored: true, status: "completed" });
    });

    test("an elicitation task is created at once, polled, and answered", async () => {
      const { answer, finish, task } = held();
      const { requestor } = await clients.converse(way, { answer });
      const { taskId } = await requestor.elicit();
      expect((await task).request).toMatchObject({ method: "elicitation/create", params: FORM });
      expect(await requestor.get(taskId)).toMatchObject({ status: "working" });
      const pending = requestor.elicited(taskId);
      finish(FILLED_IN);
      expect(await pending).toEqual({ ...FILLED_IN, _meta: { [RELATED_TASK_META_KEY]: { taskId } } });
      expect(await requestor.get(taskId)).toMatchObject({ status: "completed" });
      // The result can be read again.
      expect(await requestor.elicited(taskId)).toMatchObject(FILLED_IN);
    });

    test("a cancellation by the server aborts the client's work and drops its late answer", async () => {
      const { answer, finish, task } = held();
      const { client, requestor } = await clients.converse(way, { answer });
      const { taskId } = await requestor.sample();
      const { signal } = await task;
      const pending = rejection(requestor.sampled(taskId));
      expect(await requestor.cancel(taskId)).toMatchObject({ taskId, status: "cancelled" });
      expect(await aborted(signal)).toMatchObject({ code: "TASK_TERMINAL", status: "cancelled" });
      finish(SAID);
      expect(await client.runs.get(taskId)).toMatchObject({ stored: false, status: "cancelled", result: SAID });
      expect(await requestor.get(taskId)).toMatchObject({ status: "cancelled" });
      expect(await pending).toMatchObject({ code: -32603, message: expect.stringContaining("has no result stored") });
      expect(await rejection(requestor.cancel(taskId))).toMatchObject({
        code: -32602,
        message: expect.stringContaining("Cannot cancel task in terminal status: cancelled"),
      });
    });

    test("a refusal by the user fails the task, and the server gets the error", async () => {
      const answer = () => {
        throw new McpError(-1, "User rejected sampling request", { by: "ann" });
      };
      const { client, requestor } = await clients.converse(way, { answer });
      const { taskId } = await requestor.sample();
      expect(await rejection(requestor.sampled(taskId))).toMatchObject({
        code: -1,
        message: expect.stringContaining("User rejected sampling request"),
        data: { by: "ann" },
      });
      expect(await requestor.get(taskId)).toMatchObject({ status: "failed" });
      expect(await client.runs.get(taskId)).toMatchObject({ stored: true, status: "failed" });
    });
  });

  test("the SDK's own server streams deliver the answer, and the end of a cancelled task", async () => {
    const { answer, finish, task } = held();
    const { requestor } = await clients.converse("a pair of pipes", {
      answer: (context) => (context.request.method === "elicitation/create" ? FILLED_IN : answer(context)),
    });
    const { tasks } = requestor.mcp.server.experimental;
    const seen: string[] = [];
    for await (const message of tasks.elicitInputStream(FORM, { task: { ttl: 60_000 } })) {
      if (!seen.includes(message.type)) seen.push(message.type);
      if (message.type === "result") expect(message.result).toMatchObject(FILLED_IN);
    }
    expect(seen).toEqual(["taskCreated", "taskStatus", "result"]);

    let last: unknown;
    for await (const message of tasks.createMessageStream(QUESTION, { task: { ttl: 60_000 } })) {
      last = message;
      if (message.type !== "taskCreated") continue;
      // Otherwise the cancel could come before the work begins.
      await task;
      await requestor.cancel(message.task.taskId);
    }
    expect(last).toMatchObject({ type: "error", error: { message: expect.stringContaining("was cancelled") } });
    await aborted((await task).signal);
    finish(SAID);
  });

  test("a server lists tasks of every kind page by page, in order of creation", async () => {
    const { requestor } = await clients.converse("Streamable HTTP");
    const created: string[] = [];
    for (let index = 0; index < 13; index += 1)
      created.push((await (index % 2 === 0 ? requestor.sample() : requestor.elicit())).taskId);
    const pages: Task[][] = [];
    let cursor: string | undefined;
    do {
      const page = await requestor.list(cursor);
      pages.push(page.tasks);
      cursor = page.nextCursor;
    } while (cursor !== undefined);
    expect(pages.map((page) => page.length)).toEqual([10, 3]);
    expect(pages.flat().map(({ taskId }) => taskId)).toEqual(created);
    expect(await rejection(requestor.list("page-2"))).toMatchObject({
      code: -32602,
      message: expect.stringContaining("Invalid cursor"),
    });
  });

  test("a task is gone after its ttl, for every method", async () => {
    const { requestor } = await clients.converse("a pair of pipes", { answer: () => SAID });
    const { taskId } = await requestor.sample(10_000);
    expect(await requestor.sampled(taskId)).toMatchObject(SAID);
    await clients.place.skip(10_001);
    for (const id of [taskId, "", "missing", "\ud800"])
      for (const error of await Promise.all([
        rejection(requestor.get(id)),
        rejection(requestor.sampled(id)),
        rejection(requestor.cancel(id)),
      ]))
        expect(error).toMatchObject({ code: -32602, message: expect.stringMatching(/not found/i) });
    expect(await requestor.list()).toMatchObject({ tasks: [] });
  });

  test("a client that uses only the SDK's own calls notifies the server of each change", async () => {
    const { client, requestor } = await clients.converse("Streamable HTTP");
    const told: unknown[] = [];
    const [ended, done] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    requestor.mcp.server.setNotificationHandler(TaskStatusNotificationSchema, ({ params }) => {
      told.push([params.taskId, params.status, params.statusMessage]);
      if (params.status === "completed") ended.resolve();
    });
    client.onQuestion = async ({ taskId }, { taskStore }) => {
      await taskStore?.updateTaskStatus(taskId, "working", "1 of 2");
      await taskStore?.storeTaskResult(taskId, "completed", SAID);
      done.resolve();
    };
    const { taskId } = await requestor.sample();
    expect(await requestor.sampled(taskId)).toMatchObject(SAID);
    await Promise.all([ended.promise, done.promise]);
    expect(told).toEqual([
      [taskId, "working", "1 of 2"],
      [taskId, "completed", "1 of 2"],
    ]);
  });

  test("a client's question within a task is queued until the server waits for the result", async () => {
    const { client, requestor } = await clients.converse("a pair of pipes", {
      async answer({ taskId }) {
        await client.request({ method: "ping" }, EmptyResultSchema, { relatedTask: { taskId } });
        return SAID;
      },
    });
    const asked: unknown[] = [];
    requestor.mcp.server.setRequestHandler(PingRequestSchema, (_request, { _meta }) => {
      asked.push(_meta?.[RELATED_TASK_META_KEY]);
      return {};
    });
    const { taskId } = await requestor.sample();
    expect(await requestor.get(taskId)).toMatchObject({ status: "working" });
    expect(asked).toEqual([]);
    expect(await requestor.sampled(taskId)).toMatchObject(SAID);
    expect(asked).toEqual([{ taskId }]);
  });
});

import { ANY_OWNER, RELATED_TASK_META_KEY, type TaskStore } from "@mcp-task-store/core";
import type { SerializedTaskReference } from "@modelcontextprotocol/ext-tasks/client";
import { ResultSchema } from "@modelcontextprotocol/sdk/types.js";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { callAsTask, connectHttp, type LegacyClient, resultOf } from "./support/legacy.ts";
import { connectModern, type ModernClient } from "./support/modern.ts";
import { places } from "./support/places.ts";
import { type Instance, listen, sessionInstance, statelessInstance } from "./support/servers.ts";

// Both generations read one record, so a user with two clients, or an updated one, finds the same
// tasks.

const instances: readonly [string, (store: TaskStore) => Instance][] = [
  ["sessions", sessionInstance],
  ["no sessions", statelessInstance],
];

describe.each(places.flatMap((place) => instances.map(([how, instance]) => ({ ...place, how, instance }))))(
  "Both generations at one server over $name, with $how",
  ({ make, instance }) => {
    let cleanUp: AsyncDisposableStack;
    let store: TaskStore;
    let url: string;
    let legacy: LegacyClient;
    let modern: ModernClient;

    beforeEach(async () => {
      cleanUp = new AsyncDisposableStack();
      store = cleanUp.use(await make()).open();
      ({ url } = cleanUp.use(await listen(cleanUp.use(instance(store)))));
      legacy = cleanUp.use(await connectHttp(url, { user: "ada", answers: false }));
      modern = cleanUp.use(await connectModern(url, { user: "ada" }));
    });
    afterEach(() => cleanUp.disposeAsync());

    const until = (taskId: string, ...statuses: ("input_required" | "completed" | "failed")[]) =>
      store.waitForTask(taskId, { owner: ANY_OWNER, until: statuses });
    const get = (taskId: string) =>
      legacy.client.request({ method: "tasks/get", params: { taskId } }, ResultSchema) as Promise<
        Record<string, unknown>
      >;

    async function made(tool: string, args = {}): Promise<SerializedTaskReference> {
      const execution = await modern.session.callTool(tool, args);
      if (execution.kind !== "task") throw new Error("The call was answered at once");
      const reference = execution.serializeReference();
      await execution.detach();
      return reference;
    }

    test("a task of 2026-07-28 is read by a client of 2025-11-25", async () => {
      const { taskId } = await made("add", { a: 2, b: 3 });
      await until(taskId, "completed");
      const times = { createdAt: expect.any(String), lastUpdatedAt: expect.any(String) };
      expect(await get(taskId)).toEqual({ taskId, status: "completed", ttl: 3_600_000, pollInterval: 20, ...times });
      expect(await legacy.client.experimental.tasks.listTasks()).toMatchObject({ tasks: [{ taskId }] });
      expect(await resultOf(legacy, taskId)).toEqual({
        content: [{ type: "text", text: "5" }],
        structuredContent: { sum: 5 },
        _meta: { [RELATED_TASK_META_KEY]: { taskId } },
      });
    });

    test("a task of 2025-11-25 is read by a client of 2026-07-28", async () => {
      const { taskId } = (await callAsTask(legacy, "add", { a: 2, b: 3 }, { ttl: 60_000 })).task;
      await until(taskId, "completed");
      const times = { createdAt: expect.any(String), lastUpdatedAt: expect.any(String) };
      expect(await modern.request("tasks/get", { taskId })).toEqual({
        kind: "result",
        result: {
          resultType: "complete",
          taskId,
          status: "completed",
          ttlMs: 60_000,
          pollIntervalMs: 20,
          ...times,
          result: { resultType: "complete", content: [{ type: "text", text: "5" }], structuredContent: { sum: 5 } },
          _meta: expect.anything(),
        },
      });
    });

    test("a client of 2025-11-25 answers the question of a task of 2026-07-28", async () => {
      const { taskId } = await made("ask_name");
      await until(taskId, "input_required");
      const answering = cleanUp.use(await connectHttp(url, { user: "ada", name: "Grace" }));
      expect(await resultOf(answering, taskId)).toMatchObject({ content: [{ text: "Hello, Grace!" }] });
    });

    test("a client of 2026-07-28 answers the question of a task of 2025-11-25", async () => {
      const { taskId } = (await callAsTask(legacy, "ask_name")).task;
      await until(taskId, "input_required");
      const pending = resultOf(legacy, taskId);
      const reference = { endpointId: "clients-test", generation: "v2", taskId, originalOperation: "tools/call" };
      const resumed = await modern.session.resumeTask(reference as SerializedTaskReference);
      expect((await resumed.settle()).outcome).toMatchObject({ result: { content: [{ text: "Hello, Ada!" }] } });
      expect(await pending).toMatchObject({ content: [{ text: "Hello, Ada!" }] });
    });

    test("an error of the tool is `failed` under 2025-11-25 and a result under 2026-07-28", async () => {
      const { taskId } = await made("refuse");
      await until(taskId, "completed", "failed");
      expect(await get(taskId)).toMatchObject({ status: "failed" });
      expect(await resultOf(legacy, taskId)).toMatchObject({ isError: true, content: [{ text: "Refused" }] });
      const { task } = await callAsTask(legacy, "refuse");
      await until(task.taskId, "completed", "failed");
      expect(await modern.request("tasks/get", { taskId: task.taskId })).toMatchObject({
        result: { status: "completed", result: { isError: true, content: [{ text: "Refused" }] } },
      });
    });

    test("each generation cancels tasks of the other", async () => {
      const { taskId } = await made("wait");
      expect(await legacy.client.experimental.tasks.cancelTask(taskId)).toMatchObject({ status: "cancelled" });
      expect(await modern.request("tasks/get", { taskId })).toMatchObject({ result: { status: "cancelled" } });
      const { task } = await callAsTask(legacy, "wait");
      expect(await modern.request("tasks/cancel", { taskId: task.taskId })).toMatchObject({ kind: "result" });
      expect(await get(task.taskId)).toMatchObject({ status: "cancelled" });
    });

    test("another user's task is unknown under both generations", async () => {
      const { taskId } = await made("wait");
      const eve = cleanUp.use(await connectHttp(url, { user: "eve" }));
      const modernEve = cleanUp.use(await connectModern(url, { user: "eve" }));
      const notFound = { code: -32_602 };
      await expect(resultOf(eve, taskId)).rejects.toMatchObject(notFound);
      await expect(eve.client.experimental.tasks.cancelTask(taskId)).rejects.toMatchObject(notFound);
      expect(await eve.client.experimental.tasks.listTasks()).toEqual({ tasks: [] });
      for (const method of ["tasks/get", "tasks/cancel"])
        expect(await modernEve.request(method, { taskId })).toMatchObject({ kind: "error", error: notFound });
      expect(await get(taskId)).toMatchObject({ status: "working" });
    });

    test("neither generation reaches methods that only the other has", async () => {
      const { taskId } = await made("wait");
      for (const method of ["tasks/result", "tasks/list"])
        expect(await modern.request(method, { taskId })).toMatchObject({ error: { code: -32_601 } });
      const params = { taskId, inputResponses: {} };
      await expect(
        legacy.client.request({ method: "tasks/update", params } as never, ResultSchema),
      ).rejects.toMatchObject({ code: -32_601 });
    });
  },
);

import { ANY_OWNER, RELATED_TASK_META_KEY, type TaskStore } from "@mcp-task-store/core";
import { CallToolResultSchema, ResultSchema, type Task } from "@modelcontextprotocol/sdk/types.js";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import {
  callAsTask,
  connectHttp,
  connectStdio,
  type LegacyClient,
  type LegacyOptions,
  resultOf,
  streamed,
} from "./support/legacy.ts";
import { inFile, type Place } from "./support/places.ts";
import { listen, sessionInstance, statelessInstance } from "./support/servers.ts";

// Clients of SDK 1.x, which speak 2025-11-25, in the three ways that a server on SDK 2.x can serve.

type Connect = (options?: LegacyOptions) => Promise<LegacyClient>;

interface Way {
  name: string;
  /** Whether there is a connection between requests. */
  lasting: boolean;
  /** Each client starts a process, so tests that need no client of their own share one. */
  process?: true;
  start: (place: Place, cleanUp: AsyncDisposableStack) => Promise<Connect>;
}

const ways: readonly Way[] = [
  {
    name: "stdio",
    lasting: true,
    process: true,
    start: async (place, cleanUp) => async (options) => cleanUp.use(await connectStdio(place.path as string, options)),
  },
  {
    name: "Streamable HTTP with sessions",
    lasting: true,
    start: async (place, cleanUp) => {
      const { url } = cleanUp.use(await listen(cleanUp.use(sessionInstance(place.open()))));
      return async (options) => cleanUp.use(await connectHttp(url, { user: "ada", ...options }));
    },
  },
  {
    name: "Streamable HTTP without sessions, at two servers in turn",
    lasting: false,
    start: async (place, cleanUp) => {
      const instances = [1, 2].map(() => cleanUp.use(statelessInstance(place.open())));
      const { url } = cleanUp.use(await listen(...instances));
      return async (options) => cleanUp.use(await connectHttp(url, { user: "ada", ...options }));
    },
  },
];

describe.each(ways)("The client of SDK 1.x over $name", ({ lasting, process, start }) => {
  const cleanUp = new AsyncDisposableStack();
  let store: TaskStore;
  let connect: Connect;
  let client: LegacyClient;

  beforeAll(async () => {
    const place = cleanUp.use(await inFile());
    store = place.open();
    connect = await start(place, cleanUp);
  });
  beforeEach(async () => {
    if (!client || !process) client = await connect();
  });
  afterAll(() => cleanUp.disposeAsync());

  const text = (text: string) => ({ content: [{ type: "text", text }] });
  const until = (taskId: string, ...statuses: ("input_required" | "completed" | "failed" | "cancelled")[]) =>
    store.waitForTask(taskId, { owner: ANY_OWNER, until: statuses });

  const askedFor = (taskId: string) => client.asked.filter((question) => question.taskId === taskId);

  async function listed({ client }: LegacyClient, cursor?: string): Promise<Task[]> {
    const { tasks, nextCursor } = await client.experimental.tasks.listTasks(cursor);
    return nextCursor === undefined ? tasks : [...tasks, ...(await listed({ client } as LegacyClient, nextCursor))];
  }

  test("sees in tools/list which tools make tasks", async () => {
    const { tools } = await client.client.listTools();
    const support = Object.fromEntries(tools.map(({ name, execution }) => [name, execution?.taskSupport]));
    expect(support).toMatchObject({ add: "optional", ask_name: "required", quick: "optional" });
    expect(support["echo"]).toBeUndefined();
    expect(client.client.getServerCapabilities()?.tasks).toEqual({
      list: {},
      cancel: {},
      requests: { tools: { call: {} } },
    });
  });

  test("makes a task, reads, lists and cancels it", async () => {
    const params = { name: "wait", arguments: {}, task: { ttl: 60_000 } };
    // The raw answer: the SDK's own schemas drop unknown fields.
    const created = await client.client.request({ method: "tools/call", params }, ResultSchema);
    const task = {
      taskId: expect.any(String),
      status: "working",
      ttl: 60_000,
      createdAt: expect.stringMatching(/Z$/),
      lastUpdatedAt: expect.stringMatching(/Z$/),
      pollInterval: 20,
    };
    expect(created).toEqual({ task });
    const { taskId } = created["task"] as { taskId: string };
    const get = () => client.client.request({ method: "tasks/get", params: { taskId } }, ResultSchema);
    await store.waitForTask(taskId, { owner: ANY_OWNER, until: "change", after: 1 });
    expect(await get()).toEqual({ ...task, taskId, statusMessage: "waiting" });
    expect(await listed(client)).toContainEqual({ ...task, taskId, statusMessage: "waiting" });
    const pending = expect(resultOf(client, taskId)).rejects.toMatchObject({ code: -32_602 });
    const cancelled = await client.client.request({ method: "tasks/cancel", params: { taskId } }, ResultSchema);
    expect(cancelled).toMatchObject({ ...task, taskId, status: "cancelled" });
    expect(await get()).toEqual(cancelled);
    await pending;
    await expect(client.client.experimental.tasks.cancelTask(taskId)).rejects.toMatchObject({ code: -32_602 });
  });

  test("gets the result any number of times", async () => {
    const { taskId } = (await callAsTask(client, "add", { a: 2, b: 3 })).task;
    const related = { [RELATED_TASK_META_KEY]: { taskId } };
    for (let times = 0; times < 2; times += 1)
      expect(await resultOf(client, taskId)).toEqual({ ...text("5"), structuredContent: { sum: 5 }, _meta: related });
  });

  test("drives a call by callToolStream", async () => {
    await client.client.listTools();
    const messages = await streamed(client, "add", { a: 2, b: 3 });
    expect(messages[0]).toMatchObject({ type: "taskCreated", task: { ttl: 3_600_000 } });
    expect(messages.at(-1)).toMatchObject({ type: "result", result: { structuredContent: { sum: 5 } } });
  });

  test("answers a question of a task over tasks/result once", async () => {
    const { taskId } = (await callAsTask(client, "ask_patiently")).task;
    await until(taskId, "input_required");
    // Without a lasting connection, two servers ask on two streams.
    const streams = Array.from({ length: lasting ? 2 : 1 }, () => resultOf(client, taskId));
    for (const result of await Promise.all(streams)) expect(result).toMatchObject(text("Hello, Ada!"));
    expect(askedFor(taskId)).toEqual([{ method: "elicitation/create", taskId }]);
  });

  test.each([
    ["ask_name", "Hello, Ada!"],
    ["ask_model", "deep: 42"],
  ])("answers %s by callToolStream", async (tool, answer) => {
    const messages = await streamed(client, tool);
    expect(messages.at(-1)).toMatchObject({ type: "result", result: text(answer) });
    const [first] = messages;
    expect(askedFor(first?.type === "taskCreated" ? first.task.taskId : "")).not.toEqual([]);
  });

  test("sees how a task failed", async () => {
    const { taskId } = (await callAsTask(client, "break")).task;
    await until(taskId, "failed");
    expect(await client.client.experimental.tasks.getTask(taskId)).toMatchObject({ status: "failed" });
    await expect(resultOf(client, taskId)).rejects.toMatchObject({ code: -32_050, data: { part: 7 } });
  });

  test.each([
    ["refuse", "Refused"],
    ["throw", "Thrown"],
  ])("sees an error of the tool as a failure with a result (%s)", async (tool, message) => {
    const { taskId } = (await callAsTask(client, tool)).task;
    expect(await resultOf(client, taskId)).toMatchObject({ ...text(message), isError: true });
    expect(await client.client.experimental.tasks.getTask(taskId)).toMatchObject({ status: "failed" });
  });

  test("gets an error if a tool requires or forbids a task and the call does not fit", async () => {
    const plain = (name: string, args = {}) =>
      client.client.request({ method: "tools/call", params: { name, arguments: args } }, CallToolResultSchema);
    await expect(plain("wait")).rejects.toMatchObject({ code: -32_601 });
    await expect(callAsTask(client, "echo", { say: "Hi" })).rejects.toMatchObject({ code: -32_601 });
    expect(await plain("echo", { say: "Hi" })).toEqual(text("Hi"));
    expect(await plain("add", { a: 2, b: 3 })).toEqual({ ...text("5"), structuredContent: { sum: 5 } });
  });

  test("gets an error for an unknown task", async () => {
    const { tasks } = client.client.experimental;
    for (const call of [tasks.getTask("none"), tasks.cancelTask("none"), resultOf(client, "none")])
      await expect(call).rejects.toMatchObject({ code: -32_602 });
  });

  test.runIf(lasting)("gets a notification for each status", async () => {
    const { taskId } = (await callAsTask(client, "ask_name")).task;
    await client.toldOf(taskId, "input_required");
    expect(await resultOf(client, taskId)).toMatchObject(text("Hello, Ada!"));
    const last = await client.toldOf(taskId, "completed");
    expect(last).toMatchObject({ ttl: 3_600_000, pollInterval: 20 });
    // Quick changes may be merged into one notification.
    const told = client.told.filter((task) => task.taskId === taskId).map(({ status }) => status);
    expect(told.filter((status) => status !== "working")).toEqual(["input_required", "completed"]);
    expect(told.at(-1)).toBe("completed");
  });

  test.runIf(lasting)("gets questions without tasks/result if it does not call that", async () => {
    const { taskId } = (await callAsTask(client, "ask_name")).task;
    await until(taskId, "completed");
    expect(askedFor(taskId)).toEqual([{ method: "elicitation/create", taskId }]);
  });

  test.runIf(lasting)("gets questions during a call without a task", async () => {
    const result = await client.client.callTool({ name: "quick", arguments: { how: "ask" } });
    expect(result).toEqual(text("Hello, Ada!"));
    expect(client.asked.at(-1)).toEqual({ method: "elicitation/create", taskId: undefined });
  });

  test.runIf(lasting)("gets no question that it did not declare support for", async () => {
    const deaf = await connect({ capabilities: {} });
    const { taskId } = (await callAsTask(deaf, "ask_name")).task;
    const result = await resultOf(deaf, taskId);
    expect(result).toMatchObject({ isError: true, content: [{ text: expect.stringContaining('"elicitation"') }] });
  });

  test.runIf(!lasting)("answers with an error to a request that it does not support", async () => {
    const deaf = await connect({ capabilities: {} });
    const { taskId } = (await callAsTask(deaf, "ask_name")).task;
    await expect(resultOf(deaf, taskId)).rejects.toMatchObject({ code: -32_601 });
  });

  test("finds its tasks again after a reconnect", async () => {
    // This client does not answer before it is closed.
    const first = await connect({ answers: false });
    const { taskId } = (await callAsTask(first, "ask_name")).task;
    await until(taskId, "input_required");
    await first.client.close();
    const again = await connect({ name: "Grace" });
    expect(await listed(again)).toContainEqual(expect.objectContaining({ taskId, status: "input_required" }));
    expect(await resultOf(again, taskId)).toMatchObject(text("Hello, Grace!"));
  });
});

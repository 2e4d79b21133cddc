import type { Result, RunTaskOptions, Task, TaskHandler, TaskMessageQueue, TaskStore } from "@mcp-task-store/core";
import {
  ANY_OWNER,
  isTaskStoreError,
  isTerminal,
  JsonRpcError,
  runTask,
  startWorker,
  type TaskStoreErrorCode,
  type TerminalStatus,
} from "@mcp-task-store/core";
import { MemoryStorage, MemoryTaskStore } from "@mcp-task-store/memory";
import { SqliteTaskStore } from "@mcp-task-store/sqlite";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import type * as sdk from "@modelcontextprotocol/sdk/experimental/tasks";
import type { InMemoryTaskMessageQueue, InMemoryTaskStore } from "@modelcontextprotocol/sdk/experimental/tasks";
import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import type {
  CallToolResult,
  CreateMessageRequestParams,
  CreateTaskResult,
  ElicitRequestFormParams,
  Request as SdkRequest,
  Result as SdkResult,
  Task as SdkTask,
} from "@modelcontextprotocol/sdk/types.js";
import { z } from "zod";

// Checked by the compiler, never run. tsconfig.loose.json checks it without
// exactOptionalPropertyTypes.

/** Compiles when a value of the type can stand where an `Expected` is wanted. */
declare function expectType<Expected>(value: Expected): void;
/** Compiles when the types are the same. */
declare function expectSame<A, B>(
  ..._: (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? [] : [never]
): void;

declare const anyStore: TaskStore;
declare const memory: MemoryTaskStore;
declare const sqlite: SqliteTaskStore;

// Our stores and queues are assignable to the SDK's.
expectType<sdk.TaskStore>(anyStore);
expectType<sdk.TaskStore>(memory);
expectType<sdk.TaskStore>(sqlite);
expectType<sdk.TaskMessageQueue>(anyStore.messages);
expectType<sdk.TaskMessageQueue>(memory.messages);
expectType<sdk.TaskMessageQueue>(sqlite.messages);
expectType<TaskStore>(memory);
expectType<TaskStore>(sqlite);

// In reverse, code for our types accepts the SDK's values.
declare const sdkQueue: InMemoryTaskMessageQueue;
declare const sdkStore: InMemoryTaskStore;
declare const ourTask: Task;
declare const theirTask: SdkTask;
declare const theirResult: SdkResult;
declare const ourResult: Result;
declare const theirRequest: SdkRequest;
declare const message: sdk.QueuedMessage;
expectType<SdkTask>(ourTask);
expectType<Task>(theirTask);
expectType<SdkResult>(ourResult);
expectType<Result>(theirResult);
expectType<TaskMessageQueue>(sdkQueue);
expectType<Pick<TaskStore, "getTask" | "storeTaskResult" | "getTaskResult" | "updateTaskStatus" | "listTasks">>(
  sdkStore,
);
expectSame<Task["status"], SdkTask["status"]>();
// @ts-expect-error A store of the SDK is no durable store.
expectType<TaskStore>(sdkStore);

// The README's code for server authors.
const info = { name: "server", version: "1.0.0" };
const capabilities = { tasks: { list: {}, cancel: {}, requests: { tools: { call: {} } } } };
export const server = new McpServer(info, { capabilities, taskStore: sqlite, taskMessageQueue: sqlite.messages });
export const client = new Client(info, { taskStore: memory, taskMessageQueue: memory.messages });

new MemoryTaskStore();
new MemoryTaskStore({ storage: new MemoryStorage({ clock: { now: () => 0 } }), isolation: "strict" });
export const configured = new SqliteTaskStore({
  path: "tasks.db",
  owner: (sessionId) => (sessionId === undefined ? undefined : `session ${sessionId}`),
  isolation: "sdk",
  pageSize: 20,
  pollInterval: 500,
  limits: { ttl: { default: 60_000, min: 1_000, max: 86_400_000 }, activeTasks: 1_000, payloadBytes: 2 ** 20 },
  sweepIntervalMs: false,
  onError: (error) => expectType<TaskStoreErrorCode>(error.code),
});
// @ts-expect-error A misspelt option.
new SqliteTaskStore({ path: "tasks.db", pagesize: 20 });
// @ts-expect-error A misspelt limit.
new MemoryTaskStore({ limits: { activeTask: 1 } });
// @ts-expect-error Isolation is one of two words.
new MemoryTaskStore({ isolation: "none" });
// @ts-expect-error SQLite needs to know where.
new SqliteTaskStore();

// A tool, as in the README.
declare function measure(city: string, signal: AbortSignal): Promise<CallToolResult>;
server.experimental.tasks.registerToolTask(
  "measure",
  { inputSchema: { city: z.string() } },
  {
    async createTask({ city }, extra): Promise<CreateTaskResult> {
      const task = await extra.taskStore.createTask({ ttl: extra.taskRequestedTtl ?? 60_000 });
      void runTask(sqlite, task.taskId, ({ signal }) => measure(city, signal), { timeoutMs: 60_000 });
      return { task, _meta: { "io.modelcontextprotocol/model-immediate-response": "Measuring." } };
    },
    getTask: (_args, { taskStore, taskId }) => taskStore.getTask(taskId),
    getTaskResult: async (_args, { taskStore, taskId }) => (await taskStore.getTaskResult(taskId)) as CallToolResult,
  },
);
server.experimental.tasks.registerToolTask(
  "withoutInput",
  {},
  {
    // The store's own `createTask` takes options that the SDK's lacks.
    createTask: async ({ requestId, sessionId }) => ({
      task: await sqlite.createTask(
        { ttl: null, claimAfterMs: 0, context: { user: "ann" } },
        requestId,
        { method: "tools/call", params: { name: "withoutInput" } },
        sessionId,
      ),
    }),
    getTask: ({ taskStore, taskId }) => taskStore.getTask(taskId),
    getTaskResult: async ({ taskId }) => (await sqlite.getTaskResult(taskId)) as CallToolResult,
  },
);

export async function whatUsersWrite(taskId: string, signal: AbortSignal): Promise<void> {
  await sqlite.createTask({ ttl: undefined, pollInterval: undefined }, 1, theirRequest);
  await sqlite.createTask({ taskId: "mine" }, "id", {
    method: "tools/call",
    params: { name: "x", arguments: { a: [1] } },
  });
  // @ts-expect-error A duration is a number.
  await sqlite.createTask({ ttl: "1 h" }, 1, theirRequest);
  // @ts-expect-error The name is `ttl`.
  await sqlite.createTask({ TTL: 1 }, 1, theirRequest);

  await sqlite.storeTaskResult(taskId, "completed", theirResult);
  // @ts-expect-error A result comes with completed or failed.
  await anyStore.storeTaskResult(taskId, "cancelled", theirResult);
  // @ts-expect-error No such status.
  await sqlite.updateTaskStatus(taskId, "done");
  await sqlite.finishTask(taskId, { status: "failed", error: { code: -32000, message: "no" } });
  // @ts-expect-error What completed has no error.
  await sqlite.finishTask(taskId, { status: "completed", error: { code: -32000, message: "no" } });
  await sqlite.messages.enqueue(taskId, message, undefined, 10);

  const { task, revision } = await sqlite.waitForTask(taskId, {
    until: ["input_required", "working"],
    after: 3,
    signal,
    timeoutMs: 10,
  });
  await sqlite.waitForTask(taskId, { until: "change", after: revision, owner: ANY_OWNER });
  // @ts-expect-error A list, though of one.
  await sqlite.waitForTask(taskId, { until: "input_required" });
  // @ts-expect-error No such status.
  await sqlite.waitForTask(taskId, { until: ["done"] });
  if (isTerminal(task.status)) expectType<TerminalStatus>(task.status);
  else expectType<"working" | "input_required">(task.status);

  const record = await sqlite.getRecord(taskId);
  expectType<number | undefined>(record?.error?.code);
  expectType<string | undefined>((record?.result as CallToolResult | undefined)?.content[0]?.type);
  await using store = new MemoryTaskStore();
  expectType<TaskStore>(store);

  try {
    await sqlite.getTaskResult(taskId);
  } catch (error) {
    if (error instanceof JsonRpcError) expectType<number>(error.code);
    if (isTaskStoreError(error)) {
      expectType<string | undefined>(error.taskId);
      // @ts-expect-error No such code.
      if (error.code === "NOT_FOUND") return;
      switch (error.code) {
        case "TASK_NOT_FOUND":
        case "TASK_EXPIRED":
          return;
        default:
          expectType<Exclude<TaskStoreErrorCode, "TASK_NOT_FOUND" | "TASK_EXPIRED">>(error.code);
      }
    }
    if (isTaskStoreError(error, "LEASE_LOST")) return;
    // @ts-expect-error No such code.
    if (isTaskStoreError(error, "LOST")) return;
  }
}

declare const question: ElicitRequestFormParams;
declare const prompt: CreateMessageRequestParams;
const typed: TaskHandler = async ({ taskId, request, checkpoint, attempt, elicit, sample, progress, signal }) => {
  expectType<string>(taskId);
  expectType<SdkRequest>(request);
  expectType<unknown>(checkpoint);
  expectType<boolean>(await progress(`attempt ${attempt}`, { next: 3 }));
  const answer = await elicit(question, { key: "city", timeoutMs: 1_000 });
  if (answer.action === "accept") expectType<unknown>(answer.content?.["city"]);
  const sampled = await sample(prompt);
  signal.throwIfAborted();
  return { content: [{ type: "text", text: sampled.model }] } satisfies CallToolResult;
};
export const worker = startWorker(sqlite, { measure: typed }, { concurrency: 2, maxAttempts: 5 });
const options: RunTaskOptions = { leaseMs: 1_000, heartbeatMs: undefined, signal: undefined };
void runTask(memory, "id", typed, options);
void runTask(memory, "id", (): CallToolResult => ({ content: [] }));
void runTask(memory, "id", async (): Promise<CallToolResult> => ({ content: [] }));
// @ts-expect-error A result is an object.
void runTask(memory, "id", () => "done");
// @ts-expect-error A misspelt option.
void runTask(memory, "id", typed, { timeout: 5 });
// @ts-expect-error A worker's leases are its own.
startWorker(sqlite, { measure: typed }, { lease: undefined });

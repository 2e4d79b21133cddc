import assert from "node:assert/strict";
import type { TaskStore } from "../../contract/task-store.ts";
import {
  assertCode,
  createTask,
  endedTask,
  LONG,
  message,
  newTask,
  outcomes,
  RESULT,
  reasonOf,
  refused,
  TERMINAL,
} from "../kit/assertions.ts";
import { defineCase } from "../kit/case.ts";
import { writers } from "./states.ts";

const NOBODY = "no-task-has-this-id";
const SECRET = "s3cr3t-payload";

/** Every call that needs an existing task. */
export function readers(store: TaskStore, taskId: string): Promise<unknown>[] {
  return [
    store.getTaskResult(taskId),
    store.provideInputs(taskId, { q: 1 }),
    store.awaitInput(taskId, "q"),
    store.waitForTask(taskId),
    store.waitForTask(taskId, { until: "change" }),
    store.waitForResult(taskId),
  ];
}

export const errorCases = [
  defineCase("errors/not-found", "A call on an unknown task rejects with TASK_NOT_FOUND and the id.", async (scene) => {
    const store = scene.open();
    for (const { error } of await scene.soon(outcomes([...writers(store, NOBODY), ...readers(store, NOBODY)])))
      assert.equal(assertCode(error, "TASK_NOT_FOUND").taskId, NOBODY);
    assert.equal(await store.getTask(NOBODY), null);
    const lease = { taskId: NOBODY, token: 1, attempt: 1, leaseMs: 1000 };
    for (const call of [store.renewLease(lease), store.releaseLease(lease)]) await refused(call, "TASK_NOT_FOUND");
  }),

  defineCase(
    "errors/one-class",
    "Every error has the same class, a string code and the id of the task.",
    async (scene) => {
      const store = scene.open();
      const taskId = await endedTask(store, "completed");
      for (const call of [store.getTaskResult(NOBODY), store.cancelTask(taskId), store.listTasks("garbage")]) {
        const error = (await reasonOf(call)) as Error & { code: unknown };
        assert(error instanceof Error);
        assert.equal(error.name, "TaskStoreError");
        assert.equal(typeof error.code, "string");
        assert(error.stack?.includes(error.message), "The stack was erased");
      }
      assert.equal((await refused(store.cancelTask(taskId), "TASK_TERMINAL")).taskId, taskId);
    },
  ),

  defineCase(
    "errors/words-of-the-sdk",
    "Messages have the same words as those of the SDK's in-memory store.",
    async (scene) => {
      const store = scene.open();
      const ended = await endedTask(store, "completed");
      const words: [Promise<unknown>, string][] = [
        [store.updateTaskStatus(NOBODY, "working"), `Task with ID ${NOBODY} not found`],
        [store.storeTaskResult(NOBODY, "completed", RESULT), `Task with ID ${NOBODY} not found`],
        [store.getTaskResult(NOBODY), `Task with ID ${NOBODY} not found`],
        [store.storeTaskResult(ended, "completed", RESULT), "Cannot store result for task"],
        [store.updateTaskStatus(ended, "working"), "Cannot update task"],
        [store.getTaskResult(await newTask(store)), "has no result stored"],
        [store.listTasks("garbage"), "Invalid cursor"],
        [store.messages.enqueue("full", message(1), undefined, 0), "overflow"],
      ];
      for (const [call, text] of words) {
        const error = (await reasonOf(call)) as Error;
        assert(error.message.includes(text), `"${error.message}" lacks "${text}"`);
      }
    },
  ),

  defineCase(
    "errors/result-not-ready",
    "Reading the result of a task without one rejects with RESULT_NOT_READY.",
    async (scene) => {
      const store = scene.open();
      const taskId = await newTask(store);
      for (const status of ["working", "input_required"] as const) {
        await store.updateTaskStatus(taskId, status);
        assert.equal((await refused(store.getTaskResult(taskId), "RESULT_NOT_READY")).status, status);
      }
    },
  ),

  defineCase(
    "errors/json-rpc",
    "`getTaskResult` throws a stored JSON-RPC error with its own numeric code.",
    async (scene) => {
      const store = scene.open();
      for (const error of [
        { code: -32042, message: "No stone", data: { wheel: [1, null] } },
        { code: 7, message: "" },
      ]) {
        const taskId = await newTask(store);
        const { task } = await store.finishTask(taskId, { status: "failed", error });
        assert.equal(task.status, "failed");
        for (const call of [store.getTaskResult(taskId), scene.open().waitForResult(taskId)]) {
          const { code, message, data } = (await reasonOf(call)) as typeof error;
          assert.deepStrictEqual({ code, message, data }, { data: undefined, ...error });
        }
        assert.deepStrictEqual((await store.getRecord(taskId))?.error, error);
      }
      const taskId = await newTask(store);
      const bad = { code: "EFAIL", message: "no" } as unknown as { code: number; message: string };
      await refused(store.finishTask(taskId, { status: "failed", error: bad }), "INVALID_ARGUMENT");
    },
  ),

  defineCase("errors/tell-no-secrets", "Messages and stacks hold no payload.", async (scene) => {
    const store = scene.open({ limits: { payloadBytes: 2000 } });
    const large = { text: SECRET.repeat(200) };
    const request = { method: "tools/call", params: { name: "grind", text: SECRET } };
    const { taskId } = await store.createTask({ taskId: "t", context: { SECRET } }, 1, request, SECRET);
    await store.requestInputs(taskId, { q: { method: SECRET, params: { SECRET } } });
    await store.finishTask(taskId, { status: "failed", result: { SECRET }, statusMessage: SECRET });
    // Nothing is awaited after the first call, or a rejection would be unhandled for a while.
    const [asking, ending] = [await newTask(store), await newTask(store)];
    const calls = [
      ...writers(store, taskId),
      store.createTask({ taskId }, 1, request),
      store.createTask({}, 1, { method: "a", params: large }),
      store.createTask({}, 1, { method: "a", params: { SECRET, bad: 1n } }),
      store.createTask({}, 1, { method: `${SECRET}\0` }),
      store.createTask({}, 1, request, `${SECRET}\0`),
      store.requestInputs(asking, { [SECRET]: { method: "a", params: large } }),
      store.finishTask(ending, { status: "completed", result: { SECRET, bad: Number.NaN } }),
      store.messages.enqueue(taskId, { ...message(1), [SECRET]: large } as never),
      store.messages.enqueue(taskId, { ...message(1), [SECRET]: SECRET } as never, undefined, 0),
      store.listTasks(SECRET),
      store.awaitInput(taskId, SECRET),
    ];
    for (const { error } of await scene.soon(outcomes(calls))) {
      assert(error, "A call that had to be refused was not");
      for (const text of [error.message, error.stack]) assert(!text?.includes(SECRET), text);
    }
  }),

  defineCase(
    "errors/refused-arguments",
    "Invalid arguments are refused with INVALID_ARGUMENT, and nothing is written.",
    async (scene) => {
      const store = scene.open();
      const taskId = await newTask(store);
      const before = await store.getRecord(taskId);
      const never = undefined as never;
      const calls = [
        createTask(store, { ttl: Number.NaN }),
        createTask(store, { ttl: -1 }),
        createTask(store, { ttl: "60000" as never }),
        createTask(store, { pollInterval: -5 }),
        createTask(store, { claimAfterMs: Number.NaN }),
        store.createTask({}, 1, {} as never),
        store.createTask({}, 1, never),
        store.storeTaskResult(taskId, "completed", never),
        store.storeTaskResult(taskId, "completed", "text" as never),
        store.storeTaskResult(taskId, "completed", [] as never),
        store.updateTaskStatus(taskId, "working", 5 as never),
        store.acquireLease(taskId, { leaseMs: 0 }),
        store.renewLease(never),
        store.renewLease({ taskId } as never),
        store.releaseLease({} as never),
        store.claimTask({ names: [] }),
        store.requestInputs(taskId, {}),
        store.requestInputs(taskId, null as never),
        store.requestInputs(taskId, { q: {} as never }),
        store.waitForTask(taskId, { until: "never" as never }),
        store.waitForTask(taskId, { until: ["done" as never] }),
        store.waitForTask(taskId, { timeoutMs: -1 }),
        store.deleteExpired({ limit: 0 }),
        store.messages.enqueue(taskId, message(1), undefined, Number.NaN),
      ];
      for (const { error } of await scene.soon(outcomes(calls))) assertCode(error, "INVALID_ARGUMENT");
      assert.deepStrictEqual(await store.getRecord(taskId), before);
      assert.equal((await store.listTasks()).tasks.length, 1);
      assert.deepStrictEqual(await store.messages.dequeueAll(taskId), []);
    },
  ),

  defineCase(
    "errors/refused-options",
    "Invalid options of a store are refused with INVALID_ARGUMENT.",
    async (scene) => {
      const options = [
        { pageSize: 0 },
        { pollInterval: -1 },
        { fallbackPollMs: Number.NaN },
        { sweepIntervalMs: 0 },
        { messageTtlMs: -1 },
        { isolation: "none" as never },
        { limits: { ttl: { min: 10, max: 5 } } },
        { limits: { activeTasks: -1 } },
        { limits: { activeTasksPerOwner: "3" as never } },
        { limits: { messagesPerTask: Number.NaN } },
        { limits: { payloadBytes: 0 } },
      ];
      // The constructor may throw, or the first call may reject.
      for (const each of options) await refused((async () => scene.open(each).listTasks())(), "INVALID_ARGUMENT");
    },
  ),

  defineCase(
    "errors/unknown-options",
    "An option that a call does not have is refused with INVALID_ARGUMENT, and nothing is written.",
    async (scene) => {
      const store = scene.open();
      const taskId = await newTask(store, { claimAfterMs: 0 });
      await store.requestInputs(taskId, { q: { method: "elicitation/create" } });
      const lease = await store.acquireLease(taskId, { leaseMs: LONG });
      const before = await store.getRecord(taskId);
      const wrong = { notAnOption: 1 } as never;
      const also = (options: object) => ({ ...options, ...(wrong as object) }) as never;
      const { operations, events } = store;
      const filter = { where: wrong };
      const calls = [
        store.createTask(also({ name: "grind" })),
        store.createTask(also({}), 1, { method: "tools/call", params: { name: "grind" } }),
        store.getRecord(taskId, wrong),
        store.readSteps(taskId, wrong),
        store.updateTask(taskId, also({ statusMessage: "half" })),
        store.updateTask(taskId, { statusMessage: "half" }, wrong),
        store.finishTask(taskId, also({ status: "completed", result: RESULT })),
        store.finishTask(taskId, { status: "completed", result: RESULT }, wrong),
        store.cancelTask(taskId, wrong),
        store.requestInputs(taskId, { other: { method: "elicitation/create" } }, wrong),
        store.provideInputs(taskId, { q: 1 }, wrong),
        store.awaitInput(taskId, "q", wrong),
        store.waitForTask(taskId, wrong),
        store.waitForResult(taskId, wrong),
        store.subscribe(() => undefined, wrong),
        store.acquireLease(taskId, also({ leaseMs: LONG })),
        store.renewLease(lease, wrong),
        store.releaseLease(lease, wrong),
        store.claimTask(also({ names: ["grind"] })),
        store.claimTasks(also({ names: ["grind"], limit: 1 })),
        store.deleteExpired(wrong),
        operations.listRecords(wrong),
        operations.listRecords(filter),
        operations.getRecord(taskId, wrong),
        operations.stats(wrong),
        operations.cancelTasks({}, wrong),
        operations.cancelTasks(wrong),
        operations.removeTasks({}, wrong),
        operations.rerunTask(taskId, wrong),
        operations.listEvents(also({ notifier: "mill" })),
        operations.redeliverEvents(also({ notifier: "mill", all: true })),
        events.register(also({ name: "mill", on: ["end"] })),
        events.take(also({ notifier: "mill", limit: 1, leaseMs: LONG })),
        (async () => operations.exportTasks(wrong)[Symbol.asyncIterator]().next())(),
      ];
      for (const [index, { error }] of (await scene.soon(outcomes(calls))).entries()) {
        assert(error, `Call ${index + 1} took an option that it does not have`);
        assertCode(error, "INVALID_ARGUMENT");
      }
      assert.deepStrictEqual(await store.getRecord(taskId), before);
      assert.equal((await store.listTasks()).tasks.length, 1);
    },
  ),

  defineCase(
    "errors/cancel-terminal",
    "Cancelling a terminal task is refused, even if it was cancelled.",
    async (scene) => {
      const store = scene.open();
      for (const status of TERMINAL) await refused(store.cancelTask(await endedTask(store, status)), "TASK_TERMINAL");
    },
  ),
];

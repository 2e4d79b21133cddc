import assert from "node:assert/strict";
import type { TaskStore } from "../../contract/task-store.ts";
import {
  assertCode,
  begun,
  message,
  newTask,
  outcomes,
  QUESTION,
  RESULT,
  recordOf,
  refused,
  walk,
} from "../kit/assertions.ts";
import { defineCase } from "../kit/case.ts";
import { quiet } from "../kit/quiet.ts";
import { eventsOf } from "./waiting.ts";

const LEASE = { taskId: "t", token: 1, attempt: 1, leaseMs: 1000 };

/**
 * Every method, for a task "t" that need not exist. Left out are `dequeueAll`, which never rejects,
 * and `close`.
 */
export const METHODS: Record<string, (store: TaskStore) => Promise<unknown>> = {
  createTask: (store) => newTask(store),
  getTask: (store) => store.getTask("t"),
  storeTaskResult: (store) => store.storeTaskResult("t", "completed", RESULT),
  getTaskResult: (store) => store.getTaskResult("t"),
  updateTaskStatus: (store) => store.updateTaskStatus("t", "working", "x"),
  listTasks: (store) => store.listTasks(),
  getRecord: (store) => store.getRecord("t"),
  updateTask: (store) => store.updateTask("t", { statusMessage: "x" }),
  finishTask: (store) => store.finishTask("t", { status: "completed", result: RESULT }),
  cancelTask: (store) => store.cancelTask("t"),
  requestInputs: (store) => store.requestInputs("t", { a: QUESTION }),
  provideInputs: (store) => store.provideInputs("t", { a: 1 }),
  awaitInput: (store) => store.awaitInput("t", "a"),
  waitForTask: (store) => store.waitForTask("t", { until: "change" }),
  waitForResult: (store) => store.waitForResult("t"),
  subscribe: (store) => store.subscribe(() => undefined),
  acquireLease: (store) => store.acquireLease("t"),
  renewLease: (store) => store.renewLease(LEASE),
  releaseLease: (store) => store.releaseLease(LEASE),
  claimTask: (store) => store.claimTask({ names: ["none"] }),
  claimTasks: (store) => store.claimTasks({ names: ["none"], limit: 2 }),
  watchClaimable: (store) => store.watchClaimable(() => undefined),
  deleteExpired: (store) => store.deleteExpired(),
  enqueue: (store) => store.messages.enqueue("t", message(1)),
  dequeue: (store) => store.messages.dequeue("t"),
};

/**
 * The code of the error, if any. @throws the error itself if the backend failed, because it says
 * why
 */
async function outcomeOf(call: Promise<unknown>): Promise<unknown> {
  const [outcome] = await outcomes([call]);
  if (!outcome?.error) return "success";
  const { code } = outcome.error as { code?: unknown };
  if (code === "BACKEND_UNAVAILABLE") throw outcome.error;
  return code;
}

/** Calls every method at once, and returns each method's outcome. */
function callAll(store: TaskStore): Promise<[name: string, outcome: unknown][]> {
  const calls = Object.entries(METHODS).map(
    async ([name, call]): Promise<[string, unknown]> => [name, await outcomeOf(call(store))],
  );
  return quiet(Promise.all(calls));
}

export const lifecycleCases = [
  defineCase(
    "lifecycle/opening",
    "Any method, or many at once, may be the first call: it opens the store.",
    async (scene) => {
      const warm = scene.open();
      await warm.listTasks();
      for (const [name, call] of Object.entries(METHODS)) {
        const cold = await scene.soon(outcomeOf(call(scene.open())));
        assert.deepStrictEqual([name, cold], [name, await scene.soon(outcomeOf(call(warm)))]);
      }
      for (const [name, outcome] of await scene.soon(callAll(scene.open())))
        assert(outcome !== "STORE_CLOSED", `${name}: ${outcome}`);
    },
  ),

  defineCase("lifecycle/closed", "Every method is refused with STORE_CLOSED after `close`.", async (scene) => {
    const store = scene.open();
    await newTask(store, { taskId: "t" });
    await store.close();
    for (const [name, outcome] of await scene.soon(callAll(store)))
      assert.deepStrictEqual([name, outcome], [name, "STORE_CLOSED"]);
    assert.equal((await scene.open().listTasks()).tasks.length, scene.capabilities.durable ? 1 : 0);
  }),

  defineCase(
    "lifecycle/never-opened",
    "A store that was never used can be closed, and then refuses calls.",
    async (scene) => {
      const store = scene.open();
      await scene.soon(store.close());
      for (const [name, outcome] of await scene.soon(callAll(store)))
        assert.deepStrictEqual([name, outcome], [name, "STORE_CLOSED"]);
    },
  ),

  defineCase(
    "lifecycle/closing",
    "Calls under way at `close` either succeed or are refused with STORE_CLOSED; later ones are refused.",
    async (scene) => {
      for (const warm of [false, true]) {
        const store = scene.open();
        if (warm) await newTask(store, { taskId: "t" });
        const before = callAll(store);
        const closing = store.close();
        const after = callAll(store);
        for (const [name, outcome] of await scene.soon(after))
          assert.deepStrictEqual([name, outcome], [name, "STORE_CLOSED"]);
        await scene.soon(before);
        await scene.soon(closing);
      }
    },
  ),

  defineCase(
    "lifecycle/close-is-idempotent",
    "`close()` is idempotent, even while it is under way, and `await using` calls it.",
    async (scene) => {
      const store = scene.open();
      await newTask(store);
      await scene.soon(Promise.all([store.close(), store.close()]));
      await scene.soon(store.close());
      const disposed = scene.open();
      {
        await using inner = disposed;
        await newTask(inner);
      }
      await refused(disposed.listTasks(), "STORE_CLOSED");
    },
  ),

  defineCase(
    "lifecycle/one-of-several",
    "Closing one store does not affect another one on the same tasks.",
    async (scene) => {
      const [one, two] = [scene.open(), scene.open()];
      const taskId = await newTask(one);
      const waiting = two.waitForTask(taskId);
      await begun(two, taskId);
      const { until } = await eventsOf(scene, two, taskId);
      await one.close();
      await two.storeTaskResult(taskId, "completed", RESULT);
      assert.equal((await scene.soon(waiting)).task.status, "completed");
      await until(({ task }) => task.status === "completed");
      assert.equal((await scene.open().getTask(taskId))?.status, "completed");
    },
  ),

  defineCase("lifecycle/close-ends-waits", "`close()` ends waits with STORE_CLOSED.", async (scene) => {
    const [store, other] = [scene.open(), scene.open()];
    const taskId = await newTask(store);
    await store.requestInputs(taskId, { a: QUESTION });
    const waiting = outcomes<unknown>([
      store.waitForTask(taskId),
      store.waitForTask(taskId, { until: "change", after: 1000 }),
      store.waitForResult(taskId),
      store.awaitInput(taskId, "a"),
    ]);
    await begun(store, taskId);
    await scene.soon(store.close());
    for (const { error } of await scene.soon(waiting)) assertCode(error, "STORE_CLOSED");
    assert.equal((await other.getTask(taskId))?.status, "input_required");
  }),

  defineCase("lifecycle/close-ends-events", "No event comes after `close()`.", async (scene) => {
    const [store, other] = [scene.open(), scene.open()];
    const taskId = await newTask(other);
    const closed = [await eventsOf(scene, store), await eventsOf(scene, store, taskId)];
    await closed[1]?.until(() => true);
    await store.close();
    const counts = closed.map(({ events }) => events.length);
    const going = await eventsOf(scene, other, taskId);
    await other.updateTaskStatus(taskId, "completed");
    await going.until(({ task }) => task.status === "completed");
    assert.deepStrictEqual(
      closed.map(({ events }) => events.length),
      counts,
    );
  }),

  defineCase("lifecycle/capabilities", "A store declares its capabilities in a frozen object.", async (scene) => {
    const { capabilities } = scene.open();
    const { durable, multiProcess } = scene.capabilities;
    assert.deepStrictEqual({ ...capabilities }, { durable, multiProcess });
    assert(Object.isFrozen(capabilities));
  }),

  defineCase("lifecycle/namespaces", "Stores under different namespaces share nothing.", async (scene) => {
    const here = scene.open({ limits: { activeTasks: 2 } });
    const there = (await scene.elsewhere()).open({ limits: { activeTasks: 2 } });
    const seen = await eventsOf(scene, there);
    for (const store of [here, there]) {
      await newTask(store, { taskId: "same", claimAfterMs: 0 });
      await newTask(store);
    }
    await here.updateTaskStatus("same", "working", "here");
    await here.messages.enqueue("same", message(1));
    assert.deepStrictEqual(await there.messages.dequeueAll("same"), []);
    assert.equal((await there.getTask("same"))?.statusMessage, undefined);
    assert.equal((await here.claimTask({ names: ["grind"] }))?.lease.attempt, 1);
    assert.equal((await there.claimTask({ names: ["grind"] }))?.lease.attempt, 1);
    await here.storeTaskResult("same", "completed", RESULT);
    assert.equal((await recordOf(there, "same")).task.status, "working");
    await there.updateTaskStatus("same", "working", "there");
    await seen.until(({ task }) => task.statusMessage === "there");
    assert(
      seen.events.every(({ task }) => task.statusMessage !== "here" && task.status === "working"),
      "A foreign event came",
    );
    assert.equal((await walk(here)).length, 2);
  }),

  defineCase(
    "durability/reopened",
    "Acknowledged writes are there when the store is opened again.",
    async (scene) => {
      const store = scene.open();
      const [working, asking, ended] = [
        await newTask(store, { context: { a: 1 } }, "ada"),
        await newTask(store),
        await newTask(store),
      ];
      const lease = await store.acquireLease(working);
      await store.updateTask(working, { checkpoint: { page: 7 } });
      await store.requestInputs(asking, { a: QUESTION, b: QUESTION });
      await store.provideInputs(asking, { a: { n: 1 } });
      await store.finishTask(ended, { status: "completed", result: RESULT, statusMessage: "done" });
      await store.messages.enqueue(working, message(1));
      await store.messages.enqueue(working, message(2));
      const ids = [working, asking, ended];
      const records = await Promise.all(ids.map((taskId) => recordOf(store, taskId)));
      const { nextCursor } = await scene.open({ pageSize: 1 }).listTasks();
      await scene.closeAll();
      const again = scene.open({ pageSize: 1 });
      assert.deepStrictEqual(await Promise.all(ids.map((taskId) => recordOf(again, taskId))), records);
      assert.deepStrictEqual(await walk(again), ids);
      assert.equal((await again.listTasks(nextCursor)).tasks[0]?.taskId, asking);
      assert.deepStrictEqual(await again.messages.dequeueAll(working), [message(1), message(2)]);
      assert.deepStrictEqual(await scene.soon(again.awaitInput(asking, "a")), { n: 1 });
      await again.finishTask(working, { status: "completed", result: RESULT }, { lease });
    },
    ["durable"],
  ),

  defineCase(
    "durability/gone",
    "Tasks of a store that is not durable are gone when it is opened again.",
    async (scene) => {
      const store = scene.open();
      const taskId = await newTask(store, { taskId: "t" });
      await store.messages.enqueue(taskId, message(1));
      await scene.closeAll();
      const again = scene.open();
      assert.equal(await again.getTask(taskId), null);
      assert.deepStrictEqual(await again.listTasks(), { tasks: [] });
      assert.deepStrictEqual(await again.messages.dequeueAll(taskId), []);
      assert.equal(await newTask(again, { taskId }), taskId);
    },
    ["!durable"],
  ),
];

import assert from "node:assert/strict";
import {
  message,
  newTask,
  outcomes,
  QUESTION,
  RESULT,
  range,
  recordOf,
  refused,
  walk,
  winners,
} from "../kit/assertions.ts";
import { defineCase } from "../kit/case.ts";

export const limitCases = [
  defineCase("limits/active-tasks", "A cap of N active tasks in the whole store never yields N+1.", async (scene) => {
    const store = scene.open({ limits: { activeTasks: 3 } });
    for (const owner of ["ada", "grace", undefined]) await newTask(store, {}, owner);
    const { message } = await refused(newTask(store), "LIMIT_EXCEEDED");
    assert.match(message, /^The store has 3/);
    await refused(newTask(scene.open({ limits: { activeTasks: 3 } }), {}, "another"), "LIMIT_EXCEEDED");
    assert.equal((await walk(store)).length, 3);
  }),

  defineCase(
    "limits/active-tasks-per-owner",
    "A cap per owner counts that owner's active tasks only; unowned tasks count as one owner's.",
    async (scene) => {
      const store = scene.open({ limits: { activeTasksPerOwner: 2 } });
      for (const owner of ["ada", undefined, "grace"]) {
        for (const _ of range(2)) await newTask(store, {}, owner);
        const { message } = await refused(newTask(store, {}, owner), "LIMIT_EXCEEDED");
        assert.match(message, /^The owner has 2/);
      }
      assert.equal((await walk(store)).length, 6);
    },
  ),

  defineCase(
    "limits/ended-tasks-do-not-count",
    "Tasks that are terminal or expired count towards no cap.",
    async (scene) => {
      for (const limits of [{ activeTasks: 3 }, { activeTasksPerOwner: 3 }]) {
        const place = await scene.elsewhere();
        const store = place.open({ limits });
        const [completed, cancelled] = [await newTask(store), await newTask(store)];
        const third = await newTask(store);
        await refused(newTask(store), "LIMIT_EXCEEDED");
        await store.storeTaskResult(completed, "completed", RESULT);
        await newTask(store);
        await refused(newTask(store), "LIMIT_EXCEEDED");
        await store.cancelTask(cancelled);
        await newTask(store);
        await refused(newTask(store), "LIMIT_EXCEEDED");
        await store.cancelTask(third);
        await newTask(store, { ttl: 20 });
        await place.advance(60);
        await newTask(store);
        await refused(newTask(store), "LIMIT_EXCEEDED");
      }
    },
  ),

  defineCase(
    "limits/opened-later",
    "A cap counts active tasks made by a store without caps, before and after the cap's first use.",
    async (scene) => {
      for (const limits of [{ activeTasks: 4 }, { activeTasksPerOwner: 4 }]) {
        const place = await scene.elsewhere();
        const free = place.open();
        const create = () => newTask(free, {}, "ada");
        const [ended, first, second] = [await create(), await create(), await create()];
        await free.cancelTask(ended);
        const capped = place.open({ limits });
        await newTask(capped, {}, "ada");
        const third = await create();
        await refused(newTask(capped, {}, "ada"), "LIMIT_EXCEEDED");
        for (const taskId of [first, third]) await free.cancelTask(taskId);
        for (const _ of range(2)) await newTask(capped, {}, "ada");
        await refused(newTask(capped, {}, "ada"), "LIMIT_EXCEEDED");
        await free.storeTaskResult(second, "completed", RESULT);
        await newTask(capped, {}, "ada");
        await refused(newTask(capped, {}, "ada"), "LIMIT_EXCEEDED");
      }
    },
  ),

  defineCase("limits/active-includes-asking", "A task that waits for input is active.", async (scene) => {
    const store = scene.open({ limits: { activeTasks: 1 } });
    const taskId = await newTask(store);
    await store.requestInputs(taskId, { a: QUESTION });
    await store.acquireLease(taskId);
    await refused(newTask(store), "LIMIT_EXCEEDED");
  }),

  defineCase("limits/refused-leaves-nothing", "A creation refused at a cap leaves nothing behind.", async (scene) => {
    const store = scene.open({ limits: { activeTasks: 1 } });
    const first = await newTask(store);
    await refused(newTask(store, { taskId: "refused", claimAfterMs: 0 }), "LIMIT_EXCEEDED");
    assert.equal(await store.getTask("refused"), null);
    assert.equal(await store.claimTask({ names: ["grind"] }), null);
    await store.cancelTask(first);
    assert.equal(await newTask(store, { taskId: "refused" }), "refused");
  }),

  defineCase(
    "races/create-at-the-cap",
    "Exactly as many concurrent creations succeed at a cap as there is room for.",
    async (scene) => {
      const limits = { activeTasks: 5 };
      const stores = [scene.open({ limits }), scene.open({ limits })] as const;
      const calls = range(16).map((n) => newTask(stores[n % 2 ? 1 : 0], {}, `owner ${n % 3}`));
      const made = winners(await outcomes(calls), "LIMIT_EXCEEDED");
      assert.deepStrictEqual((await walk(stores[0])).toSorted(), made.toSorted());
      assert.equal(made.length, 5);
    },
  ),

  defineCase(
    "races/create-at-the-owners-cap",
    "Exactly as many concurrent creations succeed at an owner's cap as there is room for.",
    async (scene) => {
      const limits = { activeTasksPerOwner: 3 };
      const stores = [scene.open({ limits }), scene.open({ limits })] as const;
      const calls = range(16).map((n) => newTask(stores[n % 2 ? 1 : 0], {}, n % 4 < 2 ? "ada" : "grace"));
      assert.equal(winners(await outcomes(calls), "LIMIT_EXCEEDED").length, 6);
      for (const owner of ["ada", "grace"]) assert.equal((await walk(stores[1], owner)).length, 3);
    },
  ),

  defineCase(
    "limits/payload-bytes",
    "A payload above `limits.payloadBytes` is refused with PAYLOAD_TOO_LARGE, and nothing is written.",
    async (scene) => {
      const store = scene.open({ limits: { payloadBytes: 1000 } });
      const taskId = await newTask(store);
      const large = "x".repeat(1000);
      const before = await recordOf(store, taskId);
      const calls = [
        store.createTask({ taskId: "large" }, 1, { method: "a", params: { large } }),
        store.createTask({ taskId: "large", context: { large } }, 1, { method: "a" }),
        store.storeTaskResult(taskId, "completed", { large }),
        store.finishTask(taskId, { status: "failed", error: { code: 1, message: large } }),
        store.finishTask(taskId, { status: "failed", result: RESULT, statusMessage: large }),
        store.updateTaskStatus(taskId, "working", large),
        store.updateTask(taskId, { checkpoint: large }),
        store.cancelTask(taskId, { statusMessage: large }),
        store.requestInputs(taskId, { a: { method: "a", params: { large } } }),
        store.provideInputs(taskId, { a: large }),
        store.messages.enqueue(taskId, { ...message(1), large } as never),
      ];
      for (const call of calls) await refused(call, "PAYLOAD_TOO_LARGE");
      assert.deepStrictEqual(await recordOf(store, taskId), before);
      assert.equal(await store.getTask("large"), null);
      assert.deepStrictEqual(await store.messages.dequeueAll(taskId), []);
    },
  ),

  defineCase(
    "limits/inputs-count-together",
    "All questions and answers of a task count together towards `limits.payloadBytes`.",
    async (scene) => {
      const store = scene.open({ limits: { payloadBytes: 1000 } });
      const taskId = await newTask(store);
      const params = { text: "x".repeat(300) };
      for (const key of ["a", "b"]) await store.requestInputs(taskId, { [key]: { method: "m", params } });
      const before = await recordOf(store, taskId);
      await refused(store.requestInputs(taskId, { c: { method: "m", params } }), "PAYLOAD_TOO_LARGE");
      await refused(store.provideInputs(taskId, { a: "x".repeat(300) }), "PAYLOAD_TOO_LARGE");
      assert.deepStrictEqual(await recordOf(store, taskId), before);
      assert.deepStrictEqual(await store.provideInputs(taskId, { a: 1, b: 1 }), ["a", "b"]);
    },
  ),

  defineCase("limits/bytes-are-utf-8", "Payloads are measured in bytes of UTF-8, not in characters.", async (scene) => {
    const store = scene.open({ limits: { payloadBytes: 1000 } });
    const taskId = await newTask(store);
    await refused(store.storeTaskResult(taskId, "completed", { text: "é".repeat(600) }), "PAYLOAD_TOO_LARGE");
    await refused(store.storeTaskResult(taskId, "completed", { text: "💾".repeat(300) }), "PAYLOAD_TOO_LARGE");
    await store.storeTaskResult(taskId, "completed", { text: "x".repeat(900) });
    assert.deepStrictEqual(await store.getTaskResult(taskId), { text: "x".repeat(900) });
  }),

  defineCase("limits/none-by-default", "Without limits there is no cap on tasks and messages.", async (scene) => {
    const store = scene.open();
    await Promise.all(range(60).map((n) => store.messages.enqueue("t", message(n))));
    await Promise.all(range(60).map(() => newTask(store, {}, "ada")));
    assert.equal((await store.messages.dequeueAll("t")).length, 60);
    assert.equal((await walk(store)).length, 60);
  }),
];

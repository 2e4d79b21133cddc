import assert from "node:assert/strict";
import { begun, endedTask, newTask, QUESTION, RESULT, range, recordOf, refused, statusOf } from "../kit/assertions.ts";
import { defineCase } from "../kit/case.ts";
import { naming } from "../kit/wording.ts";

const OTHER = { method: "sampling/createMessage", params: { messages: [] } };

export const inputCases = [
  defineCase(
    "inputs/are-visible",
    "All unanswered requests are visible, and make the task `input_required`.",
    async (scene) => {
      const store = scene.open();
      const taskId = await newTask(store);
      const { task } = await store.requestInputs(taskId, { a: QUESTION, b: OTHER });
      assert.equal(task.status, "input_required");
      await store.requestInputs(taskId, { c: QUESTION });
      const { inputRequests } = await recordOf(scene.open(), taskId);
      assert.deepStrictEqual(inputRequests, { a: QUESTION, b: OTHER, c: QUESTION });
    },
  ),

  defineCase(
    "inputs/partial-answer",
    "A partial answer leaves the rest and the status `input_required`.",
    async (scene) => {
      const store = scene.open();
      const taskId = await newTask(store);
      await store.requestInputs(taskId, { a: QUESTION, b: OTHER });
      assert.deepStrictEqual(await store.provideInputs(taskId, { a: { action: "accept" } }), ["a"]);
      const { task, inputRequests } = await recordOf(store, taskId);
      assert.equal(task.status, "input_required");
      assert.deepStrictEqual(inputRequests, { b: OTHER });
    },
  ),

  defineCase("inputs/last-answer", "The last answer makes the task `working`.", async (scene) => {
    const store = scene.open();
    const taskId = await newTask(store);
    await store.requestInputs(taskId, { a: QUESTION, b: OTHER });
    await store.provideInputs(taskId, { a: 1 });
    assert.deepStrictEqual(await store.provideInputs(taskId, { b: 2 }), ["b"]);
    const { task, inputRequests } = await recordOf(store, taskId);
    assert.equal(task.status, "working");
    assert.deepStrictEqual(inputRequests, {});
    await store.requestInputs(taskId, { c: QUESTION });
    assert.equal(await statusOf(store, taskId), "input_required");
  }),

  defineCase(
    "inputs/others-are-ignored",
    "Unknown and answered keys are ignored, and the call returns the accepted keys.",
    async (scene) => {
      const store = scene.open();
      const taskId = await newTask(store);
      await store.requestInputs(taskId, { a: QUESTION, b: QUESTION });
      assert.deepStrictEqual(await store.provideInputs(taskId, { a: "first", unknown: 1 }), ["a"]);
      const before = await recordOf(store, taskId);
      assert.deepStrictEqual(await store.provideInputs(taskId, { a: "second", unknown: 2 }), []);
      assert.deepStrictEqual(await store.provideInputs(taskId, {}), []);
      assert.deepStrictEqual(await recordOf(store, taskId), before);
      assert.equal(await scene.soon(store.awaitInput(taskId, "a")), "first");
    },
  ),

  defineCase("inputs/late-answer", "An answer to a task that has become terminal is ignored.", async (scene) => {
    const store = scene.open();
    for (const status of ["completed", "failed", "cancelled"] as const) {
      const taskId = await newTask(store);
      await store.requestInputs(taskId, { a: QUESTION });
      await store.updateTaskStatus(taskId, status);
      const before = JSON.stringify(await recordOf(store, taskId));
      assert.deepStrictEqual(await store.provideInputs(taskId, { a: 1 }), []);
      assert.equal(JSON.stringify(await recordOf(store, taskId)), before);
    }
  }),

  defineCase("inputs/gone-when-terminal", "A terminal task has no open questions.", async (scene) => {
    const store = scene.open();
    const taskId = await newTask(store);
    await store.requestInputs(taskId, { a: QUESTION });
    await store.cancelTask(taskId);
    assert.deepStrictEqual((await recordOf(store, taskId)).inputRequests, {});
    await refused(store.requestInputs(await endedTask(store, "completed"), { a: QUESTION }), "TASK_TERMINAL");
  }),

  defineCase(
    "inputs/key-is-used-once",
    "A key is used once in a task's life: another question under it is refused, even after its answer.",
    async (scene) => {
      const store = scene.open();
      const taskId = await newTask(store);
      await store.requestInputs(taskId, { a: QUESTION });
      await refused(store.requestInputs(taskId, { a: OTHER }), "INVALID_ARGUMENT");
      await refused(store.requestInputs(taskId, { fresh: QUESTION, a: OTHER }), "INVALID_ARGUMENT");
      await store.provideInputs(taskId, { a: "answer" });
      const before = await recordOf(store, taskId);
      await refused(scene.open().requestInputs(taskId, { a: OTHER }), "INVALID_ARGUMENT");
      assert.deepStrictEqual(await recordOf(store, taskId), before);
      assert.deepStrictEqual(before.inputRequests, {});
    },
  ),

  defineCase(
    "inputs/asking-again",
    "Asking the same question again changes nothing, so a runner that took over may repeat it.",
    async (scene) => {
      const store = scene.open();
      const taskId = await newTask(store);
      const nested = { method: "a", params: { b: 1, c: { d: [1, 2] }, gone: undefined } };
      const { revision } = await store.requestInputs(taskId, { a: nested });
      assert.equal((await scene.open().requestInputs(taskId, { a: nested })).revision, revision);
      await store.provideInputs(taskId, { a: "answer" });
      const again = await store.requestInputs(taskId, { a: nested });
      assert.equal(again.task.status, "working");
      assert.equal(await scene.soon(store.awaitInput(taskId, "a")), "answer");
    },
  ),

  defineCase(
    "inputs/answer-reaches-the-runner",
    "Answers through any handle reach the runner, before or after it starts to wait.",
    async (scene) => {
      const [runner, server] = [scene.open(), scene.open()];
      const taskId = await newTask(runner);
      await runner.requestInputs(taskId, { early: QUESTION, late: QUESTION });
      await server.provideInputs(taskId, { early: { n: 1 } });
      assert.deepStrictEqual(await scene.soon(runner.awaitInput(taskId, "early")), { n: 1 });
      const waiting = [
        runner.awaitInput(taskId, "late"),
        runner.awaitInput(taskId, "late"),
        server.awaitInput(taskId, "late"),
      ];
      for (const store of [runner, server]) await begun(store, taskId);
      await server.updateTask(taskId, { statusMessage: "still waiting" });
      await server.provideInputs(taskId, { late: { n: 2 } });
      for (const answer of await scene.soon(Promise.all(waiting))) assert.deepStrictEqual(answer, { n: 2 });
    },
  ),

  defineCase(
    "inputs/answers-stay",
    "An answer can be read again, so a runner that took over finds it.",
    async (scene) => {
      const [first, second] = [scene.open(), scene.open()];
      const taskId = await newTask(first);
      await first.requestInputs(taskId, { a: QUESTION });
      await second.provideInputs(taskId, { a: { n: 1 } });
      assert.deepStrictEqual(await scene.soon(first.awaitInput(taskId, "a")), { n: 1 });
      await first.close();
      assert.deepStrictEqual(await scene.soon(second.awaitInput(taskId, "a")), { n: 1 });
      await second.storeTaskResult(taskId, "completed", RESULT);
      assert.deepStrictEqual(await scene.soon(second.awaitInput(taskId, "a")), { n: 1 });
    },
  ),

  defineCase("inputs/end-ends-the-wait", "The end of the task ends a wait for its input.", async (scene) => {
    const [runner, client] = [scene.open(), scene.open()];
    const taskId = await newTask(runner);
    await runner.requestInputs(taskId, { a: QUESTION });
    const waiting = refused(scene.soon(runner.awaitInput(taskId, "a")), "TASK_TERMINAL");
    await begun(runner, taskId);
    await client.cancelTask(taskId);
    assert.equal((await waiting).status, "cancelled");
  }),

  defineCase(
    "inputs/never-asked",
    "A wait for the answer to a key without a question is refused at once.",
    async (scene) => {
      const store = scene.open();
      const taskId = await newTask(store);
      await refused(scene.soon(store.awaitInput(taskId, "a")), "INVALID_ARGUMENT");
      await store.requestInputs(taskId, { a: QUESTION });
      for (const key of ["A", "b", "", "__proto__", "constructor"])
        await refused(scene.soon(store.awaitInput(taskId, key)), "INVALID_ARGUMENT");
    },
  ),

  defineCase(
    "races/one-answer-per-key",
    "Exactly one of several concurrent answers to a key is accepted, and every reader gets that one.",
    async (scene) => {
      const stores = [scene.open(), scene.open()] as const;
      const taskId = await newTask(stores[0]);
      await stores[0].requestInputs(taskId, { a: QUESTION });
      const calls = range(12).map(async (n) =>
        (await stores[n % 2 ? 1 : 0].provideInputs(taskId, { a: n })).length ? n : -1,
      );
      const [winner, ...more] = (await Promise.all(calls)).filter((n) => n >= 0);
      assert.deepStrictEqual(more, []);
      assert.equal(await scene.soon(stores[1].awaitInput(taskId, "a")), winner);
    },
  ),

  defineCase(
    "races/answers-to-many-keys",
    "Concurrent answers to different keys are all accepted, and then the task is `working`.",
    async (scene) => {
      const stores = [scene.open(), scene.open()] as const;
      const taskId = await newTask(stores[0]);
      const keys = range(8).map((n) => `k${n}`);
      await stores[0].requestInputs(taskId, Object.fromEntries(keys.map((key) => [key, QUESTION])));
      const taken = await Promise.all(keys.map((key, n) => stores[n % 2 ? 1 : 0].provideInputs(taskId, { [key]: n })));
      assert.deepStrictEqual(
        taken,
        keys.map((key) => [key]),
      );
      assert.equal(await statusOf(stores[1], taskId), "working");
      for (const [n, key] of keys.entries()) assert.equal(await scene.soon(stores[0].awaitInput(taskId, key)), n);
    },
  ),

  defineCase("races/questions", "Concurrent questions are all kept.", async (scene) => {
    const stores = [scene.open(), scene.open()] as const;
    const taskId = await newTask(stores[0]);
    await Promise.all(range(8).map((n) => stores[n % 2 ? 1 : 0].requestInputs(taskId, { [`k${n}`]: QUESTION })));
    const { inputRequests } = await recordOf(stores[1], taskId);
    assert.deepStrictEqual(
      Object.keys(inputRequests).sort(),
      range(8).map((n) => `k${n}`),
    );
  }),

  defineCase("inputs/odd-keys", "Any string may be a key.", async (scene) => {
    const store = scene.open();
    const taskId = await newTask(store);
    const keys = ["", "__proto__", "constructor", "a.b", "0", "\0", "\ud800", "💾"];
    await store.requestInputs(taskId, Object.fromEntries(keys.map((key) => [key, QUESTION])));
    const open = Object.keys((await recordOf(store, taskId)).inputRequests);
    assert.deepStrictEqual(open.toSorted(), keys.toSorted());
    for (const key of keys) {
      await naming(key, async () => {
        assert.deepStrictEqual(await store.provideInputs(taskId, Object.fromEntries([[key, `to ${key}`]])), [key]);
        assert.equal(await scene.soon(store.awaitInput(taskId, key)), `to ${key}`);
      });
    }
    assert.equal(await statusOf(store, taskId), "working");
  }),

  defineCase(
    "inputs/any-answer",
    "Any JSON is an answer, even null, false, 0 and the empty string; undefined and other non-JSON is refused.",
    async (scene) => {
      const store = scene.open();
      const taskId = await newTask(store);
      const answers: Record<string, unknown> = { a: null, b: false, c: 0, d: "", e: [], f: {}, g: { x: [null] } };
      await store.requestInputs(taskId, Object.fromEntries(Object.keys(answers).map((key) => [key, QUESTION])));
      for (const answer of [undefined, 1n, Number.NaN, () => 1])
        await refused(store.provideInputs(taskId, { a: answer }), "INVALID_ARGUMENT");
      for (const [key, answer] of Object.entries(answers)) {
        assert.deepStrictEqual(await store.provideInputs(taskId, { [key]: answer }), [key]);
        assert.deepStrictEqual(await scene.soon(store.awaitInput(taskId, key)), answer);
      }
      assert.equal(await statusOf(store, taskId), "working");
    },
  ),
];

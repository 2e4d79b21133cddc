import assert from "node:assert/strict";
import type { TaskStoreOptions } from "../../contract/options.ts";
import {
  assertCode,
  begun,
  LONG,
  message,
  newTask,
  outcomes,
  QUESTION,
  REQUEST,
  RESULT,
  range,
  recordOf,
  refused,
  snapshotOf,
  statusOf,
  walk,
  winners,
} from "../kit/assertions.ts";
import { type CaseBody, defineCase } from "../kit/case.ts";
import type { RemoteCall, RemoteStore, Settled } from "../kit/remote-store.ts";
import type { Scene } from "../kit/scene.ts";
import { eventsOf } from "./waiting.ts";

const define = (id: string, contract: string, body: CaseBody) => defineCase(id, contract, body, ["multiProcess"]);
const defineCrash = (id: string, contract: string, body: CaseBody) =>
  defineCase(id, contract, body, ["durable", "multiProcess"]);

/** Like `begun`, for waits in another process. */
async function begunIn(process: RemoteStore, taskId: string): Promise<void> {
  for (const _ of range(3)) {
    await process.call("waitForTask", taskId, { until: "change" });
    await process.call("getRecord", taskId);
  }
}

/** Two processes make 8 calls each, all at the same moment. `call` gets a number from 0 to 15. */
async function race<T>(
  scene: Scene,
  call: (n: number) => RemoteCall,
  options?: TaskStoreOptions,
): Promise<Settled<T>[]> {
  const processes = await Promise.all([scene.start(options), scene.start(options)]);
  const at = Date.now() + 100;
  const races = processes.map((process, half) =>
    process.race(
      at,
      range(8).map((n) => call(2 * n + half)),
    ),
  );
  return (await scene.soon(Promise.all(races), "The race")).flat() as Settled<T>[];
}

export const processCases = [
  define("processes/read-your-writes", "A write of one process is read by every other one at once.", async (scene) => {
    const store = scene.open();
    const other = await scene.start();
    const { taskId } = await other.call("createTask", { ttl: LONG }, 1, REQUEST, "ada");
    assert.equal((await store.getTask(taskId, "ada"))?.status, "working");
    assert.equal(await store.getTask(taskId, "grace"), null);
    await store.updateTaskStatus(taskId, "working", "half");
    assert.equal((await other.call("getTask", taskId))?.statusMessage, "half");
    await other.call("storeTaskResult", taskId, "completed", RESULT);
    assert.deepStrictEqual(await store.getTaskResult(taskId), RESULT);
    await refused(other.call("cancelTask", taskId), "TASK_TERMINAL");
  }),

  define(
    "processes/one-terminal-write-wins",
    "Exactly one of N concurrent terminal writes from several processes wins, and N-1 get the error.",
    async (scene) => {
      const store = scene.open();
      const taskId = await newTask(store);
      const settled = await race(scene, (n) => ["finishTask", taskId, { status: "completed", result: { n } }]);
      assert.equal(winners(settled, "TASK_TERMINAL").length, 1);
      const won = settled.findIndex(({ error }) => !error);
      // The outcomes of one process come before those of the other.
      assert.deepStrictEqual(await store.getTaskResult(taskId), { n: won < 8 ? 2 * won : 2 * (won - 8) + 1 });
    },
  ),

  define(
    "processes/cancel-or-complete",
    "Exactly one of a cancel in one process and a completion in another reports success.",
    async (scene) => {
      const store = scene.open();
      const ids = await Promise.all(range(8).map(() => newTask(store)));
      const settled = await race(scene, (n) => {
        const taskId = ids[n >> 1];
        return n % 2 ? ["cancelTask", taskId] : ["storeTaskResult", taskId, "completed", RESULT];
      });
      for (const [n, taskId] of ids.entries()) {
        const [completed, cancelled] = [settled[n], settled[n + 8]];
        winners([completed as Settled, cancelled as Settled], "TASK_TERMINAL");
        assert.notEqual(
          completed?.error === undefined,
          cancelled?.error === undefined,
          "Both or none reported success",
        );
        assert.equal(await statusOf(store, taskId), completed?.error ? "cancelled" : "completed");
      }
    },
  ),

  define("processes/create-at-the-cap", "Several processes together keep a cap of N.", async (scene) => {
    const store = scene.open();
    const call = (): RemoteCall => ["createTask", { ttl: LONG }, 1, REQUEST];
    const made = winners(await race(scene, call, { limits: { activeTasks: 5 } }), "LIMIT_EXCEEDED");
    assert.equal(made.length, 5);
    assert.equal((await walk(store)).length, 5);
  }),

  define(
    "processes/one-receiver",
    "Each message is dequeued by exactly one process, and none is lost.",
    async (scene) => {
      const { messages } = scene.open();
      for (const n of range(12)) await messages.enqueue("t", message(n));
      const received = winners(
        await race<{ message: { id: number } }>(scene, () => ["messages.dequeue", "t"]),
        "QUEUE_FULL",
      );
      const ids = received.flatMap((each) => each?.message.id ?? []);
      assert.deepStrictEqual(
        ids.toSorted((a, b) => a - b),
        range(12),
      );
    },
  ),

  define("processes/enqueue-at-max-size", "Several processes together keep `maxSize`.", async (scene) => {
    const settled = await race(scene, (n) => ["messages.enqueue", "t", message(n), undefined, 5]);
    assert.equal(winners(settled, "QUEUE_FULL").length, 5);
    assert.equal((await scene.open().messages.dequeueAll("t")).length, 5);
  }),

  define("processes/one-claim-per-task", "No claimed task goes to two processes.", async (scene) => {
    const store = scene.open();
    const ids: string[] = [];
    for (const _ of range(6)) ids.push(await newTask(store, { claimAfterMs: 0 }));
    const claim = { names: ["grind"], leaseMs: LONG };
    const claimed = winners(
      await race<{ lease: { taskId: string } } | null>(scene, () => ["claimTask", claim]),
      "LEASE_LOST",
    );
    const taken = claimed.flatMap((each) => each?.lease.taskId ?? []);
    for (let more = await store.claimTask(claim); more; more = await store.claimTask(claim))
      taken.push(more.lease.taskId);
    assert.deepStrictEqual(taken.toSorted(), ids.toSorted());
  }),

  define(
    "processes/one-lease",
    "Exactly one of several runners in different processes gets the lease of a task.",
    async (scene) => {
      const taskId = await newTask(scene.open());
      const settled = await race(scene, () => ["acquireLease", taskId, { leaseMs: LONG }]);
      assert.equal(winners(settled, "LEASE_HELD").length, 1);
    },
  ),

  define(
    "processes/one-answer-per-key",
    "Exactly one of several processes' answers to a key is accepted, and no other key's answer is lost.",
    async (scene) => {
      const store = scene.open();
      const taskId = await newTask(store);
      const own = Object.fromEntries(range(16).map((n) => [`own ${n}`, QUESTION]));
      await store.requestInputs(taskId, { shared: QUESTION, ...own });
      const settled = await race<string[]>(scene, (n) => ["provideInputs", taskId, { shared: n, [`own ${n}`]: n }]);
      const taken = winners(settled, "INVALID_ARGUMENT").flat();
      assert.deepStrictEqual(taken.toSorted(), [...Object.keys(own), "shared"].toSorted());
      assert.equal(await statusOf(store, taskId), "working");
      for (const n of range(16)) assert.equal(await scene.soon(store.awaitInput(taskId, `own ${n}`)), n);
    },
  ),

  define("processes/wakes", "A wait ends soon after a change made by another process.", async (scene) => {
    const store = scene.open();
    const other = await scene.start();
    const taskId = await newTask(store);
    const { revision } = await store.waitForTask(taskId, { until: "change" });
    const here = store.waitForTask(taskId, { until: "change", after: revision });
    await begun(store, taskId);
    const changed = await other.call("updateTask", taskId, { statusMessage: "half" });
    assert.deepStrictEqual(snapshotOf(await scene.soon(here)), changed);
    const there = other.call("waitForResult", taskId);
    await begunIn(other, taskId);
    await store.storeTaskResult(taskId, "completed", RESULT);
    assert.deepStrictEqual(await scene.soon(there), RESULT);
  }),

  define(
    "processes/cancel-reaches-the-runner",
    "A cancel in one process ends the wait of the runner in another.",
    async (scene) => {
      const store = scene.open();
      const runner = await scene.start();
      const taskId = await newTask(store);
      const lease = await runner.call("acquireLease", taskId, { leaseMs: LONG });
      const stopped = runner.call("waitForTask", taskId);
      await begunIn(runner, taskId);
      await store.cancelTask(taskId);
      assert.equal((await scene.soon(stopped)).task.status, "cancelled");
      await refused(
        runner.call("finishTask", taskId, { status: "completed", result: RESULT }, { lease }),
        "TASK_TERMINAL",
      );
    },
  ),

  define(
    "processes/events",
    "A subscription gets events of tasks that other processes create and change.",
    async (scene) => {
      const store = scene.open();
      const { until } = await eventsOf(scene, store);
      const other = await scene.start();
      const { taskId } = await other.call("createTask", { ttl: LONG }, 1, REQUEST);
      await other.call("updateTaskStatus", taskId, "input_required", "well?");
      await until(({ task }) => task.taskId === taskId && task.status === "input_required");
      await other.call("storeTaskResult", taskId, "failed", RESULT);
      await until(({ task }) => task.taskId === taskId && task.status === "failed");
    },
  ),

  define(
    "processes/answer-reaches-the-runner",
    "An answer given to one process reaches the runner in another.",
    async (scene) => {
      const server = scene.open();
      const runner = await scene.start();
      const taskId = await newTask(server);
      await runner.call("requestInputs", taskId, { a: QUESTION });
      assert.deepStrictEqual((await recordOf(server, taskId)).inputRequests, { a: QUESTION });
      const waiting = runner.call("awaitInput", taskId, "a");
      await begunIn(runner, taskId);
      await server.provideInputs(taskId, { a: { grain: "fine" } });
      assert.deepStrictEqual(await scene.soon(waiting), { grain: "fine" });
    },
  ),

  define("processes/ends-by-itself", "A closed store keeps no process alive.", async (scene) => {
    const other = await scene.start({ sweepIntervalMs: 60_000, fallbackPollMs: 60_000 });
    const { taskId } = await other.call("createTask", { ttl: LONG }, 1, REQUEST);
    const waiting = refused(other.call("waitForTask", taskId, { timeoutMs: 600_000 }), "STORE_CLOSED");
    await other.call("getTask", taskId);
    await other.call("close");
    await waiting;
    assert.equal(await scene.soon(other.leave(), "The end of the process"), 0);
  }),

  defineCrash(
    "crash/acknowledged-writes-survive",
    "An acknowledged write survives `kill -9` of the process.",
    async (scene) => {
      const other = await scene.start();
      const created: string[] = [];
      const enough = Promise.withResolvers<void>();
      const work = range(200).map(async (n) => {
        const { taskId } = await other.call("createTask", { ttl: LONG, taskId: `task ${n}` }, n, REQUEST);
        created.push(taskId);
        if (created.length === 20) enough.resolve();
      });
      const working = outcomes(work);
      await scene.soon(enough.promise, "The first acknowledgements");
      await other.kill();
      await working;
      const store = scene.open({ pageSize: 100 });
      const found = await walk(store);
      assert.deepStrictEqual(
        created.filter((taskId) => !found.includes(taskId)),
        [],
      );
      for (const taskId of found) assert.deepStrictEqual((await recordOf(store, taskId)).request, REQUEST);
    },
  ),

  defineCrash(
    "crash/everything-survives",
    "Acknowledged results, messages, questions and answers survive `kill -9`.",
    async (scene) => {
      const other = await scene.start();
      await other.call("createTask", { ttl: LONG, taskId: "ended" }, 1, REQUEST);
      await other.call("storeTaskResult", "ended", "completed", RESULT);
      await other.call("createTask", { ttl: LONG, taskId: "asking", context: { a: 1 } }, 2, REQUEST, "ada");
      await other.call("requestInputs", "asking", { a: QUESTION, b: QUESTION });
      await other.call("provideInputs", "asking", { a: "answer" });
      await other.call("messages.enqueue", "asking", message(1));
      const records = [await other.call("getRecord", "ended"), await other.call("getRecord", "asking")];
      await other.kill();
      const store = scene.open();
      assert.deepStrictEqual([await recordOf(store, "ended"), await recordOf(store, "asking")], records);
      assert.deepStrictEqual(await store.messages.dequeueAll("asking"), [message(1)]);
      assert.equal(await scene.soon(store.awaitInput("asking", "a")), "answer");
      assert.deepStrictEqual(await store.provideInputs("asking", { b: 2 }), ["b"]);
    },
  ),

  defineCrash(
    "crash/take-over",
    "Another process claims a killed process's task once its lease has lapsed, with its answers.",
    async (scene) => {
      const store = scene.open();
      const runner = await scene.start();
      const { taskId } = await runner.call("createTask", { ttl: LONG }, 1, REQUEST);
      const lease = await runner.call("acquireLease", taskId, { leaseMs: 1000 });
      await runner.call("requestInputs", taskId, { a: QUESTION }, { lease });
      await scene.open().provideInputs(taskId, { a: "fine" });
      await runner.call("updateTask", taskId, { statusMessage: "70 %", checkpoint: { page: 7 } }, { lease });
      await runner.kill();
      await scene.advance(1100);
      const claimed = await store.claimTask({ names: ["grind"], leaseMs: LONG });
      assert.deepStrictEqual([claimed?.lease.taskId, claimed?.lease.attempt], [taskId, 2]);
      assert.equal(claimed?.record.task.statusMessage, "70 %");
      assert.deepStrictEqual(claimed.record.checkpoint, { page: 7 });
      assert.equal(await scene.soon(store.awaitInput(taskId, "a")), "fine");
      await refused(store.updateTask(taskId, { statusMessage: "late" }, { lease }), "LEASE_LOST");
      await store.finishTask(taskId, { status: "completed", result: RESULT }, { lease: claimed?.lease });
    },
  ),

  defineCrash(
    "crash/no-half-writes",
    "A write that `kill -9` interrupts is stored whole or not at all, and blocks no other process.",
    async (scene) => {
      const store = scene.open();
      const ids = await Promise.all(range(40).map(() => newTask(store)));
      const other = await scene.start();
      const first = Promise.withResolvers<void>();
      const work = ids.map((taskId) =>
        other.call("storeTaskResult", taskId, "completed", RESULT).then(() => first.resolve()),
      );
      const working = outcomes(work);
      await scene.soon(first.promise, "The first acknowledgement");
      await other.kill();
      const settled = await working;
      for (const [n, taskId] of ids.entries()) {
        const { task, result } = await recordOf(store, taskId);
        if (!settled[n]?.error) assert.equal(task.status, "completed");
        assert.deepStrictEqual(result, task.status === "completed" ? RESULT : undefined);
        if (task.status !== "working") continue;
        // The database server may still execute statements that the process sent.
        const [late] = await scene.soon(outcomes([store.storeTaskResult(taskId, "completed", RESULT)]));
        if (late?.error) assertCode(late.error, "TASK_TERMINAL");
        assert.deepStrictEqual((await recordOf(store, taskId)).result, RESULT);
      }
    },
  ),
];

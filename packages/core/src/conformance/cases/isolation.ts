import assert from "node:assert/strict";
import { ANY_OWNER } from "../../contract/owner.ts";
import type { TaskStore } from "../../contract/task-store.ts";
import { endedTask, newTask, outcomes, QUESTION, RESULT, range, recordOf, refused, walk } from "../kit/assertions.ts";
import { defineCase } from "../kit/case.ts";
import { naming, shown } from "../kit/wording.ts";
import { ODD_KEYS } from "./task-object.ts";

const MINE = "ada";
const THEIRS = "grace";
const NOBODY = "no-task-has-this-id";

/** Every call that names a task, made by another owner. Each has to be refused. */
function foreignCalls(store: TaskStore, taskId: string): Record<string, () => Promise<unknown>> {
  const owner = { owner: THEIRS };
  return {
    updateTaskStatus: () => store.updateTaskStatus(taskId, "completed", "mine now", THEIRS),
    storeTaskResult: () => store.storeTaskResult(taskId, "completed", RESULT, THEIRS),
    getTaskResult: () => store.getTaskResult(taskId, THEIRS),
    updateTask: () => store.updateTask(taskId, { statusMessage: "mine now" }, owner),
    finishTask: () => store.finishTask(taskId, { status: "failed", result: RESULT }, owner),
    cancelTask: () => store.cancelTask(taskId, owner),
    requestInputs: () => store.requestInputs(taskId, { theirs: QUESTION }, owner),
    provideInputs: () => store.provideInputs(taskId, { q: "theirs" }, owner),
    awaitInput: () => store.awaitInput(taskId, "q", owner),
    waitForTask: () => store.waitForTask(taskId, owner),
    waitForChange: () => store.waitForTask(taskId, { until: "change", ...owner }),
    waitForResult: () => store.waitForResult(taskId, owner),
    acquireLease: () => store.acquireLease(taskId, owner),
  };
}

const HIDDEN = "A foreign call gets the same error, in the same words, as a call for an unknown id.";

const foreignCallCases = Object.keys(foreignCalls({} as TaskStore, "")).map((name) =>
  defineCase(
    `isolation/foreign-${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`,
    HIDDEN,
    async (scene) => {
      const store = scene.open();
      const working = await newTask(store, {}, MINE);
      await store.requestInputs(working, { q: QUESTION });
      const ended = await newTask(store, {}, MINE);
      await store.storeTaskResult(ended, "completed", RESULT);
      for (const taskId of [working, ended]) {
        const before = await recordOf(store, taskId);
        const foreign = await refused(
          scene.soon(foreignCalls(store, taskId)[name]?.() as Promise<unknown>),
          "TASK_NOT_FOUND",
        );
        const unknown = await refused(
          scene.soon(foreignCalls(store, NOBODY)[name]?.() as Promise<unknown>),
          "TASK_NOT_FOUND",
        );
        assert.equal(foreign.message.replaceAll(taskId, NOBODY), unknown.message);
        assert.deepStrictEqual(Object.keys(foreign), Object.keys(unknown));
        assert.deepStrictEqual([foreign.status, foreign.taskId], [undefined, taskId]);
        assert.deepStrictEqual(await recordOf(store, taskId), before);
      }
    },
  ),
);

export const isolationCases = [
  ...foreignCallCases,

  defineCase(
    "isolation/foreign-get",
    "`getTask` and `getRecord` of a task of another owner are null.",
    async (scene) => {
      const store = scene.open();
      const taskId = await newTask(store, {}, MINE);
      assert.equal(await store.getTask(taskId, THEIRS), null);
      assert.equal(await store.getRecord(taskId, { owner: THEIRS }), null);
      assert.equal((await store.getTask(taskId, MINE))?.taskId, taskId);
      assert.equal((await store.getRecord(taskId, { owner: MINE }))?.task.taskId, taskId);
    },
  ),

  defineCase(
    "isolation/foreign-list",
    "`listTasks` has the owner's tasks and unowned ones, and no others.",
    async (scene) => {
      const store = scene.open();
      const mine = await newTask(store, {}, MINE);
      const theirs = await newTask(store, {}, THEIRS);
      const unowned = await newTask(store);
      assert.deepStrictEqual(await walk(store, MINE), [mine, unowned]);
      assert.deepStrictEqual(await walk(store, THEIRS), [theirs, unowned]);
      assert.deepStrictEqual(await walk(store, "somebody else"), [unowned]);
      assert.deepStrictEqual(await walk(store), [mine, theirs, unowned]);
    },
  ),

  defineCase(
    "isolation/pages-are-full",
    "Pages are filtered before they are cut, so others' tasks make no page short or empty.",
    async (scene) => {
      const store = scene.open({ pageSize: 3 });
      const mine: string[] = [];
      for (const n of range(21)) {
        const taskId = await newTask(store, {}, n % 3 ? THEIRS : MINE);
        if (n % 3 === 0) mine.push(taskId);
      }
      const found: string[] = [];
      let cursor: string | undefined;
      for (const size of [3, 3, 1]) {
        const page = await store.listTasks(cursor, MINE);
        assert.equal(page.tasks.length, size);
        found.push(...page.tasks.map((task) => task.taskId));
        cursor = page.nextCursor;
      }
      assert.equal(cursor, undefined);
      assert.deepStrictEqual(found, mine);
    },
  ),

  defineCase(
    "isolation/foreign-subscription",
    "A subscription to another owner's task gets no event.",
    async (scene) => {
      const [store, other] = [scene.open(), scene.open()];
      const taskId = await newTask(store, {}, MINE);
      const theirs: unknown[] = [];
      await store.subscribe((event) => theirs.push(event), { taskId, owner: THEIRS });
      const told = Promise.withResolvers<void>();
      await store.subscribe(({ task }) => task.status === "completed" && told.resolve(), { taskId, owner: MINE });
      await other.updateTaskStatus(taskId, "working", "half");
      await other.storeTaskResult(taskId, "completed", RESULT);
      await scene.soon(told.promise, "The event of the owner");
      assert.deepStrictEqual(theirs, []);
    },
  ),

  defineCase(
    "isolation/foreign-events",
    "A subscription to all tasks gets events of the owner's tasks and unowned ones only.",
    async (scene) => {
      const [store, other] = [scene.open(), scene.open()];
      const seen = new Set<string>();
      const told = Promise.withResolvers<void>();
      const last = await newTask(other, {}, MINE);
      await store.subscribe(
        ({ task }) => {
          seen.add(task.taskId);
          if (task.taskId === last) told.resolve();
        },
        { owner: MINE },
      );
      const theirs = await newTask(other, {}, THEIRS);
      await other.updateTaskStatus(theirs, "working", "half");
      const unowned = await newTask(other);
      await other.updateTaskStatus(unowned, "working", "half");
      await other.storeTaskResult(theirs, "completed", RESULT);
      await other.storeTaskResult(last, "completed", RESULT);
      await scene.soon(told.promise, "The event of the owner's task");
      assert(!seen.has(theirs), "An event of another owner's task came");
    },
  ),

  defineCase("isolation/call-without-owner", "A call without owner is unrestricted by default.", async (scene) => {
    const store = scene.open();
    const taskId = await newTask(store, {}, MINE);
    assert.equal((await store.getTask(taskId))?.taskId, taskId);
    await store.updateTaskStatus(taskId, "working", "progress");
    await store.storeTaskResult(taskId, "completed", RESULT);
    assert.deepStrictEqual(await store.getTaskResult(taskId), RESULT);
    assert.equal((await store.cancelTask(await newTask(store, {}, MINE))).task.status, "cancelled");
  }),

  defineCase("isolation/unowned-task", "A task without an owner is everyone's by default.", async (scene) => {
    const store = scene.open();
    const taskId = await newTask(store);
    assert.equal((await store.getTask(taskId, MINE))?.taskId, taskId);
    await store.updateTaskStatus(taskId, "working", "progress", THEIRS);
    await store.storeTaskResult(taskId, "completed", RESULT, MINE);
    assert.deepStrictEqual(await store.getTaskResult(taskId, THEIRS), RESULT);
  }),

  defineCase(
    "isolation/strict",
    '`isolation: "strict"` makes unowned tasks visible to unowned calls only, and those see nothing else.',
    async (scene) => {
      const store = scene.open({ isolation: "strict" });
      const mine = await newTask(store, {}, MINE);
      const unowned = await newTask(store);
      assert.deepStrictEqual(await walk(store, MINE), [mine]);
      assert.deepStrictEqual(await walk(store), [unowned]);
      assert.equal(await store.getTask(unowned, MINE), null);
      assert.equal(await store.getTask(mine), null);
      await refused(store.cancelTask(mine), "TASK_NOT_FOUND");
      await refused(store.updateTaskStatus(unowned, "working", "x", MINE), "TASK_NOT_FOUND");
      await refused(scene.soon(store.waitForTask(mine)), "TASK_NOT_FOUND");
      assert.equal((await store.getTask(mine, MINE))?.taskId, mine);
      assert.equal((await store.getTask(unowned))?.taskId, unowned);
    },
  ),

  defineCase(
    "isolation/any-owner",
    "`ANY_OWNER` lets trusted code see and change everyone's tasks, under either isolation.",
    async (scene) => {
      for (const isolation of ["sdk", "strict"] as const) {
        const store = scene.open({ isolation });
        for (const taskId of [await newTask(store, {}, MINE), await newTask(store)]) {
          assert.equal((await store.getRecord(taskId, { owner: ANY_OWNER }))?.task.taskId, taskId);
          const lease = await store.acquireLease(taskId, { owner: ANY_OWNER });
          await store.renewLease(lease);
          await store.finishTask(taskId, { status: "completed", result: RESULT }, { owner: ANY_OWNER, lease });
          assert.deepStrictEqual(await store.waitForResult(taskId, { owner: ANY_OWNER }), RESULT);
        }
      }
    },
  ),

  defineCase(
    "isolation/owner-of-session",
    "`owner` maps a session to an owner, so that a reconnected user finds their tasks.",
    async (scene) => {
      const users: Record<string, string> = { "session-1": MINE, "session-2": MINE, "session-3": THEIRS };
      const store = scene.open({ owner: (sessionId) => users[sessionId ?? ""] });
      const taskId = await newTask(store, {}, "session-1");
      assert.equal((await recordOf(store, taskId)).owner, MINE);
      assert.equal((await store.getTask(taskId, "session-2"))?.taskId, taskId);
      assert.deepStrictEqual(await walk(store, "session-2"), [taskId]);
      assert.equal(await store.getTask(taskId, "session-3"), null);
      await refused(store.updateTaskStatus(taskId, "cancelled", "no", "session-3"), "TASK_NOT_FOUND");
      await store.storeTaskResult(taskId, "completed", RESULT, "session-2");
      assert.deepStrictEqual(await store.getTaskResult(taskId, "session-1"), RESULT);
      assert.equal((await store.getTask(await newTask(store, {}, "unknown")))?.status, "working");
    },
  ),

  defineCase(
    "isolation/owner-implies-strict",
    "With `owner`, isolation is strict by default: a session without an owner sees no owner's task.",
    async (scene) => {
      const users: Record<string, string> = { "session-1": MINE };
      const owner = (sessionId: string | undefined) => users[sessionId ?? ""];
      const store = scene.open({ owner });
      const mine = await newTask(store, {}, "session-1");
      const unowned = await newTask(store, {}, "unknown");
      assert.equal(await store.getTask(mine, "unknown"), null);
      assert.equal(await store.getTask(unowned, "session-1"), null);
      assert.deepStrictEqual(await walk(store), [unowned]);
      assert.deepStrictEqual(await walk(scene.open({ owner, isolation: "sdk" })), [mine, unowned]);
    },
  ),

  defineCase(
    "isolation/owners-are-compared-exactly",
    "Owners are compared exactly, character by character.",
    async (scene) => {
      const store = scene.open({ isolation: "strict" });
      const owners = [...ODD_KEYS, "a", "A", "a:", "x".repeat(512)];
      const tasks = new Map<string, string>();
      for (const owner of owners) tasks.set(owner, await naming(owner, () => newTask(store, {}, owner)));
      for (const [owner, taskId] of tasks) {
        await naming(owner, async () => {
          for (const other of owners) {
            const seen = await store.getTask(taskId, other);
            assert.equal(seen !== null, other === owner, `${seen ? "Also" : "Not"} seen by the owner ${shown(other)}`);
          }
          assert.deepStrictEqual(await walk(store, owner), [taskId]);
          assert.equal((await recordOf(store, taskId)).owner, owner);
        });
      }
      for (const owner of ["a\0", "\ud800", "x".repeat(513)])
        await naming(owner, () => refused(newTask(store, {}, owner), "INVALID_ARGUMENT"));
    },
  ),

  defineCase(
    "isolation/no-word-of-the-owner",
    "The error of a foreign call does not depend on the state of the task.",
    async (scene) => {
      const store = scene.open();
      const told = new Set<string>();
      for (const status of ["completed", "failed", "cancelled"] as const) {
        const taskId = await endedTask(store, status);
        const owned = await newTask(store, { taskId: `${taskId}-owned` }, MINE);
        await store.updateTaskStatus(owned, status);
        for (const { error } of await scene.soon(
          outcomes(Object.values(foreignCalls(store, owned)).map((call) => call())),
        ))
          told.add(error?.message.replaceAll(owned, "ID") ?? "success");
      }
      assert.deepStrictEqual([...told], ["Task with ID ID not found"]);
    },
  ),
];

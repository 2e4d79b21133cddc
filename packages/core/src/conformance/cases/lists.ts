import assert from "node:assert/strict";
import type { TaskStore } from "../../contract/task-store.ts";
import { createTask, heldTask, newTask, RESULT, range, refused, walk } from "../kit/assertions.ts";
import { defineCase } from "../kit/case.ts";
import { naming } from "../kit/wording.ts";

async function newTasks(store: TaskStore, count: number): Promise<string[]> {
  const ids: string[] = [];
  for (const _ of range(count)) ids.push(await newTask(store));
  return ids;
}

/** The cursor after the first page. The store has to have more tasks than one page. */
async function cursorOf(store: TaskStore, sessionId?: string): Promise<string> {
  return (await store.listTasks(undefined, sessionId)).nextCursor ?? assert.fail("There is no second page");
}

export const listCases = [
  defineCase("lists/empty", "A list without tasks has no tasks and no cursor.", async (scene) => {
    assert.deepStrictEqual(await scene.open().listTasks(), { tasks: [] });
  }),

  defineCase(
    "lists/creation-order",
    "Lists are in creation order, across handles and after later changes.",
    async (scene) => {
      const stores = [scene.open({ pageSize: 4 }), scene.open()] as const;
      const ids: string[] = [];
      for (const n of range(14)) ids.push(await newTask(stores[n % 2 ? 1 : 0], {}, n % 3 ? "ada" : undefined));
      await stores[0].updateTaskStatus(ids[0] as string, "working", "later");
      await stores[1].storeTaskResult(ids[1] as string, "completed", RESULT);
      await stores[1].acquireLease(ids[2] as string);
      assert.deepStrictEqual(await walk(stores[0]), ids);
      assert.deepStrictEqual(await walk(stores[1]), ids);
    },
  ),

  defineCase(
    "lists/order-of-calls",
    "Un-awaited creations through one handle are listed in the order of the calls.",
    async (scene) => {
      const calls: Promise<string>[] = [];
      for (const limits of [{}, { activeTasks: 1000, activeTasksPerOwner: 1000 }]) {
        const store = scene.open({ limits });
        for (const n of range(24)) {
          calls.push(newTask(store, {}, n % 3 ? "ada" : undefined));
          // Some calls are made in the same turn as the one before, others in a later turn.
          if (n % 8 === 7) await new Promise((resolve) => setImmediate(resolve));
        }
        await Promise.all(calls);
      }
      assert.deepStrictEqual(await walk(scene.open({ pageSize: 100 })), await Promise.all(calls));
    },
  ),

  defineCase(
    "lists/page-size",
    "`pageSize` is 10 by default, as in the SDK; the last page has no `nextCursor` at all.",
    async (scene) => {
      const store = scene.open();
      await newTasks(store, 10);
      const full = await store.listTasks();
      assert.deepStrictEqual([full.tasks.length, Object.hasOwn(full, "nextCursor")], [10, false]);
      await newTask(store);
      const first = await store.listTasks();
      assert.equal(first.tasks.length, 10);
      assert.equal(typeof first.nextCursor, "string");
      const last = await store.listTasks(first.nextCursor);
      assert.deepStrictEqual([last.tasks.length, Object.hasOwn(last, "nextCursor")], [1, false]);
      assert.equal((await scene.open({ pageSize: 3 }).listTasks()).tasks.length, 3);
      assert.equal((await scene.open({ pageSize: 100 }).listTasks()).tasks.length, 11);
    },
  ),

  defineCase("lists/tasks-are-whole", "A list shows tasks as `getTask` does.", async (scene) => {
    const store = scene.open();
    const ids = await newTasks(store, 3);
    await store.updateTaskStatus(ids[1] as string, "input_required", "well?");
    await store.storeTaskResult(ids[2] as string, "failed", RESULT);
    const { tasks } = await store.listTasks();
    assert.deepStrictEqual(tasks, await Promise.all(ids.map((taskId) => store.getTask(taskId))));
  }),

  defineCase(
    "lists/walk-while-changing",
    "Tasks that exist for a whole walk appear exactly once while others are created and expire.",
    async (scene) => {
      const store = scene.open({ pageSize: 3 });
      const ttl = scene.span(1000);
      const staying: string[] = [];
      for (const n of range(12)) {
        if (n % 2) staying.push(await newTask(store));
        else await newTask(store, { ttl });
      }
      const seen: string[] = [];
      let page = await store.listTasks();
      for (const n of range(20)) {
        seen.push(...page.tasks.map((task) => task.taskId));
        if (page.nextCursor === undefined) break;
        await newTask(store, { ttl: 50 });
        await store.updateTaskStatus(staying[n % staying.length] as string, "working", `${n}`);
        if (n === 0) {
          // Half of the tasks expire during the walk, perhaps the one at the cursor.
          await scene.advance(ttl);
          await store.deleteExpired();
        }
        page = await store.listTasks(page.nextCursor);
      }
      assert.equal(page.nextCursor, undefined);
      assert.deepStrictEqual(
        seen.filter((taskId) => staying.includes(taskId)),
        staying,
      );
      assert.equal(new Set(seen).size, seen.length);
    },
  ),

  defineCase(
    "lists/cursor-outlives-its-task",
    "A cursor is a place in the order, not a task, so it works after the task before it is gone.",
    async (scene) => {
      const store = scene.open({ pageSize: 2 });
      await newTask(store);
      const ttl = scene.span(1000);
      const lease = await heldTask(store, { ttl });
      const rest = await newTasks(store, 2);
      const cursor = await cursorOf(store);
      await store.releaseLease(lease);
      await scene.advance(ttl);
      await store.deleteExpired();
      const page = await store.listTasks(cursor);
      assert.deepStrictEqual(
        page.tasks.map((task) => task.taskId),
        rest,
      );
    },
  ),

  defineCase(
    "lists/cursor-of-another-handle",
    "A cursor works in every process that shares the tasks.",
    async (scene) => {
      const [one, two] = [scene.open({ pageSize: 2 }), scene.open({ pageSize: 2 })];
      const ids = await newTasks(one, 4);
      const page = await two.listTasks(await cursorOf(one));
      assert.deepStrictEqual(
        page.tasks.map((task) => task.taskId),
        ids.slice(2),
      );
    },
  ),

  defineCase(
    "lists/garbage-cursor",
    "A garbage cursor is refused with INVALID_CURSOR, never taken for page one.",
    async (scene) => {
      const store = scene.open({ pageSize: 1 });
      const [first] = await newTasks(store, 3);
      const garbage = [
        "",
        "0",
        "1",
        "-1",
        "x",
        "null",
        ".",
        "a.b",
        "\0",
        "\ud800",
        "MQ==",
        "e30",
        first,
        "x".repeat(5000),
      ];
      for (const cursor of garbage)
        await naming(cursor ?? "", () => refused(store.listTasks(cursor), "INVALID_CURSOR"));
      for (const cursor of [null, 1, {}]) await refused(store.listTasks(cursor as never), "INVALID_CURSOR");
    },
  ),

  defineCase("lists/tampered-cursor", "A tampered cursor is refused with INVALID_CURSOR.", async (scene) => {
    const store = scene.open({ pageSize: 1 });
    await newTasks(store, 3);
    const cursor = await cursorOf(store);
    const changed = [...cursor].map(
      (letter, at) => cursor.slice(0, at) + (letter === "2" ? "3" : "2") + cursor.slice(at + 1),
    );
    for (const each of [...changed, `${cursor}x`, ` ${cursor}`, `0${cursor}`, cursor.slice(1), cursor.slice(0, -1)])
      await refused(store.listTasks(each), "INVALID_CURSOR");
  }),

  defineCase(
    "lists/foreign-cursor",
    "A cursor of another owner, or of a store with other tasks, is refused with INVALID_CURSOR.",
    async (scene) => {
      const store = scene.open({ pageSize: 1 });
      for (const owner of ["ada", "ada", "grace", "grace", undefined]) await newTask(store, {}, owner);
      const cursor = await cursorOf(store, "ada");
      assert.equal((await store.listTasks(cursor, "ada")).tasks.length, 1);
      await refused(store.listTasks(cursor, "grace"), "INVALID_CURSOR");
      const other = (await scene.elsewhere()).open({ pageSize: 1 });
      await newTasks(other, 3);
      await refused(other.listTasks(await cursorOf(store)), "INVALID_CURSOR");
    },
  ),

  defineCase(
    "lists/same-moment",
    "Tasks created at the same moment are each listed once, in the same order each time.",
    async (scene) => {
      const stores = [scene.open({ pageSize: 7 }), scene.open({ pageSize: 5 })] as const;
      const created = await Promise.all(range(30).map((n) => createTask(stores[n % 2 ? 1 : 0])));
      const seen = await walk(stores[0]);
      assert.deepStrictEqual(seen.toSorted(), created.map((task) => task.taskId).toSorted());
      assert.deepStrictEqual(await walk(stores[1]), seen);
    },
  ),
];

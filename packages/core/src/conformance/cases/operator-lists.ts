import assert from "node:assert/strict";
import type { ListRecordsOptions, TaskFilter } from "../../contract/operations.ts";
import type { TaskStore } from "../../contract/task-store.ts";
import { LONG, newTask, QUESTION, RESULT, range, refused } from "../kit/assertions.ts";
import { defineCase } from "../kit/case.ts";

/** The ids of all records of a filter, by walking the pages. */
async function idsOf(store: TaskStore, options: ListRecordsOptions = {}): Promise<string[]> {
  const ids: string[] = [];
  let cursor: string | undefined;
  do {
    const page = await store.operations.listRecords({ ...options, cursor });
    ids.push(...page.records.map(({ task }) => task.taskId));
    cursor = page.nextCursor;
    assert(ids.length < 10_000, "The walk does not end");
  } while (cursor !== undefined);
  return ids;
}

/** Each filter has to take exactly these tasks, in whatever order. */
async function takes(store: TaskStore, filters: readonly [TaskFilter, readonly string[]][]): Promise<void> {
  for (const [where, wanted] of filters)
    assert.deepEqual(new Set(await idsOf(store, { where })), new Set(wanted), JSON.stringify(where));
}

/** A name and an owner whose characters mean something in SQL, in Lua and in patterns. */
const ODD = 'it\'s, "odd" %_*[?]\\ é';

async function call(store: TaskStore, name: string, args: Record<string, unknown>, owner?: string): Promise<string> {
  return (await store.createTask({ name, arguments: args, owner, ttl: LONG, claimAfterMs: LONG })).taskId;
}

export const operatorListCases = [
  defineCase(
    "operators/filters",
    "Operators list the tasks of all owners by status, name, owner, beginning of the id and attempts.",
    async (scene) => {
      const store = scene.open({ isolation: "strict" });
      const working = await call(store, "bake", {}, "ada");
      const asking = await call(store, "bake", {});
      const completed = await call(store, "grind", {}, "ada");
      const failed = await call(store, "grind", {}, "grace");
      const cancelled = await call(store, "sow", {}, "");
      const odd = await call(store, ODD, {}, ODD);
      await store.requestInputs(asking, { fine: QUESTION });
      await store.storeTaskResult(completed, "completed", RESULT, { owner: "ada" });
      await store.storeTaskResult(failed, "failed", RESULT, { owner: "grace" });
      await store.cancelTask(cancelled, { owner: "" });
      await store.acquireLease(working, { owner: "ada", leaseMs: LONG });
      await store.cancelTask(odd, { owner: ODD });
      const all = [working, asking, completed, failed, cancelled, odd];
      await takes(scene.open(), [
        [{}, all],
        [{ status: "working" }, [working]],
        [{ status: "input_required" }, [asking]],
        [{ status: ["completed", "failed"] }, [completed, failed]],
        [{ status: "failed" }, [failed]],
        [{ status: "active" }, [working, asking]],
        [{ status: "ended" }, [completed, failed, cancelled, odd]],
        [{ name: "bake" }, [working, asking]],
        [{ name: ["sow", "grind"] }, [completed, failed, cancelled]],
        [{ name: [ODD, "unknown"] }, [odd]],
        [{ owner: "ada" }, [working, completed]],
        [{ owner: ["grace", ODD] }, [failed, odd]],
        [{ owner: null }, [asking]],
        [{ owner: ["", null] }, [asking, cancelled]],
        [{ owner: "ada", status: "active" }, [working]],
        [{ owner: "grace", status: "active" }, []],
        [{ idPrefix: failed.slice(0, -1) }, [failed]],
        [{ attempts: { min: 1 } }, [working]],
        [{ attempts: { max: 0 }, name: "bake" }, [asking]],
        [{ name: "unknown" }, []],
      ]);
    },
  ),

  defineCase(
    "operators/pages",
    "Records come newest first, or oldest first, and pages have each task once while tasks come and change.",
    async (scene) => {
      const store = scene.open();
      const ids: string[] = [];
      for (const index of range(9)) ids.push(await newTask(store, {}, index % 2 ? "ada" : undefined));
      const { records, nextCursor, scanned } = await store.operations.listRecords({ limit: 4 });
      assert.deepEqual(
        records.map(({ task }) => task.taskId),
        ids.slice(5).toReversed(),
      );
      assert(nextCursor !== undefined && scanned >= 4);
      await newTask(store);
      for (const taskId of ids.slice(3)) await store.operations.cancelTasks({ idPrefix: taskId });
      const rest = await scene.open().operations.listRecords({ limit: 100, cursor: nextCursor });
      assert.deepEqual(
        rest.records.map(({ task }) => task.taskId),
        ids.slice(0, 5).toReversed(),
      );
      assert.equal(rest.nextCursor, undefined);
      assert.deepEqual((await idsOf(store, { order: "oldest", limit: 2 })).slice(0, 9), ids);
      assert.deepEqual((await idsOf(store, { limit: 3 })).slice(1), ids.toReversed());
      await refused(store.operations.listRecords({ order: "oldest", cursor: nextCursor }), "INVALID_CURSOR");
      await refused(store.listTasks(nextCursor), "INVALID_CURSOR");
      const { nextCursor: ofList } = await scene.open({ pageSize: 2 }).listTasks();
      await refused(store.operations.listRecords({ cursor: ofList as string }), "INVALID_CURSOR");
    },
  ),

  defineCase(
    "operators/bounded-pages",
    "A page looks at no more tasks than allowed, and its cursor goes on where it stopped.",
    async (scene) => {
      const store = scene.open();
      const wanted = await call(store, "bake", {});
      for (const _ of range(12)) await newTask(store);
      const where = { name: "bake" };
      const found: string[] = [];
      let cursor: string | undefined;
      let pages = 0;
      do {
        const page = await store.operations.listRecords({ where, scan: 5, cursor });
        assert(page.scanned <= 5, `${page.scanned} tasks were looked at`);
        found.push(...page.records.map(({ task }) => task.taskId));
        cursor = page.nextCursor;
        pages += 1;
        assert(pages < 20, "The walk does not end");
      } while (cursor !== undefined);
      assert.deepEqual(found, [wanted]);
      // A page that is full counts the tasks up to its last one.
      const full = await store.operations.listRecords({ limit: 2 });
      assert.equal(full.scanned, 2);
    },
  ),

  defineCase(
    "operators/payloads",
    "Operators find tasks by parts of the arguments, the context, the result and the error.",
    async (scene) => {
      const store = scene.open();
      const odd = 'quote " and \\ and \u2028 and é';
      const acme = await call(store, "bake", { customer: "acme", size: 3, tags: ["a", "b"] });
      const other = await call(store, "bake", { note: '"customer":"acme"', customer: "acme2", size: 31 });
      const deep = await call(store, "bake", { order: { customer: "acme", odd } });
      const { taskId: told } = await store.createTask({ ttl: LONG, context: { trace: { id: 7 } } }, 1, {
        method: "sow",
        params: { field: 3 },
      });
      const large = await call(store, "bake", { padding: "x".repeat(20_000), sort: "large" });
      await store.storeTaskResult(other, "completed", { content: [], grade: "fine" });
      await store.finishTask(deep, { status: "failed", error: { code: -32001, message: "No flour" } });
      await takes(store, [
        [{ payload: { arguments: { customer: "acme" } } }, [acme]],
        [{ payload: { arguments: { size: 3 } } }, [acme]],
        [{ payload: { arguments: { size: 3, customer: "acme2" } } }, []],
        [{ payload: { arguments: { tags: ["a", "b"] } } }, [acme]],
        [{ payload: { arguments: { tags: ["a"] } } }, []],
        [{ payload: { arguments: { order: { customer: "acme" } } } }, [deep]],
        [{ payload: { arguments: { order: { odd } } } }, [deep]],
        [{ payload: { arguments: { order: {} } } }, [deep]],
        [{ payload: { arguments: { sort: "large" } } }, [large]],
        [{ payload: { params: { field: 3 } } }, [told]],
        [{ payload: { context: { trace: { id: 7 } } } }, [told]],
        [{ payload: { result: { grade: "fine" } } }, [other]],
        [{ payload: { error: { code: -32001 } } }, [deep]],
        [{ payload: { arguments: {} }, status: "active" }, [acme, large]],
      ]);
    },
  ),

  defineCase(
    "operators/times",
    "Operators find tasks by when they were made, changed and ended, by the store's clock.",
    async (scene) => {
      const store = scene.open();
      const early = await newTask(store, { claimAfterMs: LONG });
      await scene.advance(30);
      const late = await newTask(store, { claimAfterMs: LONG });
      const created = (await store.getTask(late))?.createdAt as string;
      await scene.advance(30);
      await store.updateTask(early, { statusMessage: "half" });
      await scene.advance(30);
      const { task } = await store.finishTask(late, { status: "completed", result: RESULT });
      const ended = task.lastUpdatedAt;
      await takes(store, [
        [{ created: { before: created } }, [early]],
        [{ created: { after: created } }, [late]],
        [{ created: { after: new Date(created), before: ended } }, [late]],
        [{ changed: { after: ended } }, [late]],
        [{ changed: { before: created } }, []],
        [{ ended: { after: ended } }, [late]],
        [{ ended: {} }, [late]],
        [{ ended: { before: ended } }, []],
      ]);
      const [record] = (await store.operations.listRecords({ where: { status: "ended" } })).records;
      assert.equal(record?.endedAt, ended);
    },
  ),

  defineCase(
    "operators/stuck",
    "Tasks that no runner takes, whose runner was lost, or whose question waits for long are stuck, each with its reason.",
    async (scene) => {
      const store = scene.open();
      const create = (claimAfterMs: number) => newTask(store, { claimAfterMs });
      const [overdue, lost, waiting, held, later, asked] = await Promise.all(
        [0, LONG, LONG, LONG, LONG, LONG].map(create),
      );
      const ended = await create(0);
      await store.cancelTask(ended);
      await store.acquireLease(lost as string, { leaseMs: 20 });
      await store.acquireLease(held as string, { leaseMs: LONG });
      await store.requestInputs(waiting as string, { fine: QUESTION });
      await scene.advance(120);
      await store.requestInputs(asked as string, { fine: QUESTION });
      const stuck = { overdueMs: 50, waitingMs: 100 };
      const { records } = await store.operations.listRecords({ where: { stuck } });
      const reasons = Object.fromEntries(records.map(({ task, stuck }) => [task.taskId, stuck]));
      const wanted: Record<string, string> = {
        [overdue as string]: "overdue",
        [lost as string]: "lost",
        [waiting as string]: "waiting",
      };
      // By the real clock, the last question may be as old.
      delete reasons[asked as string];
      assert.deepEqual(reasons, wanted);
      assert.equal(later !== undefined && reasons[later], undefined);
      assert.deepEqual(await idsOf(store, { where: { stuck: { overdueMs: LONG, waitingMs: LONG } } }), []);
      assert.deepEqual(await idsOf(store, { where: { stuck: true } }), []);
    },
  ),

  defineCase(
    "operators/fields",
    "A listed record has the payloads that were asked for and no others; a single record has all.",
    async (scene) => {
      const store = scene.open();
      const taskId = await call(store, "bake", { loaves: 2 }, "ada");
      await store.finishTask(taskId, { status: "completed", result: RESULT }, { owner: "ada" });
      const { records } = await store.operations.listRecords();
      assert.equal(records.length, 1);
      const [bare] = records as unknown as Record<string, unknown>[];
      for (const hidden of ["request", "requestId", "context", "inputRequests", "result", "checkpoint", "rerunOf"])
        assert(!Object.hasOwn(bare as object, hidden), `The record has ${hidden}`);
      assert.equal(bare?.["owner"], "ada");
      const [asked] = (await store.operations.listRecords({ fields: ["request", "result"] })).records;
      assert.deepEqual(asked?.request?.params?.["arguments"], { loaves: 2 });
      assert.deepEqual(asked?.result, RESULT);
      const whole = await store.operations.getRecord(taskId);
      assert.deepEqual([whole?.result, whole?.owner, whole?.name, whole?.stuck], [RESULT, "ada", "bake", undefined]);
      assert.equal(Date.parse(whole?.expiresAt ?? "") - Date.parse(whole?.endedAt ?? ""), LONG);
      const part = await store.operations.getRecord(taskId, { fields: ["result"] });
      assert.deepEqual([part?.result, Object.hasOwn(part ?? {}, "request")], [RESULT, false]);
      assert.equal(await store.operations.getRecord("no such task"), null);
    },
  ),

  defineCase(
    "operators/next-task",
    "Nothing of an expired task is left in the next one with its id.",
    async (scene) => {
      const store = scene.open();
      const ttl = scene.span(1000);
      const taskId = await newTask(store, { ttl });
      await store.acquireLease(taskId, { leaseMs: ttl });
      await store.finishTask(taskId, { status: "completed", result: RESULT });
      await scene.advance(ttl);
      await newTask(store, { taskId });
      const record = await store.operations.getRecord(taskId);
      assert.deepEqual([record?.history, record?.result, record?.task.status], [[], undefined, "working"]);
      assert.equal((await store.operations.listRecords()).records.length, 1);
    },
  ),

  defineCase("operators/expired", "Expired tasks are in no list of operators.", async (scene) => {
    const store = scene.open();
    await newTask(store, { ttl: 20, claimAfterMs: 0 });
    const kept = await newTask(store);
    await scene.advance(60);
    assert.deepEqual(await idsOf(store), [kept]);
    assert.deepEqual(await idsOf(store, { where: { status: "active" } }), [kept]);
    const { counts } = await store.operations.stats();
    assert.equal(counts.working, 1);
  }),

  defineCase(
    "operators/wrong-filters",
    "A filter with an unknown condition or a wrong value is refused.",
    async (scene) => {
      const { operations } = scene.open();
      for (const where of [
        { statuses: "working" },
        { status: "done" },
        { status: [] },
        { owner: 3 },
        { created: { after: "yesterday" } },
        { created: { since: new Date() } },
        { attempts: { min: -1 } },
        { stuck: { overdueMs: -1 } },
        { payload: { args: {} } },
        null,
      ]) {
        await refused(operations.listRecords({ where: where as TaskFilter }), "INVALID_ARGUMENT");
        await refused(operations.cancelTasks(where as TaskFilter), "INVALID_ARGUMENT");
      }
      await refused(operations.listRecords({ limit: 0 }), "INVALID_ARGUMENT");
      await refused(operations.listRecords({ limit: 500, fields: ["result"] }), "INVALID_ARGUMENT");
      await refused(operations.listRecords({ cursor: "garbage" }), "INVALID_CURSOR");
    },
  ),
];

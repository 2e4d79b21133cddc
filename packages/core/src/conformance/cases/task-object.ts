import assert from "node:assert/strict";
import { ANY_OWNER } from "../../contract/owner.ts";
import type { Task } from "../../contract/task.ts";
import type { TaskStore } from "../../contract/task-store.ts";
import {
  createTask,
  endedTask,
  LONG,
  newTask,
  outcomes,
  QUESTION,
  REQUEST,
  RESULT,
  range,
  recordOf,
  refused,
  winners,
} from "../kit/assertions.ts";
import { defineCase } from "../kit/case.ts";
import { naming } from "../kit/wording.ts";

const ISO = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;
const FIELDS = ["createdAt", "lastUpdatedAt", "pollInterval", "status", "taskId", "ttl"];

/** Valid ids and other keys that careless code mixes up on the way to a database. */
export const ODD_KEYS: readonly string[] = [
  ..."a:b|a/b|{a}b|a b|a%|a_|a*|a?|[a]|'a'|\"a\"|a;--|$1|0|-1|null|undefined|__proto__|constructor|\\|a\nb".split("|"),
  "\u00e9",
  "e\u0301",
  "A:B",
  " a",
  "a ",
  "💾",
  "\u{10ffff}",
];

/** Every call that returns the task. */
async function views(store: TaskStore, taskId: string): Promise<(Task | null | undefined)[]> {
  return [
    await store.getTask(taskId),
    (await store.listTasks()).tasks.find((task) => task.taskId === taskId),
    (await store.getRecord(taskId))?.task,
    (await store.waitForTask(taskId, { until: "change" })).task,
  ];
}

export const taskObjectCases = [
  defineCase("task-object/initial", "A new task is `working` and has exactly the wire fields.", async (scene) => {
    const store = scene.open();
    const created = await createTask(store, { ttl: LONG, pollInterval: 250 });
    const { createdAt, taskId } = created;
    const expected = { taskId, status: "working", ttl: LONG, createdAt, lastUpdatedAt: createdAt, pollInterval: 250 };
    for (const task of [created, ...(await views(store, taskId))]) assert.deepStrictEqual(task, expected);
    assert.equal((await createTask(store)).pollInterval, 1000);
    assert.equal((await createTask(scene.open({ pollInterval: 77 }))).pollInterval, 77);
  }),

  defineCase(
    "task-object/wire-fields-only",
    "`getTask` returns exactly the wire fields of the SDK's Task throughout the task's life.",
    async (scene) => {
      const store = scene.open();
      const taskId = await newTask(store, { context: { secret: 1 } });
      await store.acquireLease(taskId);
      await store.requestInputs(taskId, { q: { method: "elicitation/create" } });
      for (const task of await views(store, taskId)) assert.deepStrictEqual(Object.keys(task ?? {}).sort(), FIELDS);
      await store.finishTask(taskId, { status: "completed", result: RESULT, statusMessage: "done" });
      for (const task of await views(store, taskId))
        assert.deepStrictEqual(Object.keys(task ?? {}).sort(), [...FIELDS, "statusMessage"].sort());
      assert.deepStrictEqual(Object.keys((await store.cancelTask(await newTask(store))).task).sort(), [
        ...FIELDS.slice(0, 4),
        "statusMessage",
        ...FIELDS.slice(4),
      ]);
    },
  ),

  defineCase("task-object/timestamps-are-utc", "Timestamps are ISO 8601 UTC.", async (scene) => {
    const store = scene.open();
    for (const task of [
      await store.getTask(await newTask(store)),
      await store.getTask(await endedTask(store, "failed")),
    ]) {
      for (const time of [task?.createdAt, task?.lastUpdatedAt]) {
        assert.match(time ?? "", ISO);
        assert.equal(new Date(time ?? "").toISOString(), time);
      }
    }
  }),

  defineCase(
    "task-object/reading-changes-nothing",
    "Timestamps are those of the change, never of the read.",
    async (scene) => {
      const store = scene.open();
      const taskId = await newTask(store);
      await store.updateTaskStatus(taskId, "working", "half");
      const before = await views(store, taskId);
      await scene.advance(50);
      assert.deepStrictEqual(await views(scene.open(), taskId), before);
    },
  ),

  defineCase(
    "task-object/changes-move-last-updated",
    "`lastUpdatedAt` is the time of the last change, and `createdAt` that of the creation.",
    async (scene) => {
      const store = scene.open();
      const { taskId, createdAt } = await createTask(store);
      let last = createdAt;
      const changes = [
        () => store.updateTaskStatus(taskId, "working", "progress"),
        () => store.requestInputs(taskId, { q: { method: "elicitation/create" } }),
        () => store.provideInputs(taskId, { q: 1 }),
        () => store.storeTaskResult(taskId, "completed", RESULT),
      ];
      for (const change of changes) {
        await scene.advance(50);
        await change();
        const task = await store.getTask(taskId);
        assert.equal(task?.createdAt, createdAt);
        assert(Date.parse(task.lastUpdatedAt) >= Date.parse(last) + 40, "lastUpdatedAt did not move with the change");
        last = task.lastUpdatedAt;
      }
    },
  ),

  defineCase(
    "task-object/returned-objects-are-the-callers",
    "Returned objects belong to the caller: changing them changes nothing stored.",
    async (scene) => {
      const store = scene.open();
      const taskId = await endedTask(store, "completed");
      const before = JSON.stringify(await recordOf(store, taskId));
      const given: object[] = [await store.getTaskResult(taskId), await recordOf(store, taskId)];
      for (const task of await views(store, taskId)) given.push(task ?? {});
      given.push(await store.listTasks());
      const spoil = (value: object) => {
        for (const [key, inner] of Object.entries(value)) {
          if (typeof inner === "object" && inner !== null) spoil(inner);
          Reflect.set(value, key, "spoilt");
        }
      };
      for (const value of given) spoil(value);
      assert.equal(JSON.stringify(await recordOf(store, taskId)), before);
      assert.deepStrictEqual(await store.getTaskResult(taskId), RESULT);
    },
  ),

  defineCase(
    "task-object/arguments-stay-the-callers",
    "Arguments are stored as they were at the call: changing them later changes nothing stored.",
    async (scene) => {
      const store = scene.open();
      const request = { method: "tools/call", params: { name: "grind", arguments: { grain: "rye" } } };
      const context = { user: { name: "Ada" } };
      const result = { content: [{ text: "flour" }] };
      const { taskId } = await store.createTask({ context }, 1, request);
      await store.storeTaskResult(taskId, "completed", result);
      request.params.arguments.grain = context.user.name = "spoilt";
      result.content.pop();
      const record = await recordOf(store, taskId);
      assert.deepStrictEqual(record.request.params?.["arguments"], { grain: "rye" });
      assert.deepStrictEqual(record.context, { user: { name: "Ada" } });
      assert.deepStrictEqual(record.result, { content: [{ text: "flour" }] });
    },
  ),

  defineCase("task-object/ids-are-random", "Ids carry at least 128 bits of randomness.", async (scene) => {
    const store = scene.open();
    const ids = await Promise.all(range(256).map(() => newTask(store)));
    assert.equal(new Set(ids).size, ids.length);
    const length = Math.min(...ids.map((id) => id.length));
    // The number of different characters at each place gives the bits that the place can hold.
    const bits = range(length).map((place) => Math.log2(new Set(ids.map((id) => id[place])).size));
    const sum = bits.reduce((total, each) => total + each, 0);
    assert(sum > 120, `256 ids show only ${Math.round(sum)} bits`);
  }),

  defineCase(
    "task-object/own-id-is-kept",
    "A caller may choose any well-formed string of up to 512 characters as the id, and no two ids are mixed up.",
    async (scene) => {
      const store = scene.open({ pageSize: 100 });
      const ids = [...ODD_KEYS, ...ODD_KEYS.map((key) => `x${key}`), "x".repeat(512)];
      for (const taskId of ids) {
        await naming(taskId, async () => {
          assert.equal((await createTask(store, { taskId })).taskId, taskId);
          await store.updateTaskStatus(taskId, "working", JSON.stringify(taskId));
          await store.messages.enqueue(taskId, notification(taskId));
        });
      }
      for (const taskId of ids) {
        await naming(taskId, async () => {
          const task = await store.getTask(taskId);
          assert.deepStrictEqual([task?.taskId, task?.statusMessage], [taskId, JSON.stringify(taskId)]);
          assert.deepStrictEqual(await store.messages.dequeueAll(taskId), [notification(taskId)]);
        });
      }
      assert.deepStrictEqual(
        (await store.listTasks()).tasks.map((task) => task.taskId),
        ids,
      );
    },
  ),

  defineCase(
    "task-object/unsuitable-ids-are-refused",
    "An id that some database cannot store exactly is refused, and nothing is written.",
    async (scene) => {
      const store = scene.open();
      for (const taskId of ["", "a\0b", "\ud800", "x".repeat(513)])
        await naming(taskId, () => refused(createTask(store, { taskId }), "INVALID_ARGUMENT"));
      assert.deepStrictEqual(await store.listTasks(), { tasks: [] });
    },
  ),

  defineCase(
    "task-object/any-string-may-be-asked-for",
    "`getTask` returns null for any unknown string, and never throws on a malformed one.",
    async (scene) => {
      const store = scene.open();
      await newTask(store, { taskId: "task" });
      const others = [
        "TASK",
        "task ",
        "tas",
        "",
        "\0",
        "task\0",
        "\udfff",
        "x".repeat(100_000),
        "' or 1=1 --",
        "%",
        "*",
      ];
      for (const taskId of [...others, ...ODD_KEYS]) {
        await naming(taskId, async () => {
          assert.equal(await store.getTask(taskId), null);
          assert.equal(await store.getRecord(taskId), null);
        });
      }
    },
  ),

  defineCase(
    "task-object/duplicate-is-refused",
    "A duplicate id is refused for every caller, and the task stays as it is.",
    async (scene) => {
      const store = scene.open();
      const taskId = await endedTask(store, "completed", { taskId: "twice" });
      const before = await recordOf(store, taskId);
      assert.equal((await refused(createTask(store, { taskId }), "TASK_EXISTS")).taskId, taskId);
      await refused(createTask(scene.open(), { taskId }, "somebody"), "TASK_EXISTS");
      assert.deepStrictEqual(await recordOf(store, taskId), before);
    },
  ),

  defineCase(
    "task-object/duplicate-race",
    "Exactly one of several concurrent creations of an id succeeds.",
    async (scene) => {
      const stores = [scene.open(), scene.open()];
      const calls = range(16).map((n) =>
        createTask(stores[n % 2] as TaskStore, { taskId: "once", pollInterval: n + 1 }),
      );
      const [winner, ...more] = winners(await outcomes(calls), "TASK_EXISTS");
      assert(winner && more.length === 0, "Not exactly one creation succeeded");
      assert.deepStrictEqual(await stores[0]?.getTask("once"), winner);
    },
  ),

  defineCase(
    "task-object/dedupe-key",
    "A key makes one task per owner and name while the task is kept: a repetition returns that task.",
    async (scene) => {
      const store = scene.open();
      const charge = { name: "charge", arguments: { order: 17, of: { b: 1, a: [2] } }, dedupeKey: "order-17" };
      const first = await store.createTask({ ...charge, owner: "ada", pollInterval: 7 });
      assert.deepStrictEqual(Object.keys(first).sort(), [...FIELDS, "created"].sort());
      assert.equal(first.created, true);
      assert.match(first.taskId, /^[\w-]{40,}$/, "The id can be guessed");
      const again = { ...charge, arguments: { of: { a: [2], b: 1 }, order: 17 }, owner: "ada", ttl: 1 };
      assert.deepStrictEqual(await scene.open().createTask(again), { ...first, created: false });
      const sent = { method: "tools/call", params: { name: "charge", arguments: charge.arguments, _meta: { a: 1 } } };
      const short = await store.createTask({ dedupeKey: "order-17" }, 9, sent, { owner: "ada" });
      assert.equal(short.taskId, first.taskId, "_meta made another task");
      const others = await Promise.all([
        store.createTask({ ...charge, owner: "bob" }),
        store.createTask(charge),
        store.createTask({ ...charge, owner: "ada", dedupeKey: "order-18" }),
        store.createTask({ ...charge, owner: "ada", name: "refund" }),
      ]);
      assert.deepStrictEqual(new Set(others.map(({ created }) => created)), new Set([true]));
      await store.finishTask(first.taskId, { status: "completed", result: RESULT });
      const ended = await store.createTask({ ...charge, owner: "ada" });
      assert.deepStrictEqual([ended.taskId, ended.created, ended.status], [first.taskId, false, "completed"]);
    },
  ),

  defineCase(
    "task-object/dedupe-conflict",
    "A key whose task has another request is DEDUPE_CONFLICT, and a key that cannot be one is refused.",
    async (scene) => {
      const store = scene.open({ limits: { activeTasks: 1 } });
      const task = { name: "charge", arguments: { order: 17 }, dedupeKey: "secret-key" };
      const { taskId } = await store.createTask(task);
      const before = await recordOf(store, taskId);
      const other = scene.open();
      for (const args of [{ order: 18 }, { order: 17, more: 1 }, undefined]) {
        const error = await refused(other.createTask({ ...task, arguments: args }), "DEDUPE_CONFLICT");
        assert(!`${error.message}`.includes("secret-key"), "The message has the key");
      }
      for (const dedupeKey of ["", "x".repeat(513), "a\ud800", 7 as never])
        await refused(store.createTask({ ...task, dedupeKey }), "INVALID_ARGUMENT");
      await refused(store.createTask({ ...task, taskId: "own" }), "INVALID_ARGUMENT");
      // A repetition is no further task, so it is within the cap.
      assert.equal((await store.createTask(task)).created, false);
      assert.deepStrictEqual(await recordOf(store, taskId), before);
    },
  ),

  defineCase(
    "task-object/dedupe-race",
    "Of several concurrent creations with one key, one makes the task.",
    async (scene) => {
      const stores = [scene.open(), scene.open()];
      const made = await Promise.all(
        range(16).map((n) =>
          (stores[n % 2] as TaskStore).createTask({ name: "charge", dedupeKey: "once", ttl: LONG + n }),
        ),
      );
      assert.equal(new Set(made.map(({ taskId }) => taskId)).size, 1, "There is more than one task");
      assert.equal(made.filter(({ created }) => created).length, 1, "Not exactly one creation made the task");
      assert.equal((await stores[0]?.listTasks())?.tasks.length, 1);
    },
  ),

  defineCase(
    "task-object/record-holds-everything",
    "The record holds the whole task: request, context, owner, name, attempt and outcome.",
    async (scene) => {
      const store = scene.open();
      const request = { method: "tools/call", params: { name: "grind", _meta: { progressToken: 7 } } };
      const { taskId } = await store.createTask({ ttl: LONG, context: { a: [1] } }, "request-9", request, "ada");
      const { task, claimableAt, ...rest } = await recordOf(scene.open(), taskId);
      assert.deepStrictEqual(task, await store.getTask(taskId));
      assert.match(claimableAt ?? "", ISO);
      assert.deepStrictEqual(rest, {
        revision: 1,
        owner: "ada",
        name: "grind",
        requestId: "request-9",
        request,
        context: { a: [1] },
        inputRequests: {},
        checkpoint: undefined,
        attempt: 0,
      });
      const other = await store.createTask({}, 0, { method: "sampling/createMessage" });
      const record = await recordOf(store, other.taskId);
      assert.deepStrictEqual([record.name, record.requestId, record.owner], ["sampling/createMessage", 0, undefined]);
    },
  ),

  defineCase(
    "task-object/create-by-name",
    "A task can be created for a tool by its name, or for another request by its method, for one owner or none.",
    async (scene) => {
      const store = scene.open();
      const options = { ttl: LONG, context: { a: 1 } };
      const call = { name: "grind", arguments: { grain: "rye" } };
      const { taskId } = await store.createTask({ ...call, ...options, owner: "ada", taskId: "called" });
      const called = await recordOf(store, taskId);
      assert.deepStrictEqual(
        [called.name, called.request, called.requestId, called.context, called.owner, called.task.ttl],
        ["grind", REQUEST, "called", { a: 1 }, "ada", LONG],
      );
      const request = { method: "sampling/createMessage", params: { maxTokens: 9 } };
      const asked = await recordOf(store, (await store.createTask({ ...request, requestId: 7 })).taskId);
      assert.deepStrictEqual([asked.request, asked.requestId, asked.owner], [request, 7, undefined]);
      const before = await store.listTasks();
      for (const wrong of [{}, { ...call, ...request }, { name: "grind", params: {} }, { ...call, owner: ANY_OWNER }])
        await refused(store.createTask(wrong as never), "INVALID_ARGUMENT");
      await refused(store.createTask({}, 1, REQUEST, { owner: ANY_OWNER }), "INVALID_ARGUMENT");
      assert.deepStrictEqual(await store.listTasks(), before);
    },
  ),

  defineCase(
    "task-object/record-fields",
    "A record read with `fields` has these fields, and those that cost nothing to read.",
    async (scene) => {
      const store = scene.open();
      const taskId = await newTask(store, { context: { a: 1 } });
      await store.updateTask(taskId, { checkpoint: { step: 1 } });
      await store.requestInputs(taskId, { q: QUESTION });
      const asking = await recordOf(store, taskId);
      await store.finishTask(taskId, { status: "completed", result: RESULT });
      const ended = await recordOf(store, taskId);
      const free = ["attempt", "claimableAt", "name", "owner", "revision", "task"] as const;
      const pick = (record: object, fields: readonly string[]) =>
        Object.fromEntries(Object.entries(record).filter(([name]) => fields.includes(name)));
      assert.deepStrictEqual(await store.getRecord(taskId, { fields: [] }), pick(ended, free));
      const fields = ["request", "requestId", "context", "inputRequests", "checkpoint", "result", "error"] as const;
      for (const field of fields) {
        assert.deepStrictEqual(await store.getRecord(taskId, { fields: [field] }), pick(ended, [...free, field]));
      }
      const other = await newTask(store);
      await store.requestInputs(other, { q: QUESTION });
      const question = await store.getRecord(other, { fields: ["inputRequests"] });
      assert.deepStrictEqual(question?.inputRequests, asking.inputRequests);
      await refused(store.getRecord(taskId, { fields: ["payload"] as never }), "INVALID_ARGUMENT");
    },
  ),

  defineCase("task-object/read-your-writes", "Every handle reads a write at once.", async (scene) => {
    const [one, two] = [scene.open(), scene.open()];
    const [there, here] = [(id: string) => two.getTask(id), (id: string) => one.getTask(id)];
    for (const n of range(10)) {
      const taskId = await newTask(one);
      for (const read of [there, here]) assert.equal((await read(taskId))?.status, "working");
      await two.updateTaskStatus(taskId, "input_required", `${n}`);
      for (const read of [here, there]) assert.equal((await read(taskId))?.statusMessage, `${n}`);
      await one.storeTaskResult(taskId, "completed", { n });
      for (const read of [there, here]) assert.equal((await read(taskId))?.status, "completed");
      assert.deepStrictEqual(await two.getTaskResult(taskId), { n });
    }
  }),
];

function notification(method: string) {
  return { type: "notification", message: { jsonrpc: "2.0", method }, timestamp: 1 } as const;
}

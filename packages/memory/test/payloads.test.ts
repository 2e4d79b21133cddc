import { randomInt } from "node:crypto";
import { DurableTaskStore } from "@mcp-task-store/core/backend";
import {
  MemoryBackend,
  MemoryStorage,
  MemoryTaskStore,
  type Result,
  type TaskRecord,
  TaskStoreError,
} from "@mcp-task-store/memory";
import { expect, test } from "vitest";

const CALL = { method: "tools/call", params: { name: "render" } };

/** Two stores, of which one keeps copies of objects and the other one JSON texts. */
function bothForms(payloadBytes?: number): { objects: DurableTaskStore; texts: DurableTaskStore } {
  const [objects, texts] = [new MemoryBackend(new MemoryStorage()), new MemoryBackend(new MemoryStorage())];
  expect(objects.keepsObjects).toBe(true);
  Object.assign(texts, { keepsObjects: undefined });
  const options = { limits: { payloadBytes } };
  return { objects: new DurableTaskStore(objects, options), texts: new DurableTaskStore(texts, options) };
}

/** Stores the value in each place that takes any JSON, and returns what comes back. */
async function throughStore(store: DurableTaskStore, value: unknown): Promise<unknown[]> {
  const context = { value };
  const request = { method: "tools/call", params: { name: "render", arguments: { value } } };
  const calls = [
    async () => {
      const { taskId } = await store.createTask({ context }, 1, request);
      return store
        .getRecord(taskId, { fields: ["request", "context"] })
        .then((record) => record && { ...record, task: null, claimableAt: null });
    },
    async () => {
      const { taskId } = await store.createTask({}, 1, CALL);
      await store.updateTask(taskId, { checkpoint: value });
      return (await store.getRecord(taskId, { fields: ["checkpoint"] }))?.checkpoint;
    },
    async () => {
      const { taskId } = await store.createTask({}, 1, CALL);
      await store.storeTaskResult(taskId, "completed", { value } as Result);
      return store.getTaskResult(taskId);
    },
    async () => {
      const { taskId } = await store.createTask({}, 1, CALL);
      await store.requestInputs(taskId, { ask: { method: "elicitation/create", params: { value } } });
      await store.provideInputs(taskId, { ask: { value } });
      return store.awaitInput(taskId, "ask");
    },
  ];
  return Promise.all(calls.map((call) => call().then(shown, shown)));
}

/** Everything that JSON, `toEqual` or a reader could tell apart, as text. */
function shown(value: unknown): unknown {
  if (value instanceof TaskStoreError)
    return [value.code, value.message, String((value.cause as Error | undefined)?.message)];
  if (value instanceof Error) return String(value);
  if (typeof value === "number") return Object.is(value, -0) ? "-0" : String(value);
  if (typeof value !== "object" || value === null)
    return typeof value === "string" ? JSON.stringify(value) : String(value);
  const prototype: unknown = Object.getPrototypeOf(value);
  const kind = prototype === Object.prototype ? "object" : prototype === Array.prototype ? "array" : "other";
  return [kind, ...Reflect.ownKeys(value).map((key) => [String(key), shown(Reflect.get(value, key))])];
}

class Point {
  x = 1;
  y = undefined;
}

const pick = <T>(items: readonly T[]): T => items[randomInt(items.length)] as T;
const some = <T>(make: () => T): T[] => Array.from({ length: randomInt(5) }, make);

const STRINGS = [
  "",
  "a",
  'q"\\',
  "\0\n\u2028",
  "\ud800",
  "\udc00x",
  "\u{1f600}é",
  "__proto__",
  "constructor",
  "10",
  "2",
];
const LEAVES = [0, -0, 1.5, -1e21, 5e-324, 2 ** 53, true, false, null, undefined, ...STRINGS];

/** Values that JSON writes in another form, leaves out, or does not have. */
const ODD: readonly (() => unknown)[] = [
  () => new Date(0),
  () => new Date(Number.NaN),
  () => new Point(),
  () => new URL("https://example.com"),
  () => pick([Number.NaN, Number.NEGATIVE_INFINITY, 1n, Symbol("s"), () => 1]),
  () => new Map([[1, 2]]),
  () => Object(pick([1, "text", true])),
  ...[1, "text", undefined].map((json) => () => ({ toJSON: () => json })),
  () => Object.assign([1, 2], { toJSON: () => "an array" }),
  () => Object.assign([1, 2], { named: 3 }),
  () => new (class extends Array {})(3),
  () => Object.assign(new Array(3), { 0: 1, 2: 3 }),
  () => JSON.parse('{"__proto__": {"a": 1}, "b": {"__proto__": null}}'),
  () => Object.assign(Object.create(null), { a: { b: -0 } }),
  () => Object.create({ inherited: 1 }, { own: { value: 2, enumerable: true }, hidden: { value: 3 } }),
  () => ({ [Symbol("key")]: 1, a: 2 }),
  () => ({
    get a() {
      return [-0];
    },
  }),
  () => ({
    get a() {
      throw new Error("no");
    },
  }),
  () => new Proxy({ a: 1, b: [2] }, {}),
  () => nested(randomInt(150, 250)),
  () => {
    const cycle: unknown[] = [];
    cycle.push([{ cycle }]);
    return cycle;
  },
  () => {
    const twice = { a: [-0] };
    return [twice, twice];
  },
];

function nested(depth: number): unknown {
  return depth === 0 ? [-0] : pick([() => [nested(depth - 1)], () => ({ a: nested(depth - 1) })])();
}

function anything(depth: number, odd: number): unknown {
  if (odd > 0 && randomInt(odd) === 0) return pick(ODD)();
  if (depth === 0 || randomInt(3) === 0) return pick(LEAVES);
  if (randomInt(2) === 0) return some(() => anything(depth - 1, odd) ?? null);
  return Object.fromEntries(some(() => [pick(STRINGS), anything(depth - 1, odd)]));
}

test.each([
  ["plain values", 300, 0],
  ["values with odd parts", 300, 12],
] as const)("copies and JSON texts give back the same: %s", async (_, values, odd) => {
  const { objects, texts } = bothForms();
  for (let index = 0; index < values; index += 1) {
    const value = anything(4, odd);
    expect(await throughStore(objects, value)).toEqual(await throughStore(texts, value));
  }
});

test.each(ODD.map((make) => [make]))(
  "copies and JSON texts give back the same, or the same error: %s",
  async (make) => {
    const { objects, texts } = bothForms();
    const value = make();
    expect(await throughStore(objects, value)).toEqual(await throughStore(texts, value));
  },
);

test("copies and JSON texts have the same limit of bytes", async () => {
  for (let index = 0; index < 100; index += 1) {
    const result = { value: anything(3, 0) ?? null, filler: pick(["é", "\0", "x", "\ud800"]).repeat(200) };
    const bytes = Buffer.byteLength(JSON.stringify({ result }));
    for (const limit of [bytes - 1, bytes, bytes * randomInt(1, 8)]) {
      const { objects, texts } = bothForms(limit);
      for (const store of [objects, texts]) {
        const { taskId } = await store.createTask({}, 1, CALL);
        const stored = store.finishTask(taskId, { status: "completed", result });
        if (limit < bytes) await expect(stored).rejects.toMatchObject({ code: "PAYLOAD_TOO_LARGE" });
        else await stored;
      }
    }
  }
});

test("a value that is stored and one that was read can be changed without effect", async () => {
  await using store = new MemoryTaskStore();
  const args = { pages: [1, { of: 2 }] };
  const result = { content: [{ type: "text", text: "done" }] };
  const { taskId } = await store.createTask({ name: "render", arguments: args });
  await store.finishTask(taskId, { status: "completed", result });
  args.pages.push(3);
  result.content.length = 0;
  for (let read = 0; read < 2; read += 1) {
    const { request, result: stored } = (await store.getRecord(taskId)) as TaskRecord;
    expect(request.params).toEqual({ name: "render", arguments: { pages: [1, { of: 2 }] } });
    expect(stored).toEqual({ content: [{ type: "text", text: "done" }] });
    Object.assign(request.params as object, { arguments: undefined });
    (stored as typeof result).content.length = 0;
  }
});

test("what a program adds to Object.prototype is not stored", async () => {
  const { objects, texts } = bothForms();
  try {
    Object.assign(Object.prototype, { added: 1 });
    expect(await throughStore(objects, { own: 1 })).toEqual(await throughStore(texts, { own: 1 }));
  } finally {
    Reflect.deleteProperty(Object.prototype, "added");
  }
});

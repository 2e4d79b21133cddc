import assert from "node:assert/strict";
import { runInNewContext } from "node:vm";
import type { QueuedMessage } from "../../contract/messages.ts";
import type { TaskStore } from "../../contract/task-store.ts";
import { createTask, LONG, message, newTask, QUESTION, range, recordOf, refused } from "../kit/assertions.ts";
import { defineCase } from "../kit/case.ts";
import { naming } from "../kit/wording.ts";

function nested(depth: number): unknown {
  let value: unknown = "bottom";
  for (const level of range(depth)) value = level % 2 ? [value] : { value };
  return value;
}

const EVERY_UNIT = String.fromCharCode(...range(0x800));

const PAYLOADS: Record<string, [what: string, make: () => unknown]> = {
  nul: ["NUL in strings and keys", () => ({ "\0": "\0", "a\0b": ["\0\0", "a\0"] })],
  "lone-surrogates": [
    "lone surrogates in strings and keys",
    () => ({ "\ud800": "\udfff", pair: "\udc00\ud800", tail: "a\ud83d" }),
  ],
  "proto-keys": [
    "`__proto__` keys",
    () => JSON.parse('{"__proto__": {"polluted": true}, "constructor": {"prototype": 1}, "a": {"__proto__": 1}}'),
  ],
  "deep-nesting": ["deep nesting", () => nested(500)],
  numbers: [
    "numbers at the edges",
    () => [
      0,
      -1,
      0.1,
      1e21,
      1e-7,
      5e-324,
      Number.MAX_VALUE,
      Number.MIN_VALUE,
      2 ** 53,
      2 ** 53 - 1,
      -(2 ** 63),
      1 / 3,
      123456789.12345679,
    ],
  ],
  unicode: [
    "every kind of character",
    () => ({ text: EVERY_UNIT, [EVERY_UNIT]: "💾\u2028\u2029\ufeff\u{10ffff}\ufffe" }),
  ],
  escapes: [
    "quotes and escapes",
    () => [
      "'",
      '"',
      "\\",
      "\\u0000",
      "\\\\0",
      "$1",
      "?",
      ":a",
      "%s",
      "''; drop table tasks --",
      "\r\n\t\b\f",
      "{{x}}",
      "${",
    ],
  ],
  empty: ["empty values", () => ({ "": "", a: [], b: {}, c: null, d: [[], {}, ""], e: false })],
  "key-order": ["the order of keys", () => ({ z: 1, a: 2, m: { y: 1, b: 2 }, A: 3 })],
};

const roundTrips = Object.entries(PAYLOADS).map(([id, [what, make]]) =>
  defineCase(`payloads/${id}`, `Any JSON comes back deep-equal from every field: ${what}.`, async (scene) => {
    const [store, reader] = [scene.open(), scene.open()];
    const value = make();
    const request = { method: "tools/call", params: { name: "grind", arguments: { value } } };
    const { taskId } = await store.createTask({ ttl: LONG, context: { value } }, 1, request);
    await store.requestInputs(taskId, { q: { method: "a", params: { value } } });
    const asked = await recordOf(reader, taskId);
    assert.deepStrictEqual(asked.request, request);
    assert.deepStrictEqual(asked.context, { value });
    assert.deepStrictEqual(asked.inputRequests, { q: { method: "a", params: { value } } });
    await store.provideInputs(taskId, { q: { value } });
    assert.deepStrictEqual(await scene.soon(reader.awaitInput(taskId, "q")), { value });
    await store.updateTask(taskId, { checkpoint: value });
    assert.deepStrictEqual((await recordOf(reader, taskId)).checkpoint, value);
    await store.storeTaskResult(taskId, "completed", { value });
    const result = await reader.getTaskResult(taskId);
    assert.deepStrictEqual(result, { value });
    assert.equal(JSON.stringify(result), JSON.stringify({ value }));
    const queued = { ...message(1), value } as unknown as QueuedMessage;
    await store.messages.enqueue(taskId, queued);
    assert.deepStrictEqual(await reader.messages.dequeue(taskId), queued);
    const failed = await newTask(store);
    const error = { code: -32000, message: "no", data: value };
    await store.finishTask(failed, { status: "failed", error });
    assert.deepStrictEqual((await recordOf(reader, failed)).error, error);
  }),
);

/** Every call that takes a payload, with this value somewhere inside. */
function* writes(store: TaskStore, taskId: string, value: unknown): Generator<Promise<unknown>> {
  yield store.storeTaskResult(taskId, "completed", { value });
  yield store.finishTask(taskId, { status: "failed", error: { code: 1, message: "m", data: value } });
  yield store.requestInputs(taskId, { other: { method: "a", params: { value } } });
  yield store.provideInputs(taskId, { q: value });
  yield store.updateTask(taskId, { checkpoint: value });
  yield store.createTask({ taskId: "no" }, 1, { method: "a", params: { value } });
  yield createTask(store, { taskId: "no", context: { value } });
  yield store.messages.enqueue(taskId, { ...message(1), value } as unknown as QueuedMessage);
}

const EMPTIED: [kind: string, value: unknown][] = [
  ["a Map", new Map([["a", 1]])],
  ["a Set", new Set([1])],
  ["an Error", Object.assign(new Error("no"), { code: "ENOENT" })],
  ["a RegExp", /a/],
  ["a Promise", Promise.resolve([1])],
  ["a typed array", new Uint8Array([1, 2])],
  ["an ArrayBuffer", new ArrayBuffer(1)],
  ["a DataView", new DataView(new ArrayBuffer(1))],
  ["a WeakMap", new WeakMap()],
  // On Bun these have a toJSON.
  ...(["URLSearchParams", "Headers"] as const)
    .filter((name) => !("toJSON" in globalThis[name].prototype))
    .map((name): [string, unknown] => [`a ${name}`, new globalThis[name]({ a: "1" })]),
  ["a Blob", new Blob(["a"])],
  ["an Array Iterator", [1].values()],
  ["a Map", runInNewContext("new Map([['a', 1]])")],
  ["an Error", runInNewContext("new Error('no')")],
  ["a Map", new Proxy(new Map(), {})],
  ["a Set", { toJSON: () => new Set([1]) }],
  ["an invalid Date", new Date(Number.NaN)],
  ["a bigint", 1n],
  ["NaN", Number.NaN],
];

class Point {
  readonly #hidden = 3;
  readonly x = 1;
  readonly y = 2;
  sum(): number {
    return this.x + this.y + this.#hidden;
  }
}

const SAID: [said: unknown, value: unknown][] = [
  ["1970-01-01T00:00:00.000Z", new Date(0)],
  ["http://localhost/a", new URL("http://localhost/a")],
  [{ type: "Buffer", data: [97] }, Buffer.from("a")],
  [{ a: [1] }, { toJSON: () => ({ a: [1] }) }],
  [{ x: 1, y: 2 }, new Point()],
  [{ a: 1 }, Object.assign(Object.create(null), { a: 1 })],
  [{ a: [{}] }, runInNewContext("({ a: [{}] })")],
  [
    [1, "a", true],
    [Object(1), Object("a"), Object(true)],
  ],
  [{ a: 1 }, new Proxy({ a: 1 }, {})],
];

export const payloadCases = [
  ...roundTrips,

  defineCase("payloads/large", "A result of 10 MB comes back deep-equal.", async (scene) => {
    const store = scene.open();
    const taskId = await newTask(store);
    // A line of 17 bytes, so that characters lie in two chunks of any size that is a power of two.
    const result = { content: [{ type: "text", text: "0123456789abcé\n".repeat(640_000) }] };
    await store.storeTaskResult(taskId, "completed", result);
    assert((await scene.open().getTaskResult(taskId))["content"] !== undefined);
    // Not deepStrictEqual, which would print the whole value.
    assert(JSON.stringify(await store.getTaskResult(taskId)) === JSON.stringify(result), "The result was changed");
    assert.equal((await store.getTask(taskId))?.status, "completed");
  }),

  defineCase(
    "payloads/large-at-once",
    "Many large payloads that are read and written at once arrive, each with its own task.",
    async (scene) => {
      const store = scene.open();
      const ids = await Promise.all(range(12).map(() => newTask(store, {}, "ada")));
      const resultOf = (taskId: string) => ({ content: [], text: `${taskId} ${"x".repeat(30_000)}` });
      await Promise.all(ids.map((taskId) => store.storeTaskResult(taskId, "completed", resultOf(taskId), "ada")));
      const results = await Promise.all(ids.map((taskId) => store.getTaskResult(taskId, "ada")));
      for (const [index, taskId] of ids.entries())
        assert.equal(results[index]?.["text"], resultOf(taskId).text, "The result is another task's");
    },
  ),

  defineCase("payloads/status-message", "A status message may hold any characters.", async (scene) => {
    const store = scene.open();
    const taskId = await newTask(store);
    for (const text of ["\0", "\ud800", EVERY_UNIT, '"quoted"', "null", "é".repeat(20_000)]) {
      await naming(text, async () => {
        await store.updateTaskStatus(taskId, "working", text);
        assert.equal((await scene.open().getTask(taskId))?.statusMessage, text);
      });
    }
  }),

  defineCase(
    "payloads/undefined-properties",
    "A property that is undefined is left out, as on the wire.",
    async (scene) => {
      const store = scene.open();
      const taskId = await newTask(store);
      await store.storeTaskResult(taskId, "completed", { kept: 1, gone: undefined, nested: { gone: undefined } });
      assert.deepStrictEqual(await store.getTaskResult(taskId), { kept: 1, nested: {} });
    },
  ),

  defineCase(
    "payloads/what-is-not-json",
    "A value that is not JSON is refused with INVALID_ARGUMENT at any depth, and nothing is written.",
    async (scene) => {
      const store = scene.open();
      const taskId = await newTask(store);
      await store.requestInputs(taskId, { q: QUESTION });
      const cycle: Record<string, unknown> = {};
      cycle["cycle"] = { cycle };
      const before = await recordOf(store, taskId);
      for (const value of [
        1n,
        Number.NaN,
        Number.POSITIVE_INFINITY,
        Symbol("s"),
        () => 1,
        cycle,
        [undefined],
        { deep: [{ n: 1n }] },
      ]) {
        for (const call of writes(store, taskId, value)) await refused(call, "INVALID_ARGUMENT");
      }
      await refused(store.storeTaskResult(taskId, "completed", undefined as never), "INVALID_ARGUMENT");
      assert.deepStrictEqual(await recordOf(store, taskId), before);
      assert.equal(await store.getTask("no"), null);
      assert.deepStrictEqual(await store.messages.dequeueAll(taskId), []);
    },
  ),

  defineCase(
    "payloads/what-json-would-empty",
    "A value that JSON would empty is refused: the message names kind and place, and only the cause names every key.",
    async (scene) => {
      const store = scene.open();
      const taskId = await newTask(store);
      await store.requestInputs(taskId, { q: QUESTION });
      const before = await recordOf(store, taskId);
      for (const [kind, value] of EMPTIED) {
        for (const call of writes(store, taskId, { list: [{}, value] })) {
          const { message: text, cause } = await refused(call, "INVALID_ARGUMENT");
          assert(text.includes(`${kind} at `) && text.includes("*[1]"), `Place and kind are missing: ${text}`);
          assert(!text.includes("list"), `A key that may be data is in the message: ${text}`);
          assert(cause instanceof Error && cause.message.includes("list[1]"), `The cause lacks the place: ${cause}`);
        }
      }
      assert.deepStrictEqual(await recordOf(store, taskId), before);
      assert.equal(await store.getTask("no"), null);
      assert.deepStrictEqual(await store.messages.dequeueAll(taskId), []);
    },
  ),

  defineCase(
    "payloads/what-json-can-say",
    "Dates, objects with toJSON, class instances and objects of other realms come back as JSON.stringify writes them.",
    async (scene) => {
      const store = scene.open();
      for (const [said, value] of SAID) {
        const taskId = await newTask(store);
        await store.storeTaskResult(taskId, "completed", { value });
        assert.deepStrictEqual(await scene.open().getTaskResult(taskId), { value: said });
      }
    },
  ),
];

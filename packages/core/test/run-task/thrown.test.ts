import { runInNewContext } from "node:vm";
import { isTaskStoreError, JsonRpcError, runTask, TaskStoreError } from "@mcp-task-store/core";
import { ProtocolError } from "@modelcontextprotocol/server";
import { describe, expect, test } from "vitest";
import { stores } from "../../../../tooling/test/fixtures/stores.ts";
import { useScene } from "./support.ts";

const INTERNAL = -32603;
const withCode = (code: unknown, message = "No") => Object.assign(new Error(message), { code });
const deny = () => expect.unreachable();
const revoked = () => {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
};
/** An error made by another copy of the package. */
class ForeignRpcError extends Error {
  override readonly name = "JsonRpcError";
  readonly code = 1234;
}
class OwnProtocolError extends ProtocolError {
  override name = "OwnProtocolError";
}

const THROWN: [what: string, thrown: unknown, stored: { code: number; message: string; data?: unknown }][] = [
  [
    "a JSON-RPC error object",
    { code: -32002, message: "No", data: { a: 1 } },
    { code: -32002, message: "No", data: { a: 1 } },
  ],
  ["one of an application", { code: 404, message: "No" }, { code: 404, message: "No" }],
  ["a JSON-RPC error of core", new JsonRpcError(5, "No", [1]), { code: 5, message: "No", data: [1] }],
  ["one of another copy of core", new ForeignRpcError("No"), { code: 1234, message: "No" }],
  ["one of the SDK", new ProtocolError(7, "No", 1), { code: 7, message: "No", data: 1 }],
  ["one derived from the SDK's", new OwnProtocolError(7, "No"), { code: 7, message: "No" }],
  ["an error of another realm", runInNewContext("new TypeError('No')"), { code: INTERNAL, message: "No" }],
  ["an exit code", withCode(1), { code: INTERNAL, message: "No" }],
  ["an HTTP status", withCode(404), { code: INTERNAL, message: "No" }],
  ["a number of a database", withCode(23505), { code: INTERNAL, message: "No" }],
  ["a code of Node", withCode("ENOENT"), { code: INTERNAL, message: "No" }],
  ["a DOMException", new DOMException("No", "AbortError"), { code: INTERNAL, message: "No" }],
  ["a reserved code", withCode(-32002), { code: -32002, message: "No" }],
  ["an empty message", new RangeError(""), { code: INTERNAL, message: "RangeError" }],
  ["a number", 7, { code: INTERNAL, message: "7" }],
  ["a symbol", Symbol("no"), { code: INTERNAL, message: "Symbol(no)" }],
  ["a function", deny, { code: INTERNAL, message: "A function was thrown" }],
  ["an empty object", {}, { code: INTERNAL, message: "An object without a message was thrown" }],
  ["an object with a toString", { toString: () => "No" }, { code: INTERNAL, message: "No" }],
  ["a message that is a number", { message: 7 }, { code: INTERNAL, message: "7" }],
  [
    "a message that is an object",
    { message: {} },
    { code: INTERNAL, message: "An object without a message was thrown" },
  ],
  [
    "several errors",
    new AggregateError([new Error("first"), "second", new Error("first")], "All failed"),
    { code: INTERNAL, message: "All failed: first; second" },
  ],
  ["several errors alone", new AggregateError([new Error("first")]), { code: INTERNAL, message: "first" }],
  [
    "very many errors",
    new AggregateError(Array.from({ length: 9 }, (_, at) => new Error(`${at}`))),
    { code: INTERNAL, message: "0; 1; 2; 3; 4; and 4 more" },
  ],
  ["a cause", new Error("No", { cause: new Error("at 127.0.0.1") }), { code: INTERNAL, message: "No" }],
  ["data that JSON would empty", { code: 1, message: "No", data: new Map() }, { code: 1, message: "No" }],
  ["data that is a cycle", { code: 1, message: "No", data: [globalThis] }, { code: 1, message: "No" }],
  [
    "getters that throw",
    Object.defineProperties(new Error("No"), { code: { get: deny }, data: { get: deny }, name: { get: deny } }),
    { code: INTERNAL, message: "No" },
  ],
  [
    "a message that cannot be read",
    Object.defineProperty({}, "message", { get: deny }),
    { code: INTERNAL, message: "An object without a message was thrown" },
  ],
  ["a revoked Proxy", revoked(), { code: INTERNAL, message: "An object without a message was thrown" }],
  ["a very long message", new Error("x".repeat(1e6)), { code: INTERNAL, message: `${"x".repeat(8192)}...` }],
];

describe.each(stores)("thrown values of a handler, over $name", (kind) => {
  const scene = useScene(kind);

  test("become the JSON-RPC error that fits best", async () => {
    for (const [what, thrown, stored] of THROWN) {
      const taskId = await scene.newTask();
      const outcome = await runTask(scene.store, taskId, () => Promise.reject(thrown));
      expect(outcome, what).toMatchObject({ stored: true, status: "failed" });
      const { task, error } = await scene.record(taskId);
      expect(error, what).toEqual(stored);
      expect(task.statusMessage, what).toBe(stored.message);
    }
  });
});

test("errors of a store are recognised by name and code, from any copy and realm", () => {
  const foreign: unknown = runInNewContext(
    "Object.assign(new Error('x'), { name: 'TaskStoreError', code: 'LEASE_LOST' })",
  );
  expect(isTaskStoreError(foreign)).toBe(true);
  expect(isTaskStoreError(foreign, "LEASE_LOST")).toBe(true);
  expect(isTaskStoreError(foreign, "TASK_TERMINAL")).toBe(false);
  expect(isTaskStoreError(new TaskStoreError("LEASE_LOST", "x"))).toBe(true);
  for (const other of [undefined, null, "TaskStoreError", { name: "TaskStoreError" }, new Error("x"), revoked()])
    expect(isTaskStoreError(other)).toBe(false);
});

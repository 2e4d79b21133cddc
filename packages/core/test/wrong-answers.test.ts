// What a store makes of answers that no backend should give, and of failures.
import type { TaskStoreError } from "@mcp-task-store/core";
import { DurableTaskStore, type TaskBackend } from "@mcp-task-store/core/backend";
import { expect, test } from "vitest";
import { stores, withMethods } from "../../../tooling/test/fixtures/stores.ts";

const [memory] = stores;
const newPlace = (memory as (typeof stores)[number]).usePlaces();

test("a backend that refuses a write to a task as it was read gets an error, and is not asked for ever", async () => {
  await using place = await newPlace();
  const backend = place.openBackend();
  let writes = 0;
  const update: TaskBackend["update"] = async (taskId, { scope }) => {
    writes += 1;
    return { applied: false, task: await backend.read(taskId, scope, []) };
  };
  const store = new DurableTaskStore(withMethods(backend, { update }), { sweepIntervalMs: false });
  const { taskId } = await store.createTask({ name: "grind" });
  const asked = store.requestInputs(taskId, { fineness: { method: "elicitation/create" } });
  await expect(asked).rejects.toMatchObject({ code: "BACKEND_UNAVAILABLE", write: "not-applied", taskId });
  expect(writes).toBe(1);
  await store.close();
});

test("a write of questions that fails is an error of the call, with its cause", async () => {
  await using place = await newPlace();
  const cause = new Error("no disk");
  const update = () => Promise.reject(cause);
  const store = new DurableTaskStore(withMethods(place.openBackend(), { update }), { sweepIntervalMs: false });
  const { taskId } = await store.createTask({ name: "grind" });
  const asked = store.requestInputs(taskId, { fineness: { method: "elicitation/create" } });
  await expect(asked).rejects.toMatchObject({ code: "BACKEND_UNAVAILABLE", cause });
  await store.close();
});

test("a message that cannot be read is reported, and the others are delivered", async () => {
  await using place = await newPlace();
  const message = { type: "notification", timestamp: 1, message: { jsonrpc: "2.0", method: "notifications/message" } };
  const shift = async () => ["~aes-gcm|key||of a codec", JSON.stringify(message)];
  const reported: TaskStoreError[] = [];
  const onError = (error: TaskStoreError) => void reported.push(error);
  const store = new DurableTaskStore(withMethods(place.openBackend(), { shift }), {
    sweepIntervalMs: false,
    onError,
  });
  expect(await store.messages.dequeueAll("queue")).toEqual([message]);
  expect(reported.map(({ code }) => code)).toEqual(["PAYLOAD_UNREADABLE"]);
  await store.close();
});

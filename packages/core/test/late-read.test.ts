import { DurableTaskStore, type TaskBackend } from "@mcp-task-store/core/backend";
import { expect, test } from "vitest";
import { stores } from "../../../tooling/test/fixtures/stores.ts";

const [memory] = stores;
const newPlace = (memory as (typeof stores)[number]).usePlaces();

/** A backend whose next read holds back its answer until the test lets it go. */
function held<Key extends "read" | "readMany">(backend: TaskBackend, held: Key) {
  let gate: Promise<void> | undefined;
  let begun = Promise.withResolvers<void>();
  const proxy = new Proxy(backend, {
    get(target, key) {
      const value: unknown = Reflect.get(target, key, target);
      if (typeof value !== "function") return value;
      if (key !== held) return value.bind(target);
      return async (...of: unknown[]) => {
        const found = await value.apply(target, of);
        const waiting = gate;
        gate = undefined;
        if (waiting) begun.resolve();
        await waiting;
        return found;
      };
    },
  });
  const hold = () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    begun = Promise.withResolvers();
    gate = promise;
    return { begun: begun.promise, letGo: resolve };
  };
  return { backend: proxy, hold };
}

test("a wait never ends with a state that was read before it began", async () => {
  await using place = await newPlace();
  const { backend, hold } = held(place.openBackend(), "readMany");
  const store = new DurableTaskStore(backend, { sweepIntervalMs: false });
  const { taskId } = await store.createTask({ name: "work" });
  const question = { method: "elicitation/create", params: { message: "Sure?" } };
  await store.requestInputs(taskId, { first: question });
  const first = store.awaitInput(taskId, "first");
  await new Promise(setImmediate);
  const { begun, letGo } = hold();
  await store.provideInputs(taskId, { first: "yes" });
  // A read for the first answer is under way, and predates the second question.
  await begun;
  await store.requestInputs(taskId, { second: question });
  const second = store.awaitInput(taskId, "second");
  await new Promise(setImmediate);
  letGo();
  expect(await first).toBe("yes");
  await store.provideInputs(taskId, { second: "no" });
  expect(await second).toBe("no");
  await store.close();
});

test("a wait that ends during its first read leaves nothing that watches the task", async () => {
  await using place = await newPlace();
  const { backend, hold } = held(place.openBackend(), "read");
  let listening = 0;
  const counting = new Proxy(backend, {
    get(target, key) {
      if (key === "listen" || key === "listenForClaims") listening += 1;
      return Reflect.get(target, key);
    },
  });
  const store = new DurableTaskStore(counting, { sweepIntervalMs: false });
  const { taskId } = await store.createTask({ name: "work", owner: "alice" });
  const { begun, letGo } = hold();
  const client = new AbortController();
  const wait = store.waitForTask(taskId, { owner: "alice", signal: client.signal });
  await begun;
  client.abort(new Error("the client left"));
  await expect(wait).rejects.toThrow("the client left");
  letGo();
  // What the wait would begin after its read, it begins before this call ends.
  await new Promise(setImmediate);
  expect(await store.getTask(taskId, "alice")).toMatchObject({ status: "working" });
  expect(listening).toBe(0);
  await store.close();
});

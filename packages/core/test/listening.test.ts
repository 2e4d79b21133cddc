import type { TaskStoreError } from "@mcp-task-store/core";
import { DurableTaskStore, type OnChange, type TaskBackend } from "@mcp-task-store/core/backend";
import { expect, test } from "vitest";
import { stores, withMethods } from "../../../tooling/test/fixtures/stores.ts";

const [memory] = stores;
const newPlace = (memory as (typeof stores)[number]).usePlaces();

/**
 * A backend that counts its listeners and its reads of many. Its `listen` fails while `broken` is
 * set, and begins and ends once `gate` lets it.
 */
function listening(backend: TaskBackend) {
  const present = { claims: 0, changes: 0, begun: 0, ending: 0, reads: 0, broken: false, gate: Promise.resolve() };
  const start = async (kind: "claims" | "changes", onChange: OnChange) => {
    present.begun += 1;
    await present.gate;
    if (kind === "changes" && present.broken) throw new Error("not now");
    // A function of its own, since memory keeps its listeners in a set.
    const stop = await backend.listen((...signal) => onChange(...signal));
    present[kind] += 1;
    return async () => {
      present.ending += 1;
      await present.gate;
      present[kind] -= 1;
      await stop();
    };
  };
  const own: Partial<TaskBackend> = {
    listen: (onChange) => start("changes", onChange),
    listenForClaims: (onChange) => start("claims", onChange),
    readMany(...args) {
      present.reads += 1;
      return backend.readMany(...args);
    },
  };
  return { backend: withMethods(backend, own), present };
}

const until = async (holds: () => boolean) => {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 5));
};

test("a store listens for claims while only workers wait, for every change while a call waits, and for claims again", async () => {
  await using place = await newPlace();
  const { backend, present } = listening(place.openBackend());
  const store = new DurableTaskStore(backend, { sweepIntervalMs: false, fallbackPollMs: 20 });
  const stop = await store.watchClaimable(() => undefined);
  expect(present).toMatchObject({ claims: 1, changes: 0 });
  const { taskId } = await store.createTask({ name: "work" });
  const end = store.waitForTask(taskId);
  await until(() => present.changes === 1 && present.claims === 0);
  await store.cancelTask(taskId);
  await end;
  await until(() => present.changes === 0 && present.claims === 1);
  stop();
  await until(() => present.claims === 0);
  expect(present.begun).toBe(3);
  await store.close();
});

test("listening for claims goes on when listening for every change fails, and the next attempt takes over", async () => {
  await using place = await newPlace();
  const { backend, present } = listening(place.openBackend());
  const reported: unknown[] = [];
  const options = {
    sweepIntervalMs: false,
    fallbackPollMs: 20,
    onError: (error: unknown) => reported.push(error),
  } as const;
  const store = new DurableTaskStore(backend, options);
  const names: (string | undefined)[] = [];
  await store.watchClaimable((name) => names.push(name));
  present.broken = true;
  const { taskId } = await store.createTask({ name: "work" });
  const end = store.waitForTask(taskId);
  await until(() => reported.length > 0);
  expect(present).toMatchObject({ claims: 1, changes: 0 });
  await store.createTask({ name: "next", claimAfterMs: 0 });
  await until(() => names.includes("next"));
  present.broken = false;
  await until(() => present.changes === 1 && present.claims === 0);
  await store.cancelTask(taskId);
  await end;
  await store.close();
  expect(present).toMatchObject({ claims: 0 });
});

test("a subscription hears of a task that takes the id of a deleted one", async () => {
  await using place = await newPlace();
  const store = new DurableTaskStore(place.openBackend(), { sweepIntervalMs: false });
  const { taskId } = await store.createTask({ name: "work" });
  const heard: (string | undefined)[] = [];
  await store.subscribe(({ task }) => heard.push(task.statusMessage), { taskId });
  await store.updateTask(taskId, { statusMessage: "half" });
  await store.finishTask(taskId, { status: "completed", result: {} });
  await until(() => heard.length === 3);
  await store.operations.removeTasks({ id: taskId });
  await store.createTask({ taskId, name: "work" });
  await store.updateTask(taskId, { statusMessage: "anew" });
  await until(() => heard.at(-1) === "anew");
  await store.close();
});

test("waits and workers that come later join the listening that is there", async () => {
  await using place = await newPlace();
  const { backend, present } = listening(place.openBackend());
  const store = new DurableTaskStore(backend, { sweepIntervalMs: false });
  const [first, second] = [await store.createTask({ name: "work" }), await store.createTask({ name: "work" })];
  const stopped = await store.watchClaimable(() => undefined);
  const waiting = Promise.all([store.waitForTask(first.taskId), store.waitForTask(second.taskId)]);
  await until(() => present.changes === 1 && present.claims === 0);
  const others = [await store.watchClaimable(() => undefined), await store.subscribe(() => undefined)];
  await store.cancelTask(first.taskId);
  await store.cancelTask(second.taskId);
  await waiting;
  expect(present).toMatchObject({ begun: 2, changes: 1 });
  for (const stop of [stopped, ...others]) stop();
  await store.close();
});

test("listening begins again after the one before has ended, and close reports nothing", async () => {
  await using place = await newPlace();
  const { backend, present } = listening(place.openBackend());
  const reported: unknown[] = [];
  const store = new DurableTaskStore(backend, { sweepIntervalMs: false, onError: (error) => reported.push(error) });
  const { taskId } = await store.createTask({ name: "work" });
  await store.waitForTask(taskId, { until: "change" });
  const gate = Promise.withResolvers<void>();
  present.gate = gate.promise;
  await until(() => present.ending === 1);
  const again = store.waitForTask(taskId, { until: "change" });
  await new Promise((resolve) => setImmediate(resolve));
  expect(present).toMatchObject({ begun: 1, changes: 1 });
  gate.resolve();
  await again;
  expect(present).toMatchObject({ begun: 2, changes: 1 });
  await store.close();
  expect(reported).toEqual([]);
});

test("listening that fails at first is tried again, and that of a closed store is not reported", async () => {
  await using place = await newPlace();
  const { backend, present } = listening(place.openBackend());
  const reported: unknown[] = [];
  const store = new DurableTaskStore(backend, {
    sweepIntervalMs: false,
    fallbackPollMs: 20,
    onError: (error) => reported.push(error),
  });
  const { taskId } = await store.createTask({ name: "work" });
  present.broken = true;
  const end = store.waitForTask(taskId);
  await until(() => reported.length > 1);
  present.broken = false;
  await until(() => present.changes === 1);
  await store.cancelTask(taskId);
  await end;
  await until(() => present.changes === 0);
  const { length } = reported;
  const gate = Promise.withResolvers<void>();
  present.gate = gate.promise;
  const { begun } = present;
  const watching = store.watchClaimable(() => undefined);
  await until(() => present.begun === begun + 1);
  const closed = store.close();
  gate.reject(new Error("too late"));
  await Promise.allSettled([watching, closed]);
  expect(reported).toHaveLength(length);
});

test("an end of listening that fails is reported, and listening begins again", async () => {
  await using place = await newPlace();
  const { backend, present } = listening(place.openBackend());
  const reported: unknown[] = [];
  const store = new DurableTaskStore(backend, { sweepIntervalMs: false, onError: (error) => reported.push(error) });
  const { taskId } = await store.createTask({ name: "work" });
  await store.waitForTask(taskId, { until: "change" });
  const gate = Promise.withResolvers<void>();
  present.gate = gate.promise;
  await until(() => present.ending === 1);
  gate.reject(new Error("not now"));
  present.gate = Promise.resolve();
  await until(() => reported.length === 1);
  await store.waitForTask(taskId, { until: "change" });
  expect(present.begun).toBe(2);
  await store.close();
});

test("fallback reads leave the listening as it is", async () => {
  await using place = await newPlace();
  const { backend, present } = listening(place.openBackend());
  const store = new DurableTaskStore(backend, { sweepIntervalMs: false, fallbackPollMs: 1 });
  const { taskId } = await store.createTask({ name: "work" });
  const end = store.waitForTask(taskId);
  await until(() => present.reads >= 5);
  expect(present).toMatchObject({ begun: 1, changes: 1, ending: 0 });
  await store.cancelTask(taskId);
  await end;
  await store.close();
});

test("listening goes on when one that began before it fails later", async () => {
  await using place = await newPlace();
  const { backend, present } = listening(place.openBackend());
  const reported: unknown[] = [];
  const store = new DurableTaskStore(backend, {
    sweepIntervalMs: false,
    fallbackPollMs: 20,
    onError: (error) => reported.push(error),
  });
  const gate = Promise.withResolvers<void>();
  present.gate = gate.promise;
  const claims = store.watchClaimable(() => undefined);
  await until(() => present.begun === 1);
  present.gate = Promise.resolve();
  const changes = store.subscribe(() => undefined);
  await until(() => present.changes === 1);
  gate.reject(new Error("not now"));
  await until(() => reported.length === 1);
  const stops = [await claims, await changes, await store.subscribe(() => undefined)];
  expect(present).toMatchObject({ begun: 2, changes: 1 });
  for (const stop of stops) stop();
  await until(() => present.changes === 0);
  await store.close();
});

test("an error of a listener for claimable tasks is reported, and the listener hears of the next one", async () => {
  await using place = await newPlace();
  const reported: unknown[] = [];
  const onError = ({ code, cause }: TaskStoreError) => reported.push({ code, cause });
  const store = new DurableTaskStore(place.openBackend(), { onError });
  const heard: (string | undefined)[] = [];
  const stop = await store.watchClaimable((name) => {
    heard.push(name);
    throw new Error(`no hands for ${name}`);
  });
  for (const name of ["grind", "bake"]) {
    await store.createTask({ name, claimAfterMs: 0 });
    await until(() => heard.includes(name));
  }
  const code = "INVALID_ARGUMENT";
  expect(reported).toEqual(heard.map((name) => ({ code, cause: new Error(`no hands for ${name}`) })));
  stop();
  await store.close();
});

test("a backend that cannot listen for claims alone is listened to once, for all", async () => {
  await using place = await newPlace();
  const { backend, present } = listening(place.openBackend());
  const plain = new Proxy(backend, {
    get: (target, key) => (key === "listenForClaims" ? undefined : Reflect.get(target, key)),
  });
  const store = new DurableTaskStore(plain, { sweepIntervalMs: false });
  const stop = await store.watchClaimable(() => undefined);
  const { taskId } = await store.createTask({ name: "work" });
  const end = store.waitForTask(taskId);
  await store.cancelTask(taskId);
  await end;
  expect(present).toMatchObject({ begun: 1, changes: 1 });
  stop();
  await store.close();
});

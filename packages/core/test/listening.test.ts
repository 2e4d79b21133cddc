import { DurableTaskStore, type OnChange, type TaskBackend } from "@mcp-task-store/core/backend";
import { expect, test } from "vitest";
import { stores } from "../../../tooling/test/fixtures/stores.ts";

const [memory] = stores;
const newPlace = (memory as (typeof stores)[number]).usePlaces();

/** A backend that counts its listeners, and whose `listen` fails while `broken` is set. */
function listening(backend: TaskBackend) {
  const present = { claims: 0, changes: 0, broken: false };
  const start = async (kind: "claims" | "changes", onChange: OnChange) => {
    if (kind === "changes" && present.broken) throw new Error("not now");
    const stop = await backend.listen(onChange);
    present[kind] += 1;
    return async () => {
      present[kind] -= 1;
      await stop();
    };
  };
  const own: Partial<TaskBackend> = {
    listen: (onChange) => start("changes", onChange),
    listenForClaims: (onChange) => start("claims", onChange),
  };
  const proxy = new Proxy(backend, {
    get(target, key) {
      if (key in own) return own[key as keyof TaskBackend];
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
  return { backend: proxy, present };
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

import type { TaskStoreError } from "@mcp-task-store/core";
import { type DeletionStep, DurableTaskStore, type TaskBackend } from "@mcp-task-store/core/backend";
import { expect, test } from "vitest";
import { stores, withMethods } from "../../../tooling/test/fixtures/stores.ts";

const [memory] = stores;
const newPlace = (memory as (typeof stores)[number]).usePlaces();

/** A store whose sweeps end as `sweep` says. It counts them, and keeps what it reports. */
function sweeping(backend: TaskBackend, sweep: (count: number) => Promise<DeletionStep>) {
  const seen = { sweeps: 0, errors: [] as string[] };
  const deleteExpired = () => sweep(++seen.sweeps);
  const onError = ({ code, cause }: TaskStoreError) => void seen.errors.push(cause ? (cause as Error).message : code);
  return {
    store: new DurableTaskStore(withMethods(backend, { deleteExpired }), { sweepIntervalMs: 5, onError }),
    seen,
  };
}

test("a sweep that fails is reported, and the next one comes", async () => {
  await using place = await newPlace();
  const { store, seen } = sweeping(place.openBackend(), async (count) => {
    throw new Error(`no disk ${count}`);
  });
  await store.listTasks();
  await expect.poll(() => seen.errors.slice(0, 2)).toEqual(["no disk 1", "no disk 2"]);
  await store.close();
});

test("a store that is closed during a sweep reports nothing, and begins no other sweep", async () => {
  await using place = await newPlace();
  const { promise: gate, reject: fail } = Promise.withResolvers<DeletionStep>();
  const { store, seen } = sweeping(place.openBackend(), () => gate);
  await store.listTasks();
  await expect.poll(() => seen.sweeps).toBe(1);
  const closed = store.close();
  fail(new Error("no disk"));
  await closed;
  // The sweeps of another store are the clock.
  const other = sweeping(place.openBackend(), async () => ({ deleted: 0, more: false }));
  await other.store.listTasks();
  await expect.poll(() => other.seen.sweeps).toBeGreaterThan(5);
  await other.store.close();
  expect(seen).toEqual({ sweeps: 1, errors: [] });
});

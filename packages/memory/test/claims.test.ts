import { ANY_OWNER } from "@mcp-task-store/core";
import { MemoryStorage, MemoryTaskStore } from "@mcp-task-store/memory";
import { expect, test } from "vitest";

const CLAIM = { names: ["mill", "grind"], leaseMs: 1000 };

function newStore() {
  let time = 1_000_000;
  const storage = new MemoryStorage({ clock: { now: () => time } });
  const store = new MemoryTaskStore({ storage, sweepIntervalMs: false });
  const create = async (taskId: string, name = "grind", claimAfterMs = 0) => {
    await store.createTask({ taskId, ttl: null, claimAfterMs }, 1, { method: "tools/call", params: { name } });
  };
  const finish = (taskId: string) =>
    store.finishTask(taskId, { status: "completed", result: {} }, { owner: ANY_OWNER });
  const claimed = async () => (await store.claimTask(CLAIM))?.lease.taskId;
  return { store, create, finish, claimed, skip: (ms: number) => (time += ms) };
}

test("claimable tasks come in order among many that ended without a claim", async () => {
  const { create, finish, claimed } = newStore();
  for (let task = 0; task < 1000; task += 1) await create(`${task}`, task % 2 === 0 ? "mill" : "grind");
  for (let task = 0; task < 1000; task += 1) if (task % 200 !== 7) await finish(`${task}`);
  for (const task of [7, 207, 407, 607, 807]) expect(await claimed()).toBe(`${task}`);
  expect(await claimed()).toBeUndefined();
});

test("renewing, releasing and lapsing a lease move the task to its place in the claim order", async () => {
  const { store, create, claimed, skip } = newStore();
  for (const taskId of ["a", "b", "c"]) await create(taskId);
  const leases = [await store.claimTask(CLAIM), await store.claimTask(CLAIM), await store.claimTask(CLAIM)];
  const [a, b] = leases.map((claim) => claim?.lease);
  if (!a || !b) throw new Error("There was nothing to claim");
  skip(500);
  await store.renewLease(a);
  skip(1);
  expect(await claimed()).toBeUndefined();
  await store.releaseLease(b);
  expect(await claimed()).toBe("b");
  skip(500);
  expect([await claimed(), await claimed()]).toEqual(["c", undefined]);
  skip(500);
  expect([await claimed(), await claimed(), await claimed()]).toEqual(["a", "b", undefined]);
});

test("a clock far from the present keeps holders and histories", async () => {
  const { store, create, claimed } = newStore();
  await create("first");
  expect(await claimed()).toBe("first");
  const record = await store.operations.getRecord("first");
  expect(record?.history).toMatchObject([{ event: "taken", at: new Date(1_000_000).toISOString() }]);
  expect(record?.holder?.pid).toBe(process.pid);
  await store.close();
});

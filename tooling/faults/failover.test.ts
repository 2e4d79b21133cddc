// A primary is killed, or cut off from its standby, while applications write. Another server takes
// its place.
import { isTaskStoreError, type Lease, startWorker, type TaskStore } from "@mcp-task-store/core";
import { describe, expect, test, vi } from "vitest";
import { WayUnavailable } from "../databases/server.ts";
import { Ledger, type Losses } from "./failover-ledger.ts";
import { openStore, PATIENCE_MS, type Reach } from "./failover-stores.ts";
import { type System, systems } from "./failover-systems.ts";
import { watchRejections } from "./support.ts";

/** `test:faults` sets more rounds than a full test run has time for. */
const LONG = process.env["TEST_FAULT_ROUNDS"] !== undefined;
const ROUNDS = LONG ? Math.ceil(Number(process.env["TEST_FAULT_ROUNDS"]) / 20) : 1;
const LANES = 2;
/** Acknowledged writes of each writer before a fault, and after it. */
const WRITES = 30;
/** Only a bound on hanging tests. */
const TIMEOUT_MS = 1_800_000;
const PATIENT = { timeout: 300_000, interval: 50 };

const now = () => performance.timeOrigin + performance.now();

watchRejections();

function say(what: string, { version }: System, losses: readonly Losses[]): void {
  const sum = (field: keyof Losses) => losses.reduce((total, each) => total + each[field], 0);
  const range = (field: keyof Losses) => {
    const all = losses.map((each) => each[field]).toSorted((a, b) => a - b);
    return all.length === 1 ? `${all[0]} ms` : `${all[0]} to ${all.at(-1)} ms (median ${all[all.length >> 1]})`;
  };
  console.log(
    `faults: ${what} (${version}): ${losses.length} failovers; ${sum("acknowledged")} acknowledged writes, ${sum("lost")} lost ` +
      `(in ${range("tailMs")}), ${sum("unknown")} unknown (${sum("tookEffect")} took effect), ` +
      `${sum("notApplied")} not applied; no write for ${range("pauseMs")}`,
  );
}

const request = (name: string) => ({ method: "tools/call", params: { name } });

/** The servers, if this machine can have them. */
async function started(system: Promise<System | undefined>, skip: (note: string) => never): Promise<System> {
  try {
    return (await system) ?? skip("this machine cannot part a cluster");
  } catch (error) {
    if (error instanceof WayUnavailable) skip(error.message);
    throw error;
  }
}

/** The lease of a runner that claims the task; `undefined` if it gets none. */
async function holderOf(store: TaskStore, taskId: string): Promise<Lease | undefined> {
  try {
    const claimed = await store.claimTask({ names: ["claimed"], leaseMs: 600_000 });
    if (claimed) expect(claimed.lease.taskId).toBe(taskId);
    return claimed?.lease;
  } catch (error) {
    if (isTaskStoreError(error, "BACKEND_UNAVAILABLE")) return undefined;
    throw error;
  }
}

/** What waits in the application while the primary changes: waits, a subscription, a worker. */
async function waiting(system: System) {
  const [reach] = Object.values(system.reaches);
  if (!reach) throw new Error("no way to reach it");
  const options = { patienceMs: PATIENCE_MS, fallbackPollMs: 1000 };
  const [store, other] = [await openStore(reach, options), await openStore(reach, options)];
  const { taskId } = await other.createTask({ ttl: null }, 1, request("waited"));
  const waits = [store.waitForTask(taskId), store.waitForResult(taskId)];
  for (const wait of waits) wait.catch(() => undefined);
  await store.waitForTask(taskId, { until: "change" });
  const heard = new Set<string>();
  await store.subscribe(({ task }) => heard.add(task.taskId));
  const worker = startWorker(
    store,
    { job: async () => ({ content: [] }) },
    { claimPollMs: 100, onError: () => undefined },
  );
  const first = await other.createTask({ claimAfterMs: 0, ttl: null }, 1, request("job"));
  await other.waitForTask(first.taskId);
  return {
    other,
    /** All of them go on without help. */
    async goOn(): Promise<void> {
      await vi.waitFor(async () => {
        const next = await other.createTask({ claimAfterMs: 0 }, 1, request("job"));
        expect((await other.waitForTask(next.taskId, { timeoutMs: 2000 })).task.status).toBe("completed");
        await vi.waitFor(() => expect(heard).toContain(next.taskId), 1000);
      }, PATIENT);
      await other.storeTaskResult(taskId, "completed", { done: true });
      expect(await Promise.all(waits)).toMatchObject([{ task: { status: "completed" } }, { done: true }]);
    },
    async close(): Promise<void> {
      await worker.stop();
      await Promise.all([store.close(), other.close()]);
    },
  };
}

// Failovers take minutes, so `test:faults` alone runs them.
describe.runIf(LONG).concurrent.each(systems)("$name", ({ name, loses, fault, start }) => {
  test.skipIf(!LONG && fault === "parted")(
    `the primary is killed, ${ROUNDS} times`,
    async ({ skip }) => {
      const all: Losses[] = [];
      for (let round = 0; round < ROUNDS; round += 1) {
        const system = await started(start({ parted: false }), skip);
        const ledger = new Ledger();
        const application = await waiting(system);
        try {
          const writers = Object.keys(system.reaches);
          for (const [writer, reach] of Object.entries(system.reaches))
            ledger.start({ name: writer, reach, lanes: LANES });
          await ledger.goesOn(writers, WRITES);
          const faultAt = now();
          await system.kill();
          const lossUntil = now();
          await ledger.goesOn(writers, WRITES);
          await ledger.stop();
          await application.goOn();
          const losses = await ledger.check(application.other, { faultAt, lossUntil, following: writers });
          all.push(losses);
          if (!loses) expect(losses.lost).toBe(0);
          if (round === ROUNDS - 1) say(`${name}, killed`, system, all);
        } finally {
          ledger.kill();
          if (process.env["TEST_FAULT_MESSAGES"]) console.log(name, ledger.failures);
          await application.close();
          await system.stop();
        }
      }
    },
    TIMEOUT_MS,
  );

  test.skipIf(!LONG && fault === "killed")(
    "the primary is cut off from the others, and goes on",
    async ({ skip }) => {
      const system = await started(start({ parted: true }), skip);
      const ledger = new Ledger();
      const application = await waiting(system);
      const old = await openStore(system.old, { patienceMs: PATIENCE_MS });
      const hasty = await openStore(system.old);
      let renewed: TaskStore | undefined;
      try {
        const { taskId } = await old.createTask({ claimAfterMs: 0, ttl: null }, 1, request("claimed"));
        const following = Object.keys(system.reaches);
        for (const [writer, reach] of Object.entries({ ...system.reaches, old: system.old }))
          ledger.start({ name: writer, reach, lanes: LANES });
        await ledger.goesOn([...following, "old"], WRITES);
        const faultAt = now();
        await system.part();
        const before = await holderOf(hasty, taskId);
        await system.failOver();
        const found = await openStore(Object.values(system.reaches)[0] as Reach, { patienceMs: PATIENCE_MS });
        renewed = found;
        const after = await vi.waitFor(async () => {
          const lease = await holderOf(found, taskId);
          // Until the new primary takes writes.
          if (!lease) throw new Error("no claim yet");
          return lease;
        }, PATIENT);
        await system.heal();
        const healedAt = now();
        await ledger.goesOn(following, WRITES);
        await ledger.stop();
        await application.goOn();
        const losses = await ledger.check(renewed, { faultAt, lossUntil: healedAt, following });
        say(`${name}, parted by ${system.network}`, system, [losses]);
        if (!loses) expect(losses.lost).toBe(0);
        // The old primary gave the lease to a runner, and so did the new one. One still has it.
        if (before) await expect(renewed.renewLease(before)).rejects.toMatchObject({ code: "LEASE_LOST" });
        await renewed.renewLease(after);
      } finally {
        ledger.kill();
        if (process.env["TEST_FAULT_MESSAGES"]) console.log(name, ledger.failures);
        await Promise.all([application.close(), old.close(), hasty.close(), renewed?.close()]);
        await system.stop();
      }
    },
    TIMEOUT_MS,
  );
});

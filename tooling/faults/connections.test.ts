// Connections break in mid-command, lose answers, and are slow.
import { isTaskStoreError, type TaskStoreError } from "@mcp-task-store/core";
import { describe, expect, test, vi } from "vitest";
import { TcpProxy } from "../databases/proxy.ts";
import { backendNames, backends } from "./backends.ts";
import { Expected } from "./expected.ts";
import { carryOut, type Step, stepsOf } from "./plan.ts";
import { randomOf, SEED } from "./random.ts";
import { openStore, PATIENT } from "./stores.ts";
import { inTime, watchRejections } from "./support.ts";

const ROUNDS = 60;
const LANES = 4;
const STEPS = 6;
const FAULTS = ["cut all", "lose an answer", "cut a command", "slow"] as const;

watchRejections();

describe.each(backendNames)("%s", (name) => {
  test("a write is acknowledged, refused or reported as unknown, and is what it is said to be", async () => {
    const backend = backends[name];
    const random = randomOf(SEED);
    const server = await backend.start();
    const proxy = await TcpProxy.start(server.url);
    const direct = await openStore(name, server.url, PATIENT);
    const reported: TaskStoreError[] = [];
    const store = await openStore(name, proxy.url, { onError: (error) => reported.push(error), fallbackPollMs: 1000 });
    const request = { method: "tools/call", params: { name: "grind" } };
    const counts = { acknowledged: 0, unknown: 0, tookEffect: 0, notApplied: 0, cuts: 0, slow: 0 };
    try {
      const { taskId } = await direct.createTask({}, 1, request);
      const waiting = store.waitForTask(taskId);
      // The first event shows that the subscription has started. No later fault ends it.
      await store.waitForTask(taskId, { until: "change" });
      const heard = new Set<string>();
      await store.subscribe(({ task }) => heard.add(task.taskId));
      const expected = new Expected();
      const lanes = Array.from({ length: LANES }, (_, lane) => {
        const steps = stepsOf(`lane ${lane}`, random() * 2 ** 32);
        return { steps, step: steps.next().value as Step };
      });
      for (let round = 0; round < ROUNDS; round += 1) {
        const fault = FAULTS[Math.floor(random() * FAULTS.length)];
        let countdown = Math.floor(random() * LANES * STEPS);
        const strike = () => {
          if (countdown-- !== 0) return;
          if (fault === "cut all") {
            proxy.cut();
            counts.cuts += 1;
          } else if (fault === "slow") {
            proxy.slowDown({ delayMs: 1, bytes: 1 + Math.floor(random() * 64) });
            counts.slow += 1;
          } else proxy.harmNext(fault);
        };
        const doubts: { readonly lane: (typeof lanes)[number]; readonly error: TaskStoreError }[] = [];
        await Promise.all(
          lanes.map(async (lane) => {
            for (let count = 0; count < STEPS; count += 1) {
              const call = carryOut(store, lane.step);
              strike();
              const error: unknown = await inTime(call).then(
                () => undefined,
                (reason: unknown) => reason,
              );
              if (error !== undefined) {
                if (!isTaskStoreError(error, "BACKEND_UNAVAILABLE")) throw error;
                doubts.push({ lane, error });
                return;
              }
              counts.acknowledged += 1;
              expected.apply(lane.step);
              lane.step = lane.steps.next().value;
            }
          }),
        );
        proxy.harmNext(undefined);
        proxy.slowDown(undefined);
        if (doubts.length === 0) continue;
        // The server may still run commands of a connection until it has ended.
        await proxy.begin();
        await vi.waitFor(async () => expect(await backend.connections(server.url)).toBeLessThanOrEqual(1), 60_000);
        for (const { lane, error } of doubts) {
          const happened = await expected.settle(direct, lane.step);
          if (error.write === "not-applied") {
            counts.notApplied += 1;
            expect(happened, error.message).toBe(false);
          } else {
            counts.unknown += 1;
            expect(error).toMatchObject({ write: "unknown", message: /unknown/ });
          }
          if (!happened) continue;
          counts.tookEffect += 1;
          lane.step = lane.steps.next().value;
        }
        await proxy.end();
      }
      await expected.check(direct);
      const answersAndCommands = proxy.harmed;
      await direct.cancelTask(taskId);
      expect((await waiting).task.status).toBe("cancelled");
      // Waits until the listeners hear changes again.
      await vi.waitFor(
        async () => {
          const next = await direct.createTask({}, 1, request);
          await vi.waitFor(() => expect(heard).toContain(next.taskId), 500);
        },
        { timeout: 60_000, interval: 1 },
      );
      for (const error of reported) expect(error.code).toBe("BACKEND_UNAVAILABLE");
      console.log(
        `faults: ${name}, connections: ${ROUNDS} rounds, ${counts.cuts} cuts, ${answersAndCommands} commands cut or answers lost, ` +
          `${counts.slow} slow; ${counts.acknowledged} acknowledged writes, ${counts.unknown} unknown (${counts.tookEffect} took effect), ` +
          `${counts.notApplied} not applied (TEST_SEED=${SEED})`,
      );
      expect(counts.unknown).toBeGreaterThan(0);
      await store.close();
      await vi.waitFor(() => expect(proxy.sockets).toBe(0), 60_000);
    } finally {
      await store.close();
      await direct.close();
      await proxy.begin();
      await server.stop();
    }
  }, 600_000);
});

// The server is stopped, killed and paused while all features are in use.
import { isTaskStoreError, type Request, runTask, startWorker, type TaskStoreError } from "@mcp-task-store/core";
import { describe, expect, test, vi } from "vitest";
import { TcpProxy } from "../databases/proxy.ts";
import { backendNames, backends } from "./backends.ts";
import { Expected } from "./expected.ts";
import { carryOut, type Step, stepsOf } from "./plan.ts";
import { randomOf, SEED } from "./random.ts";
import { openStore, type Store, type StoreOptions } from "./stores.ts";
import { inTime, watchRejections } from "./support.ts";

const OUTAGES = ["orderly", "killed", "paused", "killed", "paused", "orderly"] as const;
const LANES = 3;
const PATIENT = { timeout: 60_000, interval: 20 };
const UNAVAILABLE = expect.objectContaining({ code: "BACKEND_UNAVAILABLE" });

const request = (name: string): Request => ({ method: "tools/call", params: { name } });

watchRejections();

describe.each(backendNames)("%s", (name) => {
  test("the server goes away and comes back: everything goes on without help", async () => {
    const backend = backends[name];
    const random = randomOf(SEED);
    const server = await backend.start();
    const proxy = await TcpProxy.start(server.url);
    const stores: Store[] = [];
    const reported: TaskStoreError[] = [];
    const onError = (error: TaskStoreError) => void reported.push(error);
    const open = async (url: string, options: StoreOptions = {}) => {
      const store = await openStore(name, url, { onError, fallbackPollMs: 1000, ...options });
      stores.push(store);
      return store;
    };
    const writer = await open(backend.named(proxy.url, "writer"));
    const waiter = await open(server.url);
    const runner = await open(server.url);
    const other = await open(server.url);
    const counts = { acknowledged: 0, unknown: 0, tookEffect: 0, notApplied: 0, refused: 0 };
    const expected = new Expected();
    const lanes = Array.from({ length: LANES }, (_, lane) => {
      const steps = stepsOf(`lane ${lane}`, random() * 2 ** 32);
      return { steps, step: steps.next().value as Step };
    });
    /** Writes until a write fails. */
    const write = async (lane: (typeof lanes)[number]): Promise<TaskStoreError> => {
      for (;;) {
        try {
          await inTime(carryOut(writer, lane.step));
        } catch (error) {
          if (isTaskStoreError(error, "BACKEND_UNAVAILABLE")) return error;
          throw error;
        }
        counts.acknowledged += 1;
        expected.apply(lane.step);
        lane.step = lane.steps.next().value;
      }
    };
    const newTask = async (tool: string) =>
      (await other.createTask({ claimAfterMs: tool === "job" ? 0 : 600_000 }, 1, request(tool))).taskId;

    let opened = Promise.withResolvers<void>();
    const handler = async () => {
      await opened.promise;
      return { content: [] };
    };
    const heard = new Set<string>();
    await waiter.subscribe(({ task }) => heard.add(task.taskId));
    await using worker = startWorker(runner, { job: handler }, { claimPollMs: 100, onError });

    try {
      for (const outage of OUTAGES) {
        const waited = await newTask("waited");
        const waits = [waiter.waitForTask(waited), waiter.waitForResult(waited), waiter.waitForTask(waited)];
        // The first event shows that the subscription is under way.
        await waiter.waitForTask(waited, { until: "change" });
        const run = await newTask("run");
        const running = runTask(runner, run, handler, { leaseMs: 600_000, heartbeatMs: 50 });
        const job = await newTask("job");
        await vi.waitFor(async () => expect((await other.getRecord(job))?.attempt).toBe(1), PATIENT);
        await vi.waitFor(async () => expect((await other.getRecord(run))?.attempt).toBe(1), PATIENT);

        const before = counts.acknowledged;
        const writing = lanes.map(write);
        await vi.waitFor(() => expect(counts.acknowledged).toBeGreaterThan(before + random() * 30), PATIENT);
        if (outage === "paused") await server.control.pause();
        else await server.control.halt(outage);
        const doubts = await Promise.all(writing);
        for (const store of [other, writer, waiter]) {
          const calls = [
            store.getTask(waited),
            store.createTask({}, 1, request("never")),
            store.listTasks(),
            store.updateTask(run, { statusMessage: "during the outage" }),
            store.claimTask({ names: ["never"] }),
            store.messages.dequeue("a queue of nobody"),
            store.waitForTask("a task of nobody"),
          ];
          for (const call of await Promise.allSettled(calls.map((call) => inTime<unknown>(call)))) {
            expect(call).toMatchObject({ status: "rejected", reason: UNAVAILABLE });
            counts.refused += 1;
          }
        }
        if (outage === "paused") await server.control.resume();
        else await server.control.start();

        for (const store of stores) await vi.waitFor(() => store.listTasks(), PATIENT);
        // The server runs commands that it got while paused before it notices the end of their
        // connection.
        proxy.cut();
        await vi.waitFor(async () => expect(await backend.connections(server.url, "writer")).toBe(0), PATIENT);
        for (const [index, error] of doubts.entries()) {
          const lane = lanes[index] as (typeof lanes)[number];
          const happened = await expected.settle(other, lane.step);
          if (error.write === "unknown") counts.unknown += 1;
          else {
            counts.notApplied += 1;
            expect(happened, error.message).toBe(false);
          }
          if (!happened) continue;
          counts.tookEffect += 1;
          lane.step = lane.steps.next().value;
        }
        await expected.check(other);

        await other.storeTaskResult(waited, "completed", { done: true });
        expect(await Promise.all(waits)).toMatchObject([
          { task: { status: "completed" } },
          { done: true },
          { task: { status: "completed" } },
        ]);
        const late = await newTask("job");
        opened.resolve();
        expect(await running).toMatchObject({ stored: true, status: "completed" });
        for (const taskId of [job, late]) expect((await waiter.waitForTask(taskId)).task.status).toBe("completed");
        await vi.waitFor(async () => {
          const next = await newTask("heard");
          await vi.waitFor(() => expect(heard).toContain(next), 500);
        }, PATIENT);
        opened = Promise.withResolvers();
      }
      for (const error of reported) expect(error).toEqual(UNAVAILABLE);
      await worker.stop();
      await Promise.all(stores.map((store) => store.close()));
      await vi.waitFor(async () => expect(await backend.connections(server.url)).toBe(0), PATIENT);
      expect(proxy.sockets).toBe(0);
      console.log(
        `faults: ${name}, server: ${OUTAGES.length} outages (${[...new Set(OUTAGES)].map((kind) => `${OUTAGES.filter((one) => one === kind).length} ${kind}`).join(", ")}); ` +
          `${counts.acknowledged} acknowledged writes, ${counts.unknown} unknown (${counts.tookEffect} took effect), ${counts.notApplied} not applied, ` +
          `${counts.refused} other calls refused in time (TEST_SEED=${SEED})`,
      );
    } finally {
      opened.resolve();
      await server.control.resume().catch(() => undefined);
      await worker.stop();
      await Promise.all(stores.map((store) => store.close()));
      await proxy.begin();
      await server.stop();
    }
  }, 600_000);
});

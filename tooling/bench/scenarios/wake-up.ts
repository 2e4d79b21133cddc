import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import type { TaskStore } from "@mcp-task-store/core";
import { inFlight, REQUEST, RESULT } from "../lives.ts";
import { openStore, type Place } from "../places.ts";
import type { Comparison, Contestant, Figures, Scenario, Settings } from "../scenario.ts";
import { quantile } from "../statistics.ts";
import type { StoreName } from "../stores.ts";
import { pingOf } from "./wake-up-ping.ts";
import type { Order, Report, Way } from "./wake-up-process.ts";

/** Average time between two ends, long enough that they do not delay each other. */
const APART_MS = 20;
const P99_GOALS: Readonly<Record<StoreName, number>> = { memory: 20, sqlite: 60, postgres: 20, redis: 20 };

export const wakeUp: Scenario = {
  name: "wake-up",
  title: "wake-up: from the call that completes a task in one process to the end of waitForTask in another",
  notes: [
    `The other process waits for 100 tasks; they are completed one by one, ${APART_MS} ms apart on average, at random. The time begins before the call and includes the write; it is CLOCK_MONOTONIC, which both processes share.`,
    "Polling: the other process reads each task every 1,000 ms, as requestors of SDK 1.x do, each beginning at a random time.",
    "Ping: SELECT 1 or PING from the process that completes, one by one in the same rhythm.",
    "Each round has percentiles of its own; the table has the medians of them.",
  ],
  stores: ["sqlite", "postgres", "redis"],
  comparisons: (place, settings) => [comparison(place, settings)],
};

function comparison(place: Place, { scale }: Settings): Comparison {
  return {
    title: "another process",
    operations: scale === "quick" ? 10 : 100,
    rounds: 7,
    metrics: {
      p50: { unit: "ms", better: "lower" },
      p99: { unit: "ms", better: "lower", limit: P99_GOALS[place.store] },
    },
    async setUp(cleanUp) {
      const store = openStore(place, cleanUp);
      // Makes the tables before the other process needs them.
      await store.getTask("none");
      const { variant: _, ...address } = place;
      const child = fork(new URL("./wake-up-process.ts", import.meta.url), [JSON.stringify(address)]);
      cleanUp.defer(() => ended(child));
      const ping = await pingOf(place, cleanUp);
      return [
        woken(`${place.store} store`, store, child, "wait"),
        woken("polling each 1,000 ms", store, child, "poll"),
        { name: "ping", run: (times) => paced(times, () => timed(ping)) },
      ];
    },
  };
}

function woken(name: string, store: TaskStore, child: ChildProcess, way: Way): Contestant {
  let taskIds: string[] = [];
  return {
    name,
    async before(tasks) {
      taskIds = [];
      await inFlight(16, tasks, async () => taskIds.push((await store.createTask({}, 1, REQUEST)).taskId));
      const waiting = told(child, (report) => "waiting" in report);
      child.send({ taskIds, way } satisfies Order);
      await waiting;
    },
    run: (tasks) =>
      paced(tasks, async (index) => {
        const taskId = taskIds[index] as string;
        const end = told(child, (report) => "taskId" in report && report.taskId === taskId);
        const start = process.hrtime.bigint();
        await store.storeTaskResult(taskId, "completed", RESULT);
        const report = await end;
        if (!("at" in report)) throw new Error("that is no end");
        return Number(BigInt(report.at) - start) / 1e6;
      }),
  };
}

/**
 * Starts operations in a steady rhythm, without waiting for the one before, and returns their
 * durations.
 */
async function paced(times: number, one: (index: number) => Promise<number>): Promise<Figures> {
  const durations: Promise<number>[] = [];
  for (let index = 0; index < times; index += 1) {
    await sleep(Math.random() * 2 * APART_MS);
    durations.push(one(index));
  }
  const sorted = (await Promise.all(durations)).toSorted((a, b) => a - b);
  return { p50: quantile(sorted, 0.5), p99: quantile(sorted, 0.99) };
}

async function timed(call: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await call();
  return performance.now() - start;
}

function told(child: ChildProcess, wanted: (report: Report) => boolean): Promise<Report> {
  return new Promise((resolve, reject) => {
    const onMessage = (report: Report) => {
      if (!wanted(report)) return;
      stop();
      resolve(report);
    };
    const onExit = () => {
      stop();
      reject(new Error("the waiting process has ended"));
    };
    const stop = () => {
      child.off("message", onMessage);
      child.off("exit", onExit);
    };
    child.setMaxListeners(0);
    child.on("message", onMessage);
    child.on("exit", onExit);
  });
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return;
  const exit = once(child, "exit");
  child.disconnect();
  await exit;
}

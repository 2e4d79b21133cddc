import { setTimeout as sleep } from "node:timers/promises";
import type { TaskStore } from "@mcp-task-store/core";
import { inFlight, REQUEST } from "../lives.ts";
import { openStore, type Place } from "../places.ts";
import type { Comparison, Contestant, Figures, Scenario, Settings } from "../scenario.ts";
import { quantile } from "../statistics.ts";
import type { StoreName } from "../stores.ts";

/** Enough that deleting them takes a while. */
const EXPIRED: Readonly<Record<StoreName, number>> = {
  memory: 30_000,
  sqlite: 30_000,
  postgres: 10_000,
  redis: 30_000,
};
const WRITE_EACH_MS = 2;

export const sweep: Scenario = {
  name: "sweep",
  title: "sweep: deleting expired tasks, and what writers of the same process notice of it",
  notes: [
    "The tasks were made by the store with a ttl of 1 ms, and none was completed. deleteExpired is called with its default limit of 1,000 until none is left, again and again without a pause; a store left to itself does that once a minute.",
    `Writers: a task is created every ${WRITE_EACH_MS} ms, whether or not those before are there; the time is from when it was due, so that an event loop that is busy counts. Without a sweep for as long as the last one took.`,
    "In memory, deleting ends before writers could notice.",
  ],
  stores: ["memory", "sqlite", "postgres", "redis"],
  comparisons: (place, settings) =>
    place.store === "memory" ? [alone(place, settings)] : [alone(place, settings), besideWriters(place, settings)],
};

function tasksFor(place: Place, { scale }: Settings): number {
  return scale === "quick" ? 500 : EXPIRED[place.store];
}

function alone(place: Place, settings: Settings): Comparison {
  return {
    title: "deleted, without writers",
    operations: tasksFor(place, settings),
    rounds: 5,
    async setUp(cleanUp) {
      const store = openStore(place, cleanUp);
      const contestant: Contestant = {
        name: `${place.store} store`,
        before: (tasks) => createExpired(store, tasks),
        run: (tasks) => sweepAll(store, tasks),
      };
      return [contestant];
    },
  };
}

function besideWriters(place: Place, settings: Settings): Comparison {
  return {
    title: "writers",
    operations: tasksFor(place, settings),
    rounds: 5,
    metrics: {
      p50: { unit: "ms", better: "lower" },
      p99: { unit: "ms", better: "lower" },
    },
    async setUp(cleanUp) {
      const store = openStore(place, cleanUp);
      let sweepMs = 500;
      const during: Contestant = {
        name: "during the sweep",
        before: (tasks) => createExpired(store, tasks),
        async run(tasks) {
          const start = performance.now();
          const swept = sweepAll(store, tasks);
          const [figures] = await Promise.all([writing(store, swept), swept]);
          sweepMs = performance.now() - start;
          return figures;
        },
      };
      const without: Contestant = { name: "without", run: () => writing(store, sleep(sweepMs)) };
      return [during, without];
    },
  };
}

async function createExpired(store: TaskStore, tasks: number): Promise<void> {
  await inFlight(64, tasks, () => store.createTask({ ttl: 1 }, 1, REQUEST));
  await sleep(20);
}

async function sweepAll(store: TaskStore, tasks: number): Promise<void> {
  let deleted = 0;
  for (;;) {
    const count = await store.deleteExpired();
    if (count === 0) break;
    deleted += count;
  }
  if (deleted !== tasks) throw new Error(`${deleted} of ${tasks} expired tasks were deleted`);
}

/** Writes in a steady rhythm until the end, and returns the durations of the writes. */
async function writing(store: TaskStore, end: Promise<unknown>): Promise<Figures> {
  let ended = false;
  const over = end.finally(() => {
    ended = true;
  });
  const writes: Promise<number>[] = [];
  const start = performance.now();
  for (let due = start; !ended; due += WRITE_EACH_MS) {
    const early = due - performance.now();
    // Never too early: timers drop fractions of a millisecond.
    if (early > 0) await sleep(Math.ceil(early));
    writes.push(timed(store, due));
  }
  await over;
  const sorted = (await Promise.all(writes)).toSorted((a, b) => a - b);
  return { p50: quantile(sorted, 0.5), p99: quantile(sorted, 0.99) };
}

async function timed(store: TaskStore, due: number): Promise<number> {
  await store.createTask({}, 1, REQUEST);
  return performance.now() - due;
}

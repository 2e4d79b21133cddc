import { setTimeout as sleep } from "node:timers/promises";
import type { TaskStore } from "@mcp-task-store/core";
import { addCopies, settle } from "../copies.ts";
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
const MANY = 1_000_000;
const WRITE_EACH_MS = 2;

export const sweep: Scenario = {
  name: "sweep",
  title: "sweep: deleting expired tasks, and what writers of the same process notice of it",
  notes: [
    "The expired tasks are copies that the database makes of a working task of the store. On Redis, which expires the tasks themselves, only their index entries are left. In memory the store makes the tasks with a ttl of 1 ms.",
    "deleteExpired is called with its default limit of 1,000 until none is left, again and again without a pause; a store left to itself does that once a minute.",
    `Writers: a task is created every ${WRITE_EACH_MS} ms, whether or not those before are there; the time is from when it was due, so that an event loop that is busy counts. Without a sweep for as long as the last one took.`,
    "In memory, deleting ends before writers could notice. With --full 1,000,000 tasks have expired, but in memory.",
  ],
  stores: ["memory", "sqlite", "postgres", "redis"],
  comparisons: (place, settings) =>
    place.store === "memory" ? [alone(place, settings)] : [alone(place, settings), besideWriters(place, settings)],
};

function tasksFor(place: Place, { scale }: Settings): number {
  if (scale === "quick") return 500;
  return scale === "full" && place.store !== "memory" ? MANY : EXPIRED[place.store];
}

/** Few with many tasks, which take a while to fill. */
function roundsFor({ scale }: Settings): number {
  return scale === "full" ? 3 : 5;
}

function alone(place: Place, settings: Settings): Comparison {
  return {
    title: `${tasksFor(place, settings).toLocaleString("en")} deleted, without writers`,
    operations: tasksFor(place, settings),
    rounds: roundsFor(settings),
    async setUp(cleanUp) {
      const store = openStore(place, cleanUp);
      const contestant: Contestant = {
        name: `${place.store} store`,
        before: (tasks) => addExpired(place, store, tasks),
        run: (tasks) => sweepAll(store, tasks),
      };
      return [contestant];
    },
  };
}

function besideWriters(place: Place, settings: Settings): Comparison {
  return {
    title: `writers beside ${tasksFor(place, settings).toLocaleString("en")}`,
    operations: tasksFor(place, settings),
    rounds: roundsFor(settings),
    metrics: {
      p50: { unit: "ms", better: "lower" },
      p99: { unit: "ms", better: "lower" },
    },
    async setUp(cleanUp) {
      const store = openStore(place, cleanUp);
      let sweepMs = 500;
      const during: Contestant = {
        name: "during the sweep",
        before: (tasks) => addExpired(place, store, tasks),
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

async function addExpired(place: Place, store: TaskStore, tasks: number): Promise<void> {
  if (place.store !== "memory") {
    await addCopies(place, store, "waiting", { total: tasks, owner: null, expired: true });
    return settle(place);
  }
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

import { bareLife } from "../bare/life.ts";
import { inFlight, type Life, lifeIn, PROGRESS, REQUEST, RESULT } from "../lives.ts";
import { openStore, type Place } from "../places.ts";
import type { Comparison, Contestant, Scenario, Settings } from "../scenario.ts";
import { apart, bytesOf } from "./size-bytes.ts";

const TASKS = { quick: 500, usual: 10_000, full: 100_000 } as const;
const IN_FLIGHT = 16;
const [REQUESTED, RETURNED] = [REQUEST, RESULT].map((payload) => JSON.stringify(payload).length);

type Status = "working" | "completed";

export const size: Scenario = {
  name: "size",
  title: "size: the bytes that a task takes in the store",
  notes: [
    `The tasks are those of the lifecycle. Working: ${REQUESTED} bytes of request, and a message of ${PROGRESS.length} bytes. Completed: a result of ${RETURNED} bytes as well.`,
    "The figure is the growth over all tasks, divided by their number, as the writes leave it: nothing is compacted. On PostgreSQL old versions of rows count until autovacuum frees them.",
    "Memory: heap and buffers after a collection. SQLite: the file, once the log is written back. PostgreSQL: pg_total_relation_size of all tables, so with indexes. Redis: used_memory, which includes what others write to the server meanwhile.",
    "The bare driver keeps the same payloads in one table (Redis: a hash and an entry of a sorted set), with indexes on the id and on creation order.",
  ],
  stores: ["memory", "sqlite", "postgres", "redis"],
  comparisons: (place, settings) => [comparison(place, settings, "working"), comparison(place, settings, "completed")],
};

function comparison(place: Place, { scale }: Settings, status: Status): Comparison {
  return {
    title: `${TASKS[scale].toLocaleString("en")} ${status} tasks`,
    operations: TASKS[scale],
    rounds: 1,
    metrics: { rate: { unit: "bytes/task", better: "lower" } },
    async setUp(cleanUp) {
      const ours = apart(place, `ours_${status}`);
      const grown = await growth(ours, status, cleanUp);
      const store = openStore(ours, cleanUp);
      // Makes the tables.
      await store.listTasks();
      const contestants = [grown(`${place.store} store`, lifeIn(store, null))];
      const bare = apart(place, `bare_${status}`);
      if (bare.store === "memory") return contestants;
      const theirs = await growth(bare, status, cleanUp);
      const { driver, life } = await bareLife(bare, null, cleanUp);
      return [...contestants, theirs(driver, life)];
    },
  };
}

async function growth(place: Place, status: Status, cleanUp: AsyncDisposableStack) {
  const bytes = await bytesOf(place, cleanUp);
  return (name: string, life: Life): Contestant => ({
    name,
    async run(tasks) {
      const before = await bytes();
      await inFlight(IN_FLIGHT, tasks, async () => {
        const taskId = await life.create();
        await life.progress(taskId);
        if (status === "completed") await life.complete(taskId);
      });
      return { rate: ((await bytes()) - before) / tasks };
    },
  });
}

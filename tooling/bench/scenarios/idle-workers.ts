import { startWorker } from "@mcp-task-store/core";
import { inFlight, lifeIn, live } from "../lives.ts";
import { openStore, type Place } from "../places.ts";
import type { Comparison, Scenario } from "../scenario.ts";

const IN_FLIGHT = 16;

export const idleWorkers: Scenario = {
  name: "idle-workers",
  title: "idle workers: lifecycles while workers wait for tasks of another name",
  notes: [
    `${IN_FLIGHT} lifecycles at a time, beside as many workers as the row says, against the same without workers.`,
    "Each worker has a store of its own, as in a process of its own, but is in this one: its work is in the last column.",
  ],
  stores: ["sqlite", "postgres", "redis"],
  comparisons: (place) => [1, 4, 16].map((workers) => comparison(place, workers)),
};

function comparison(place: Place, workers: number): Comparison {
  return {
    title: workers === 1 ? "1 idle worker" : `${workers} idle workers`,
    leastOperations: IN_FLIGHT,
    async setUp(cleanUp) {
      const life = lifeIn(openStore(place, cleanUp), null);
      const run = (tasks: number) => inFlight(IN_FLIGHT, tasks, () => live(life));
      const waiting = Array.from({ length: workers }, () => openStore(place, cleanUp));
      for (const store of waiting) await store.listTasks();
      let started: ReturnType<typeof startWorker>[] = [];
      return [
        {
          name: "with workers",
          run,
          async before() {
            started = waiting.map((store) => startWorker(store, { other: () => ({}) }));
            // The workers listen once they have subscribed. Our own subscription waits for that.
            for (const store of waiting) (await store.watchClaimable(() => undefined))();
          },
          async after() {
            await Promise.all(started.map((worker) => worker.stop()));
          },
        },
        { name: "without", run },
      ];
    },
  };
}

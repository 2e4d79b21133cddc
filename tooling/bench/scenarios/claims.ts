import { ANY_OWNER, type TaskStore } from "@mcp-task-store/core";
import { bullmqClaims } from "../instead/bullmq.ts";
import { pgBossClaims } from "../instead/pg-boss.ts";
import { inFlight, REQUEST, RESULT, work } from "../lives.ts";
import { openStore, type Place } from "../places.ts";
import type { Comparison, Contestant, Scenario } from "../scenario.ts";

export const claims: Scenario = {
  name: "claims",
  title: "claims: tasks handed to workers, each exactly once, and completed",
  notes: [
    "Tasks wait before the clock starts, as many as a run takes. Each one is claimed with its payload and completed with a small result; that each was handed out once is counted.",
    "Ours: loops of claimTask and finishTask under the lease, which take the next task while the outcome of the last one is being stored, as our workers do. BullMQ: as many workers of one job at a time, which complete a job and take the next in one step. pg-boss: loops of fetch and complete, as ours.",
    "All workers are in one process; ours and pg-boss's share a pool of 10 connections.",
  ],
  stores: ["memory", "sqlite", "postgres", "redis"],
  comparisons: (place) => [1, 4, 16].map((workers) => comparison(place, workers)),
};

function comparison(place: Place, workers: number): Comparison {
  return {
    title: workers === 1 ? "1 worker" : `${workers} workers`,
    leastOperations: 4 * workers,
    async setUp(cleanUp) {
      const ours = claimsOf(openStore(place, cleanUp, { claimAfterMs: 0 }), `${place.store} store`, workers);
      switch (place.store) {
        case "postgres":
          return [ours, { ...(await pgBossClaims(place, workers, cleanUp)), goal: 1 }];
        case "redis":
          return [ours, { ...bullmqClaims(place, workers, cleanUp), goal: 1 }];
        default:
          return [ours];
      }
    },
  };
}

function claimsOf(store: TaskStore, name: string, workers: number): Contestant {
  const handed: string[] = [];
  const claimed = async () => {
    for (;;) {
      const claim = await store.claimTask({ names: ["render"] });
      if (claim) return claim;
    }
  };
  return {
    name,
    async before(tasks) {
      await inFlight(64, tasks, () => store.createTask({}, 1, REQUEST));
      handed.length = 0;
    },
    run: (tasks) =>
      work(workers, tasks, async () => {
        const { lease } = await claimed();
        handed.push(lease.taskId);
        return () =>
          store.finishTask(lease.taskId, { status: "completed", result: RESULT }, { lease, owner: ANY_OWNER });
      }),
    async after() {
      if (new Set(handed).size !== handed.length) throw new Error("a task was handed out twice");
    },
  };
}

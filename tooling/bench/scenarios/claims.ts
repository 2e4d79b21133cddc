import { ANY_OWNER, type ClaimedTask, type TaskStore } from "@mcp-task-store/core";
import { bullmqClaims } from "../instead/bullmq.ts";
import { graphileClaims } from "../instead/graphile-worker.ts";
import { pgBossClaims } from "../instead/pg-boss.ts";
import { HandedOut, inFlight, REQUEST, RESULT, work } from "../lives.ts";
import { openStore, type Place } from "../places.ts";
import type { Comparison, Contestant, Scenario } from "../scenario.ts";

/** The ratio that we want, by the number of workers. */
const GOALS = { 1: 1.2, 4: 1.5, 16: 2 } as const;

export const claims: Scenario = {
  name: "claims",
  title: "claims: tasks handed to workers, each exactly once, and completed",
  notes: [
    "Tasks wait before the clock starts, as many as a run takes. Each one is claimed with its payload and completed with a small result; that each was handed out once is counted.",
    "Ours: loops of claimTask and finishTask under the lease, which take the next task while the outcome of the last one is being stored, as our workers do.",
    "BullMQ completes a job and takes the next in one step. On Redis as many workers of one job at a time; on PostgreSQL one worker that runs as many jobs, because there it is faster than workers that have a pool each.",
    "pg-boss: loops of fetch and complete, as ours.",
    "In batches, one loop takes as many tasks as a worker has free slots. Ours: claimTasks with that limit, as our workers do, and an outcome for each task. pg-boss: fetch with that batchSize, and one complete with one result for all jobs.",
    "graphile-worker: as many concurrent jobs, with the batching that its documentation recommends: completions together with the least delay (completeJobBatchDelay 0), and a local queue of one more than the workers, or of 500 as for the figures that it publishes; those are locked to the process. It keeps no results and deletes what is completed; the clock stops when no job is left.",
    "All workers are in one process. On PostgreSQL each contestant has a pool of 10 connections; BullMQ's worker has one more to listen, and its queue a pool of its own; graphile-worker has 20, because its documentation asks for two more than jobs at a time.",
  ],
  stores: ["memory", "sqlite", "postgres", "redis"],
  comparisons: (place) => [
    ...([1, 4, 16] as const).map((workers) => comparison(place, workers)),
    ...(place.store === "postgres" ? [4, 16].map((size) => batches(place, size)) : []),
  ],
};

function comparison(place: Place, workers: keyof typeof GOALS): Comparison {
  return {
    title: workers === 1 ? "1 worker" : `${workers} workers`,
    leastOperations: 4 * workers,
    async setUp(cleanUp) {
      const ours = claimsOf(openStore(place, cleanUp, { claimAfterMs: 0 }), `${place.store} store`, workers, 1);
      switch (place.store) {
        case "postgres":
          return against(
            GOALS[workers],
            ours,
            await pgBossClaims(place, workers, 1, cleanUp),
            await bullmqClaims(place, workers, cleanUp),
            ...(workers === 1 ? graphileClaims(place, workers, cleanUp) : []),
          );
        case "redis":
          return against(GOALS[workers], ours, await bullmqClaims(place, workers, cleanUp));
        default:
          return [ours];
      }
    },
  };
}

function batches(place: Place & { store: "postgres" }, size: number): Comparison {
  return {
    title: `batches of ${size}`,
    leastOperations: 4 * size,
    setUp: async (cleanUp) =>
      against(
        1,
        claimsOf(openStore(place, cleanUp, { claimAfterMs: 0 }), "postgres store", 1, size),
        await pgBossClaims(place, 1, size, cleanUp),
        ...graphileClaims(place, size, cleanUp),
      ),
  };
}

function against(goal: number, ours: Contestant, ...peers: readonly Contestant[]): Contestant[] {
  return [ours, ...peers.map((peer) => ({ ...peer, goal }))];
}

/** Loops that take so many tasks at a time. */
function claimsOf(store: TaskStore, name: string, loops: number, size: number): Contestant {
  const handed = new HandedOut();
  const claimed = async () => {
    for (;;) {
      const claims = await store.claimTasks({ names: ["render"], limit: size });
      if (claims.length > 0) return claims;
    }
  };
  const finish = ({ lease }: ClaimedTask) =>
    store.finishTask(lease.taskId, { status: "completed", result: RESULT }, { lease, owner: ANY_OWNER });
  return {
    name,
    async before(tasks) {
      await inFlight(64, tasks, () => store.createTask({}, 1, REQUEST));
      handed.begin(tasks);
    },
    run: (tasks) =>
      work(loops, Math.ceil(tasks / size), async () => {
        const claims = await claimed();
        handed.add(...claims.map(({ lease }) => lease.taskId));
        return () => Promise.all(claims.map(finish));
      }),
    after: async () => handed.check(),
  };
}

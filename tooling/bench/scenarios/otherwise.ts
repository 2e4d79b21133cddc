import { bullmqLife } from "../instead/bullmq.ts";
import { keyvLife } from "../instead/keyv.ts";
import { pgBossLife } from "../instead/pg-boss.ts";
import { inFlight, lifeIn, live } from "../lives.ts";
import { openStore, type Place } from "../places.ts";
import type { Comparison, Contestant, Scenario } from "../scenario.ts";

export const otherwise: Scenario = {
  name: "otherwise",
  title: "the life of a task, as people would get it otherwise",
  notes: [
    "BullMQ: a job for each task, in a worker of the same process; add, updateProgress, return value; then getJob and getState. The end is heard of within the process.",
    "pg-boss: send, fetch, complete, findJobs; it has no progress, so that is a call less.",
    "keyv: a JSON value for each task, written by create and after a read by progress and complete; it has no guard, no order and no owners. On SQLite the statements of @keyv/sqlite, prepared, by better-sqlite3.",
    "Pools of 10 connections; BullMQ has its own connections for the queue and for the worker.",
  ],
  stores: ["sqlite", "postgres", "redis"],
  comparisons: (place) => [1, 16, 64].map((most) => comparison(place, most)),
};

function comparison(place: Place, most: number): Comparison {
  return {
    title: `${most} in flight`,
    leastOperations: most,
    async setUp(cleanUp) {
      if (place.store === "memory") throw new Error("nobody would keep these in memory");
      const contestant = (name: string, one: () => Promise<unknown>): Contestant => ({
        name,
        goal: 1,
        run: (tasks) => inFlight(most, tasks, one),
      });
      const ours = lifeIn(openStore(place, cleanUp), null);
      const keyv = await keyvLife(place, cleanUp);
      const contestants = [contestant(`${place.store} store`, () => live(ours))];
      if (place.store === "redis") contestants.push(contestant("BullMQ", await bullmqLife(place, most, cleanUp)));
      if (place.store === "postgres") contestants.push(contestant("pg-boss", await pgBossLife(place, cleanUp)));
      contestants.push(contestant("keyv", () => live(keyv)));
      return contestants;
    },
  };
}

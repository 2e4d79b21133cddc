import { adcpLife } from "../instead/adcp.ts";
import { bullmqLife } from "../instead/bullmq.ts";
import { graphileLife } from "../instead/graphile-worker.ts";
import { keyvLife } from "../instead/keyv.ts";
import { pgBossLife } from "../instead/pg-boss.ts";
import { sidequestLife } from "../instead/sidequest.ts";
import { inFlight, lifeIn, live } from "../lives.ts";
import { openStore, type Place } from "../places.ts";
import type { Comparison, Contestant, Scenario } from "../scenario.ts";

export const otherwise: Scenario = {
  name: "otherwise",
  title: "the life of a task, as people would get it otherwise",
  notes: [
    "@adcp/sdk: its PostgresTaskStore, a task store for SDK 1.x: the same five calls. It has no owners, claims or notifications.",
    "BullMQ, on Redis and with its backend for PostgreSQL: a job for each task, in a worker of the same process; add, updateProgress, return value; then getJob and getState. The end is heard of within the process.",
    "pg-boss: send, fetch, complete, findJobs; it has no progress, so that is a call less.",
    "graphile-worker: addJob, and a task in the same process. It has no progress, keeps no results, and deletes what is completed: that is two calls less, and getting the task is a look whether its job is gone, one look for all that wait.",
    "Sidequest: a job for each task, whose class runs in this process (fork false, runner inline), so that the creator hears of the end; then its state and result are read until the job is completed, a millisecond apart. It has no progress, so that is a call less. Its dispatcher looks for jobs every 100 ms by default, which decides the figure with one in flight; here it looks every millisecond (jobPollingInterval 1).",
    "keyv: a JSON value for each task, written by create and after a read by progress and complete; it has no guard, no order and no owners. On SQLite the statements of @keyv/sqlite, prepared, by better-sqlite3.",
    "Pools of 10 connections, of 20 for graphile-worker; BullMQ has its own connections for the queue and for the worker.",
  ],
  stores: ["sqlite", "postgres", "redis"],
  comparisons: (place) => [1, 16, 64].map((most) => comparison(place, most)),
};

function comparison(place: Place, most: number): Comparison {
  return {
    title: `${most} in flight`,
    leastOperations: most,
    async setUp(cleanUp) {
      if (place.store === "memory") throw new Error("these peers have no memory store");
      const contestant = (name: string, one: () => Promise<unknown>): Contestant => ({
        name,
        goal: 1,
        run: (tasks) => inFlight(most, tasks, one),
      });
      const ours = lifeIn(openStore(place, cleanUp), null);
      const keyv = await keyvLife(place, cleanUp);
      const contestants = [contestant(`${place.store} store`, () => live(ours))];
      if (place.store === "postgres") {
        const adcp = await adcpLife(place, cleanUp);
        contestants.push(contestant("@adcp/sdk", () => live(adcp)));
        contestants.push(contestant("pg-boss", await pgBossLife(place, cleanUp)));
        contestants.push(contestant("graphile-worker", await graphileLife(place, most, cleanUp)));
        contestants.push(contestant("Sidequest", await sidequestLife(place, most, cleanUp)));
      }
      if (place.store !== "sqlite") contestants.push(contestant("BullMQ", await bullmqLife(place, most, cleanUp)));
      contestants.push(contestant("keyv", () => live(keyv)));
      return contestants;
    },
  };
}

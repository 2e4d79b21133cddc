import { addCopies, settle } from "../copies.ts";
import { HandedOut } from "../lives.ts";
import { openStore, type Place } from "../places.ts";
import type { Comparison, Contestant, Scenario, Settings } from "../scenario.ts";
import { Crew } from "./crew.ts";

const WORKERS = 16;
/** A test runs few, because they share a server with other tests. */
const PROCESSES = { quick: 2, usual: 8, full: 8 } as const;
const WAITING = { quick: 5000, usual: 100_000, full: 1_000_000 } as const;

export const crowd: Scenario = {
  name: "crowd",
  title: `crowd: claims by ${PROCESSES.usual} processes of ${WORKERS} workers among many waiting tasks, against fewer workers`,
  notes: [
    `Each worker claims a task, and finishes it while it claims the next, as in the scenario "claims". ${WAITING.full.toLocaleString("en")} tasks wait with --full, ${WAITING.usual.toLocaleString("en")} otherwise; as many as a run takes are added before it.`,
    "The tasks are copies that the database makes of one of the store, a millisecond apart, on PostgreSQL with a VACUUM ANALYZE once. That each task is handed out once is checked.",
    "The processes are made once. Each has a pool of 10 connections on PostgreSQL, and one connection on Redis. The CPU is that of all client processes.",
    "The goal says that more workers are not slower than one.",
  ],
  stores: ["postgres", "redis"],
  comparisons: (place, settings) => [comparison(place, settings)],
};

function comparison(place: Place, { scale }: Settings): Comparison {
  const [waiting, processes] = [WAITING[scale], PROCESSES[scale]];
  return {
    title: `${waiting.toLocaleString("en")} waiting`,
    leastOperations: processes * WORKERS,
    async setUp(cleanUp) {
      if (place.store !== "postgres" && place.store !== "redis") throw new Error("there is no server");
      const store = openStore(place, cleanUp, { claimAfterMs: 0 });
      const add = (total: number) => addCopies(place, store, "waiting", { total, owner: null });
      await add(waiting);
      await settle(place);
      const contestant = (name: string, processes: number, workers: number): Contestant => {
        const crew = cleanUp.use(new Crew(place, "ours", processes));
        const handed = new HandedOut();
        return {
          name,
          async before(tasks) {
            await add(tasks);
            handed.begin(tasks);
          },
          run: async (tasks) => handed.add(...(await crew.claim(tasks, workers))),
          after: async () => handed.check(),
          otherCpuMs: () => crew.cpuMs(),
        };
      };
      return [
        contestant(`${processes} processes of ${WORKERS} workers`, processes, WORKERS),
        contestant(`1 process of ${WORKERS} workers`, 1, WORKERS),
        { ...contestant("1 worker", 1, 1), goal: 1 },
      ];
    },
  };
}

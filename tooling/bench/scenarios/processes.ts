import { bareLife } from "../bare/life.ts";
import { openStore, type Place } from "../places.ts";
import type { Comparison, Contestant, Scenario } from "../scenario.ts";
import { Crew } from "./crew.ts";
import type { Whose } from "./crew-process.ts";

const IN_FLIGHT = 16;
/** Those of the lifecycle with as many in flight. */
const GOALS = { postgres: 1.25, redis: 0.9 } as const;

export const processes: Scenario = {
  name: "processes",
  title: "processes: lifecycles of several processes on one database",
  notes: [
    `Each process has ${IN_FLIGHT} lifecycles in flight, as in the scenario "lifecycle", and connections of its own: a pool of 10 on PostgreSQL, one connection on Redis.`,
    "Ours and the bare driver have as many processes, made once. They share the tasks of a run evenly, and a run ends with the last process.",
    "The CPU is that of all client processes.",
  ],
  stores: ["postgres", "redis"],
  comparisons: (place, { scale }) =>
    (scale === "quick" ? [1, 2] : [1, 2, 4]).map((processes) => comparison(place, processes)),
};

function comparison(place: Place, processes: number): Comparison {
  return {
    title: processes === 1 ? "1 process" : `${processes} processes`,
    leastOperations: IN_FLIGHT * processes,
    async setUp(cleanUp) {
      if (place.store !== "postgres" && place.store !== "redis") throw new Error("there is no server");
      // Makes the tables before the processes need them.
      await openStore(place, cleanUp).listTasks();
      const { driver } = await bareLife(place, null, cleanUp);
      const contestant = (name: string, whose: Whose): Contestant => {
        const crew = cleanUp.use(new Crew(place, whose, processes));
        return {
          name,
          run: (tasks) => crew.live(tasks, IN_FLIGHT),
          otherCpuMs: () => crew.cpuMs(),
        };
      };
      return [contestant(`${place.store} store`, "ours"), { ...contestant(driver, "bare"), goal: GOALS[place.store] }];
    },
  };
}

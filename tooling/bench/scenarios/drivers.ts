import { type SqliteDriver, SqliteTaskStore } from "@mcp-task-store/sqlite";
import { inFlight, lifeIn, live } from "../lives.ts";
import { addressOf, type Place } from "../places.ts";
import type { Comparison, Scenario } from "../scenario.ts";

/** Those of this runtime, the default first. */
const DRIVERS: readonly SqliteDriver[] = process.versions["bun"]
  ? ["bun:sqlite", "node:sqlite", "better-sqlite3"]
  : ["better-sqlite3", "node:sqlite"];

export const drivers: Scenario = {
  name: "drivers",
  title: "drivers: the lifecycle on each driver of the runtime",
  notes: [
    "Each contestant is our store, with files of its own. The first one is the default of the runtime: on Node better-sqlite3, on Bun bun:sqlite.",
  ],
  stores: ["sqlite"],
  comparisons: (place) => ([1, 16, 64] as const).map((most) => comparison(place, most)),
};

function comparison(place: Place, most: number): Comparison {
  return {
    title: `${most} in flight`,
    leastOperations: most,
    async setUp(cleanUp) {
      const { path, synchronous } = addressOf(place, "sqlite");
      return DRIVERS.map((driver) => {
        // Two drivers are two copies of SQLite, which do not see each other's locks.
        const store = new SqliteTaskStore({
          path: `${path}-${most}-${driver.replace(":", "-")}`,
          driver,
          synchronous: synchronous === "FULL" ? "full" : "normal",
          sweepIntervalMs: false,
        });
        cleanUp.defer(() => store.close());
        const life = lifeIn(store, null);
        return { name: `by ${driver}`, run: (tasks: number) => inFlight(most, tasks, () => live(life)) };
      });
    },
  };
}

import { ANY_OWNER, type TaskStore } from "@mcp-task-store/core";
import pg from "pg";
import { inFlight, REQUEST, RESULT, work } from "../lives.ts";
import { addressOf, openStore, type Place } from "../places.ts";
import type { Comparison, Contestant, Scenario, Settings } from "../scenario.ts";

/** Claims under one snapshot before the measurement. */
const CLAIMED = { quick: 100, usual: 10_000, full: 100_000 } as const;

export const oldSnapshot: Scenario = {
  name: "old-snapshot",
  title: "an old snapshot: claims while a transaction holds back the vacuum",
  notes: [
    "A transaction holds a snapshot open, as a dump or a forgotten session does, while so many tasks are claimed and completed. Then the claims are measured under that snapshot, against the same once it has ended and the table was vacuumed.",
  ],
  stores: ["postgres"],
  comparisons: (place, settings) => [1, 16].map((workers) => comparison(place, workers, settings)),
};

function comparison(place: Place, workers: number, { scale }: Settings): Comparison {
  const claimed = CLAIMED[scale];
  return {
    title: `${workers === 1 ? "1 worker" : `${workers} workers`}, after ${claimed.toLocaleString("en")} claims`,
    leastOperations: 4 * workers,
    async setUp(cleanUp) {
      const { url, schema } = addressOf(place, "postgres");
      const store = openStore(place, cleanUp, { claimAfterMs: 0 });
      await store.listTasks();
      const client = new pg.Client({ connectionString: url });
      await client.connect();
      cleanUp.defer(() => client.end());
      const contestant = (name: string, isOld: boolean): Contestant => ({
        name,
        async before(tasks) {
          await client.query(`VACUUM ${schema}.tasks`);
          await create(store, claimed + tasks);
          if (!isOld) await claim(store, workers, claimed);
          await client.query("BEGIN ISOLATION LEVEL REPEATABLE READ");
          await client.query(`SELECT count(*) FROM ${schema}.tasks`);
          if (isOld) await claim(store, workers, claimed);
          else {
            await client.query("COMMIT");
            await client.query(`VACUUM ${schema}.tasks`);
          }
        },
        run: (tasks) => claim(store, workers, tasks),
        after: async () => void (await client.query(isOld ? "COMMIT" : "SELECT 1")),
      });
      return [contestant("under the snapshot", true), contestant("without", false)];
    },
  };
}

function create(store: TaskStore, tasks: number): Promise<void> {
  return inFlight(64, tasks, () => store.createTask({}, 1, REQUEST));
}

function claim(store: TaskStore, workers: number, tasks: number): Promise<void> {
  return work(workers, tasks, async () => {
    const claimed = await store.claimTask({ names: ["render"] });
    if (!claimed) throw new Error("there was nothing to claim");
    const { lease } = claimed;
    return () => store.finishTask(lease.taskId, { status: "completed", result: RESULT }, { lease, owner: ANY_OWNER });
  });
}

import { expect, test } from "vitest";
import { useDatabase } from "../../../tooling/databases/fixtures.ts";
import { sql } from "./support/sql.ts";
import { openStore } from "./support/store.ts";

// Claims begin where the last one found its first task, so that they need not pass what was claimed
// before.

const database = useDatabase();

test.each([1, 2])(
  "a claim of up to %i more than lapsed lately has those that lapsed before the last one",
  async (more) => {
    const { store, tables } = openStore(database.url, { claimAfterMs: 0 });
    const create = async (taskId: string) => {
      await store.createTask({ taskId, name: "grind" });
    };
    const lapseEarlier = (...ids: string[]) =>
      sql(
        database.url,
        `UPDATE ${tables}.tasks SET lease_expires_at = lease_expires_at - 60000 WHERE task_id = ANY ($1)`,
        [ids],
      );
    await create("first");
    const claimed = async (limit: number) => {
      const claims = await store.claimTasks({ names: ["grind"], limit });
      return claims.map(({ lease }) => lease.taskId);
    };
    expect(await claimed(1)).toEqual(["first"]);
    const earlier = ["a", "b"].slice(0, more);
    for (const taskId of [...earlier, "late"]) await create(taskId);
    await lapseEarlier(...earlier);
    expect((await claimed(1 + more)).toSorted()).toEqual([...earlier, "late"].toSorted());
    expect(await claimed(1)).toEqual([]);
  },
);

import { setTimeout as sleep } from "node:timers/promises";
import { ANY_OWNER, type TaskStore } from "@mcp-task-store/core";
import { Client } from "pg";
import { addCopies, type Kind, settle } from "../copies.ts";
import { HandedOut, inFlight, REQUEST, RESULT, work } from "../lives.ts";
import { addressOf, openStore, type Place } from "../places.ts";
import type { Comparison, Contestant, Scenario } from "../scenario.ts";

const SMALL = 1000;
const LARGE = { quick: 10_000, usual: 100_000, full: 10_000_000 } as const;
/** Of each owner, in both tables. */
const OWNED = 100;
const IN_FLIGHT = 16;
const PAGE = 10;
const HINT_MS = 1100;
/** The default limit of deleteExpired. */
const STEP = 1000;
const GOAL = 1 / 1.5;

export const bigTable: Scenario = {
  name: "big-table",
  title: `a big table: calls among many tasks, against the same among ${SMALL.toLocaleString("en")}`,
  notes: [
    `${LARGE.full.toLocaleString("en")} tasks with --full, otherwise ${LARGE.usual.toLocaleString("en")}, in a schema beside that of the small table. Nine tenths are completed, and the newest tenth waits. Each owner has ${OWNED} tasks, far apart.`,
    "The tasks are copies that the database makes of two of the store, a millisecond apart, then a VACUUM ANALYZE, as autovacuum would do it.",
    `Creations, claims and pages: ${IN_FLIGHT} at a time. A claim finishes its task as well, and as many tasks are added before. A sweep step deletes ${STEP.toLocaleString("en")} expired tasks, which are added before. After each run, what came after the filling is deleted, and both tables are vacuumed.`,
  ],
  stores: ["postgres"],
  comparisons(place, { scale }) {
    const tables = [new Table(place, "large", LARGE[scale]), new Table(place, "small", SMALL)] as const;
    return [
      comparison("create", "tasks/s", tables, created),
      comparison("claim and finish", "tasks/s", tables, claimed),
      comparison(`a page of ${PAGE}`, "pages/s", tables, listed),
      { ...comparison("a sweep step", "steps/s", tables, swept), operations: 5 },
    ];
  },
};

type Calls = (table: Table, store: TaskStore) => Pick<Contestant, "before" | "run" | "after">;

function comparison(title: string, unit: string, [large, small]: readonly [Table, Table], calls: Calls): Comparison {
  return {
    title: `${title}, at ${large.tasks.toLocaleString("en")}`,
    metrics: { rate: { unit, better: "higher" } },
    leastOperations: IN_FLIGHT,
    async setUp(cleanUp) {
      const contestant = async (table: Table): Promise<Contestant> => ({
        name: `at ${table.tasks.toLocaleString("en")}`,
        ...calls(table, await table.open(cleanUp)),
      });
      return [await contestant(large), { ...(await contestant(small)), goal: GOAL }];
    },
  };
}

const created: Calls = (table, store) => ({
  run: (tasks) => inFlight(IN_FLIGHT, tasks, () => store.createTask({}, 1, REQUEST)),
  after: () => table.restore(),
});

const claimed: Calls = (table, store) => {
  const handed = new HandedOut();
  return {
    async before(tasks) {
      await table.add(store, "waiting", tasks);
      // Claims begin at the place of the last one for a second, and these tasks are older.
      await sleep(HINT_MS);
      handed.begin(tasks);
    },
    run: (tasks) =>
      work(IN_FLIGHT, tasks, async () => {
        const task = await store.claimTask({ names: ["render"] });
        if (!task) throw new Error("there was nothing to claim");
        const { lease } = task;
        handed.add(lease.taskId);
        const outcome = { status: "completed", result: RESULT } as const;
        return () => store.finishTask(lease.taskId, outcome, { lease, owner: ANY_OWNER });
      }),
    async after() {
      handed.check();
      await table.restore();
    },
  };
};

const listed: Calls = (table, store) => {
  let next = 0;
  return {
    run: (times) =>
      inFlight(IN_FLIGHT, times, async () => {
        next += 1;
        const { tasks } = await store.listTasks(undefined, { owner: table.owner(next) });
        if (tasks.length !== PAGE) throw new Error(`${tasks.length} tasks on a page`);
      }),
  };
};

const swept: Calls = (table, store) => ({
  before: (steps) => table.add(store, "completed", steps * STEP, true),
  async run(steps) {
    for (let step = 0; step < steps; step += 1) {
      const deleted = await store.deleteExpired();
      if (deleted !== STEP) throw new Error(`${deleted} tasks were deleted`);
    }
  },
  after: () => table.restore(),
});

/** One of the tables, filled once for all comparisons. */
class Table {
  readonly tasks: number;
  readonly #place: Place & { store: "postgres" };
  /** The last position of the filling. */
  #last: number | undefined;

  constructor(place: Place, schema: string, tasks: number) {
    this.#place = { ...addressOf(place, "postgres"), variant: place.variant, schema };
    this.tasks = tasks;
  }

  async open(cleanUp: AsyncDisposableStack): Promise<TaskStore> {
    const store = openStore(this.#place, cleanUp, { claimAfterMs: 0 });
    if (this.#last !== undefined) return store;
    await this.add(store, "completed", 0.9 * this.tasks);
    await this.add(store, "waiting", 0.1 * this.tasks);
    await settle(this.#place);
    const [row] = await this.#query(`SELECT max(position)::float8 AS last FROM ${this.#place.schema}.tasks`);
    this.#last = row.last;
    return store;
  }

  async restore(): Promise<void> {
    const { schema } = this.#place;
    await this.#query(`DELETE FROM ${schema}.tasks WHERE position > ${this.#last}`);
    await this.#query(`VACUUM ${schema}.tasks`);
  }

  add(store: TaskStore, kind: Kind, total: number, expired = false): Promise<void> {
    return addCopies(this.#place, store, kind, {
      ...{ total, owner: "template", expired },
      others: { each: 1, many: this.#owners },
    });
  }

  /** One owner after the other, far apart. */
  owner(index: number): string {
    return `other-${(index * 7919) % this.#owners}`;
  }

  get #owners(): number {
    return this.tasks / OWNED;
  }

  async #query(text: string) {
    const client = new Client({ connectionString: this.#place.url });
    await client.connect();
    try {
      return (await client.query(text)).rows;
    } finally {
      await client.end();
    }
  }
}

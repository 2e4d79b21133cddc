import type { TaskFilter, TaskStore } from "@mcp-task-store/core";
import { addCopies, settle } from "../copies.ts";
import { inFlight } from "../lives.ts";
import { openStore, type Place } from "../places.ts";
import type { Comparison, Contestant, Scenario, Settings } from "../scenario.ts";

const SIZES: Readonly<Record<Settings["scale"], number>> = { quick: 2000, usual: 100_000, full: 1_000_000 };
/** Tasks that wait for a worker when somebody looks for one of them. */
const WAITING = 1000;
const CUSTOMER = "the customer who asks";
const MS = { ms: { unit: "ms", better: "lower" } } as const;

const payload = { arguments: { customer: CUSTOMER } };

export const operators: Scenario = {
  name: "operators",
  title: "operators: finding one customer's task, and counting",
  notes: [
    "All tasks are completed, but for 1,000 that wait for a worker, one of them for the customer's call. A second one, the oldest of all, has ended.",
    "The stuck task is found through active tasks. The one that has ended is found by a walk past all others, newest first, page after page: the worst case.",
    "The first search on SQLite and Redis makes an index of active and failed tasks, and is not in these figures. 1,000,000 tasks only with --full.",
  ],
  stores: ["sqlite", "postgres", "redis"],
  comparisons(place, { scale }) {
    const filled = new Filled(place, SIZES[scale]);
    const among = `among ${SIZES[scale].toLocaleString("en-US")}`;
    const stuck = { stuck: { overdueMs: 0 }, payload } as const;
    return [
      comparison(filled, `a customer's stuck task ${among}`, (store) => found(store, stuck)),
      comparison(filled, `a customer's oldest task ${among}`, (store) =>
        found(store, { status: "completed", payload }),
      ),
      comparison(filled, `the newest 50 tasks ${among}`, (store) => store.operations.listRecords()),
      comparison(filled, `statistics ${among}`, (store) => store.operations.stats()),
      comparison(filled, `running a task again ${among}`, async (store) => {
        const { records } = await store.operations.listRecords({ where: { status: "completed" }, limit: 1 });
        await store.operations.rerunTask(records[0]?.task.taskId as string);
      }),
    ];
  },
};

function comparison(filled: Filled, title: string, act: (store: TaskStore) => Promise<unknown>): Comparison {
  return {
    title,
    metrics: MS,
    operations: 1,
    rounds: 5,
    async setUp(cleanUp) {
      const store = await filled.open(cleanUp);
      await store.operations.listRecords({ where: { status: "active" } });
      const contestant: Contestant = {
        name: "ours",
        async run() {
          const start = performance.now();
          await act(store);
          return { ms: performance.now() - start };
        },
      };
      return [contestant];
    },
  };
}

/** Finds the one task, page after page. */
async function found(store: TaskStore, where: TaskFilter): Promise<void> {
  let cursor: string | undefined;
  do {
    const page = await store.operations.listRecords({ where, cursor, fields: ["request"] });
    if (page.records.length > 0) return;
    cursor = page.nextCursor;
  } while (cursor !== undefined);
  throw new Error("the customer's task was not found");
}

/** The store with all tasks, filled once for all comparisons. */
class Filled {
  readonly #place: Place;
  readonly #total: number;
  #filled = false;

  constructor(place: Place, total: number) {
    this.#place = place;
    this.#total = total;
  }

  async open(cleanUp: AsyncDisposableStack): Promise<TaskStore> {
    const place = this.#place;
    const store = openStore(place, cleanUp, { claimAfterMs: 0 });
    if (this.#filled || place.store === "memory") return store;
    this.#filled = true;
    const customers = async () => (await store.createTask({ name: "render", arguments: payload.arguments })).taskId;
    await store.finishTask(await customers(), { status: "completed", result: {} });
    await addCopies(place, store, "completed", { total: this.#total, owner: null });
    await settle(place);
    await customers();
    await inFlight(16, WAITING, () => store.createTask({ name: "render", arguments: { customer: "another" } }));
    return store;
  }
}

import { startWorker, type TaskStore } from "@mcp-task-store/core";
import { MemoryTaskStore } from "@mcp-task-store/memory";
import { InMemoryTaskStore } from "@modelcontextprotocol/sdk/experimental/tasks";
import { bareLife } from "../bare/life.ts";
import { inFlight, type Life, lifeIn, live, type SdkStore } from "../lives.ts";
import { openStore, type Place } from "../places.ts";
import type { Comparison, Contestant, Scenario } from "../scenario.ts";
import type { StoreName } from "../stores.ts";

type InFlight = 1 | 16 | 64;
const GOALS: Readonly<Record<StoreName, Readonly<Record<InFlight, number>>>> = {
  memory: { 1: 0.95, 16: 0.95, 64: 0.95 },
  sqlite: { 1: 0.8, 16: 1, 64: 1 },
  postgres: { 1: 0.9, 16: 1.25, 64: 2.5 },
  redis: { 1: 0.75, 16: 0.9, 64: 0.9 },
};
const HOUR = 3_600_000;

export const lifecycle: Scenario = {
  name: "lifecycle",
  title: "lifecycle: create, progress, complete, get, get result",
  notes: [
    "Against the bare driver: one table (Redis: a hash for each task and a sorted set) with the fields that a requestor sees, and the same five statements, prepared, each by itself. It refuses writes to a terminal task as we do, and has no owners, leases, notifications or expiry.",
    "Both sides have as many connections: pools of 10, one connection on Redis and SQLite. Tasks have no ttl but where it is said; then the bare driver keeps it (Redis: PEXPIRE).",
    "A worker that waits is one of another store on the same tasks, as in another process, for tools that none of them calls. It listens to changes; and on SQLite, an index is kept for claims and changes are logged only when somebody needs them.",
    "In memory against InMemoryTaskStore of SDK 1.x, which keeps and hands out its callers' own objects. Ours keeps and hands out copies, so that what a caller changes afterwards changes nothing stored. Each run there begins with new, empty stores.",
  ],
  stores: ["memory", "sqlite", "postgres", "redis"],
  comparisons: (place) => [
    ...([1, 16, 64] as const).map((most) => comparison(place, `${most} in flight`, most, null)),
    comparison(place, "16 in flight, ttl of an hour", 16, HOUR),
    ...(place.store === "memory" ? [] : [comparison(place, "1 in flight, while a worker waits", 1, null, true)]),
  ],
};

function comparison(place: Place, title: string, most: InFlight, ttl: number | null, worker = false): Comparison {
  return {
    title,
    leastOperations: most,
    async setUp(cleanUp) {
      const goal = GOALS[place.store][most];
      if (place.store === "memory") return inMemory(most, ttl, goal);
      if (worker) cleanUp.use(startWorker(openStore(place, cleanUp), { other: () => ({}) }));
      const life = lifeIn(openStore(place, cleanUp), ttl);
      const run = (whose: Life) => (tasks: number) => inFlight(most, tasks, () => live(whose));
      const bare = await bareLife(place, ttl, cleanUp);
      return [
        { name: `${place.store} store`, run: run(life) },
        { name: bare.driver, ...(worker ? {} : { goal }), run: run(bare.life) },
      ];
    },
  };
}

/** Tasks in memory pile up, so each run would be slower than the one before. */
function inMemory(most: number, ttl: number | null, goal: number): Contestant[] {
  const contestant = <Store extends SdkStore>(name: string, open: () => Store, close: (store: Store) => unknown) => {
    let store: Store;
    return {
      name,
      goal,
      async before() {
        store = open();
      },
      run(tasks: number) {
        const life = lifeIn(store, ttl);
        return inFlight(most, tasks, () => live(life));
      },
      after: async () => void (await close(store)),
    };
  };
  return [
    contestant<TaskStore>(
      "memory store",
      () => new MemoryTaskStore(),
      (store) => store.close(),
    ),
    contestant(
      "SDK 1.x",
      () => new InMemoryTaskStore(),
      (store) => store.cleanup(),
    ),
  ];
}

import { ANY_OWNER, type TaskStore } from "@mcp-task-store/core";
import { MemoryTaskStore } from "@mcp-task-store/memory";
import { addCopies, settle } from "../copies.ts";
import { inFlight, REQUEST, RESULT } from "../lives.ts";
import { openStore, type Place } from "../places.ts";
import type { Comparison, Contestant, Scenario, Settings } from "../scenario.ts";

const PAGES = { rate: { unit: "pages/s", better: "higher" } } as const;
const SMALL = 1000;
/** The store's default page size. */
const PAGE = 10;
const MIDDLE_PAGES = 10;
/** In any part of the list, every third task belongs to one of them. */
const OTHERS = 1000;
const WHERE = ["first", "middle", "last"] as const;

const SIZES: Readonly<Record<Settings["scale"], readonly number[]>> = {
  quick: [10_000],
  usual: [100_000],
  full: [100_000, 1_000_000],
};

export const lists: Scenario = {
  name: "lists",
  title: "lists: a page of 10 among all tasks of an owner, against one of 1,000 in the same store",
  notes: [
    "Each owner's tasks lie in a row, every third one between them belonging to one of 1,000 others. All are completed, with a small result.",
    "They are copies, made by the database, of a task that the store made: INSERT … SELECT from generate_series (PostgreSQL, then VACUUM ANALYZE) or from a recursive query (SQLite, then ANALYZE), a Lua script (Redis). In memory the store itself makes them.",
    "Cursors are those of listTasks, had by walking through the list before the clock starts. 1,000,000 tasks only with --full.",
  ],
  stores: ["memory", "sqlite", "postgres", "redis"],
  comparisons(place, { scale }) {
    const sizes = SIZES[scale];
    const filled = new Filled(place, [SMALL, ...sizes]);
    return sizes.flatMap((size) => WHERE.map((where) => comparison(filled, size, where)));
  },
};

function comparison(filled: Filled, size: number, where: Where): Comparison {
  return {
    title: `${where} page at ${size.toLocaleString("en-US")}`,
    metrics: PAGES,
    async setUp(cleanUp) {
      const store = await filled.open(cleanUp);
      const ours = pages(store, size, filled.cursors(size)[where]);
      const theirs = pages(store, SMALL, filled.cursors(SMALL)[where]);
      return [ours, { ...theirs, goal: 1 / 1.5 }];
    },
  };
}

function pages(store: TaskStore, size: number, cursors: readonly (string | undefined)[]): Contestant {
  let next = 0;
  return {
    name: `at ${size.toLocaleString("en-US")}`,
    async run(times) {
      for (let index = 0; index < times; index += 1) {
        next = (next + 1) % cursors.length;
        const { tasks } = await store.listTasks(cursors[next], { owner: ownerOf(size) });
        if (tasks.length !== PAGE) throw new Error(`${tasks.length} tasks on a page`);
      }
    },
  };
}

type Where = (typeof WHERE)[number];
/** Cursors of the pages to read. The middle has several, since a single one may be an outlier. */
type Cursors = Readonly<Record<Where, readonly (string | undefined)[]>>;

const ownerOf = (size: number) => `owner-of-${size}`;

/** The store with all owners' tasks, filled once for all comparisons. */
class Filled {
  readonly #place: Place;
  readonly #sizes: readonly number[];
  readonly #cursors = new Map<number, Cursors>();
  #memory: MemoryTaskStore | undefined;

  constructor(place: Place, sizes: readonly number[]) {
    this.#place = place;
    this.#sizes = sizes;
  }

  async open(cleanUp: AsyncDisposableStack): Promise<TaskStore> {
    const store = this.#open(cleanUp, PAGE);
    if (this.#cursors.size > 0) return store;
    // A cursor works with any page size.
    const walker = this.#place.store === "memory" ? store : this.#open(cleanUp, SMALL);
    for (const size of this.#sizes) {
      await fill(this.#place, store, ownerOf(size), size);
      this.#cursors.set(size, await walk(walker, store, size));
    }
    return store;
  }

  cursors(size: number): Cursors {
    return this.#cursors.get(size) as Cursors;
  }

  /** Tasks in memory would be lost with their store. */
  #open(cleanUp: AsyncDisposableStack, pageSize: number): TaskStore {
    if (this.#place.store !== "memory") return openStore(this.#place, cleanUp, { pageSize });
    this.#memory ??= new MemoryTaskStore({ pageSize, sweepIntervalMs: false });
    return this.#memory;
  }
}

/** Walks the list by large pages, and its middle and end by small ones. */
async function walk(walker: TaskStore, store: TaskStore, size: number): Promise<Cursors> {
  const owner = ownerOf(size);
  const cursorAfter = async (tasks: number): Promise<string | undefined> => {
    let cursor: string | undefined;
    for (let seen = 0; seen < tasks; ) {
      const from = tasks - seen >= SMALL ? walker : store;
      const page = await from.listTasks(cursor, { owner });
      if (page.nextCursor === undefined) throw new Error(`the list of ${size} tasks ends early`);
      seen += page.tasks.length;
      cursor = page.nextCursor;
    }
    return cursor;
  };
  const half = size / 2;
  const middle = [await cursorAfter(half - (half % PAGE))];
  while (middle.length < MIDDLE_PAGES) middle.push((await store.listTasks(middle.at(-1), { owner })).nextCursor);
  return { first: [undefined], middle, last: [await cursorAfter(size - PAGE)] };
}

/** Adds this many tasks of the owner, and half as many of others between them. */
async function fill(place: Place, store: TaskStore, owner: string, tasks: number): Promise<void> {
  const total = tasks + Math.floor(tasks / 2);
  if (place.store !== "memory") {
    await addCopies(place, store, "completed", { total, owner, others: { each: 3, many: OTHERS } });
    return settle(place);
  }
  let index = 0;
  await inFlight(64, total, async () => {
    index += 1;
    const whose = index % 3 === 0 ? `other-${index % OTHERS}` : owner;
    const { taskId } = await store.createTask({}, 1, REQUEST, { owner: whose });
    await store.finishTask(taskId, { status: "completed", result: RESULT }, { owner: ANY_OWNER });
  });
}

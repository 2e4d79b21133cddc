import { type ChildProcess, fork } from "node:child_process";
import { on, once } from "node:events";
import type { TaskStore } from "@mcp-task-store/core";
import { inFlight, REQUEST, RESULT } from "../lives.ts";
import { openStore, type Place } from "../places.ts";
import type { Comparison, Contestant, Metric, Scenario, Settings } from "../scenario.ts";
import { type Count, connectionsOf, waitersAddress } from "./waiters-connections.ts";
import type { Memory, Order } from "./waiters-process.ts";

const MEMORY: Record<string, Metric> = {
  "more memory in use": { unit: "MB", better: "lower", limit: 50 },
  "more resident memory": { unit: "MB", better: "lower", limit: 50 },
};
const CONNECTIONS: Record<string, Metric> = {
  "connections before": { unit: "", better: "lower" },
  "more connections": { unit: "", better: "lower", limit: 2 },
};
const TIMES: Record<string, Metric> = {
  "to complete all and wake all": { unit: "ms", better: "lower" },
  "to wake all once they are completed": { unit: "ms", better: "lower" },
};

export const waiters: Scenario = {
  name: "waiters",
  title: "waiters: waitForTask for as many tasks, in one process",
  notes: [
    "A process of its own waits, 2 s before it is looked at; this one completes the tasks, 64 in flight (in memory the process does both).",
    "Memory: what heap and buffers hold after collection, and what the system has given to the process, each compared with the same process before, after a burst of reads, when it knew all task ids. In memory the process has made the tasks before, and the system may have given it enough by then.",
    "Connections are counted by the server: before, with the pool open as after a burst of 64 reads; more, at the most of a count every 20 ms from the first wait to the last wake.",
  ],
  stores: ["memory", "sqlite", "postgres", "redis"],
  comparisons: (place, settings) => [comparison(place, settings)],
};

function comparison(place: Place, { scale }: Settings): Comparison {
  const counted = place.store === "postgres" || place.store === "redis";
  const tasks = scale === "quick" ? 500 : 10_000;
  return {
    title: `${tasks.toLocaleString("en-US")} waiters`,
    operations: tasks,
    rounds: 3,
    metrics: { ...MEMORY, ...(counted ? CONNECTIONS : {}), ...TIMES },
    async setUp(cleanUp) {
      const store = place.store === "memory" ? undefined : openStore(place, cleanUp);
      // Connects, and makes the tables before the other process needs them.
      await store?.getTask("none");
      const count = await connectionsOf(place, cleanUp);
      return [contestant(place, store, count)];
    },
  };
}

function contestant(place: Place, store: TaskStore | undefined, count: Count): Contestant {
  let child: ChildProcess;
  const taskIds: string[] = [];
  return {
    name: `${place.store} store`,
    async before(tasks) {
      const path = new URL("./waiters-process.ts", import.meta.url);
      child = fork(path, [JSON.stringify(waitersAddress(place))], { execArgv: ["--expose-gc"] });
      if (!store) return void (await told(child, { order: "create", tasks }));
      // Made here, to keep the memory for it out of the waiting process.
      await inFlight(64, tasks, async () => taskIds.push((await store.createTask({}, 1, REQUEST)).taskId));
      await told(child, { order: "know", taskIds });
    },
    async run(tasks) {
      const idle = (await told(child, { order: "use" })) as Memory;
      await using sampled = new Sampled(count);
      const before = await sampled.begin();
      const waiting = (await told(child, { order: "wait" })) as Memory;
      const start = process.hrtime.bigint();
      const woken = told(child, { order: "woken" });
      if (store) await inFlight(64, tasks, () => completeNext(store, taskIds));
      else await told(child, { order: "finish", tasks });
      const completed = process.hrtime.bigint();
      const last = BigInt((await woken) as string);
      return {
        "more memory in use": (waiting.heap - idle.heap) / 1e6,
        "more resident memory": (waiting.resident - idle.resident) / 1e6,
        "connections before": before,
        "more connections": sampled.most - before,
        "to complete all and wake all": Number(last - start) / 1e6,
        // The last waiter may wake before its completion is acknowledged here.
        "to wake all once they are completed": Math.max(0, Number(last - completed) / 1e6),
      };
    },
    async after() {
      const exit = once(child, "exit");
      child.disconnect();
      await exit;
    },
  };
}

async function completeNext(store: TaskStore, taskIds: string[]): Promise<void> {
  const taskId = taskIds.pop();
  if (taskId !== undefined) await store.storeTaskResult(taskId, "completed", RESULT);
}

/** The highest count since it began. */
class Sampled implements AsyncDisposable {
  most = 0;
  readonly #count: Count;
  #ended = false;
  #loop: Promise<void> | undefined;

  constructor(count: Count) {
    this.#count = count;
  }

  async begin(): Promise<number> {
    this.most = await this.#count();
    this.#loop = this.#sample();
    return this.most;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ended = true;
    await this.#loop;
  }

  async #sample(): Promise<void> {
    while (!this.#ended) {
      this.most = Math.max(this.most, await this.#count());
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

let lastId = 0;

/** The answer to an order. Several may be under way. */
async function told(child: ChildProcess, order: Order): Promise<unknown> {
  lastId += 1;
  const id = lastId;
  child.send({ id, order });
  const exit = new AbortController();
  const onExit = () => exit.abort(new Error("the waiting process has ended"));
  child.once("exit", onExit);
  try {
    for await (const [message] of on(child, "message", { signal: exit.signal })) {
      const { id: answered, answer } = message as { id: number; answer: unknown };
      if (answered === id) return answer;
    }
    throw new Error("there was no answer");
  } finally {
    child.off("exit", onExit);
  }
}

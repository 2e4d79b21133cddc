import { setTimeout as sleep } from "node:timers/promises";
import type { TaskStore } from "@mcp-task-store/core";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { InMemoryTransport } from "@modelcontextprotocol/sdk/inMemory.js";
import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { CallToolResultSchema } from "@modelcontextprotocol/sdk/types.js";
import { inFlight, REQUEST, RESULT } from "../lives.ts";
import type { Place } from "../places.ts";
import type { Comparison, Contestant, Scenario, Settings } from "../scenario.ts";
import { openCounted } from "./blocked-results-counters.ts";

const UNITS = { sqlite: "statements/s", postgres: "transactions/s", redis: "commands/s", memory: "" } as const;
/** The database's own count lags: PostgreSQL connections report at most once a second. */
const SETTLING_MS = 1500;

export const blockedResults: Scenario = {
  name: "blocked-results",
  title: "blocked results: what clients that wait for a result ask of the database, each",
  notes: [
    "Nothing happens to the tasks while it is counted, for 5 s: the default between two reads of all tasks waited for, which are counted.",
    "SDK 1.x: its own server and client in one process, over InMemoryTransport, on a store of the same kind; the clients have sent tasks/result, and tasks have the default poll interval of 1,000 ms.",
    "Ours: waitForResult, as often, in one process.",
    "PostgreSQL counts transactions, Redis commands, those within scripts included. SQLite's statements are counted on their way: with the look for other processes' changes every 25 ms, one for the process and not for each client.",
    "None at all counts as one in all.",
  ],
  stores: ["sqlite", "postgres", "redis"],
  comparisons: (place, settings) => [10, 100].map((clients) => comparison(place, settings, clients)),
};

function comparison(place: Place, { scale }: Settings, clients: number): Comparison {
  const windowMs = scale === "quick" ? 1500 : 5000;
  return {
    title: `${clients} clients, each`,
    operations: clients,
    rounds: 3,
    metrics: { rate: { unit: UNITS[place.store], better: "lower" } },
    async setUp(cleanUp) {
      const { store, count } = await openCounted(place, cleanUp);
      const client = await connected(store, cleanUp);
      const contestant = (name: string, wait: (taskId: string) => Promise<unknown>): Contestant =>
        blocked(name, store, wait, count, windowMs);
      return [
        contestant("waitForResult", (taskId) => store.waitForResult(taskId)),
        contestant("SDK 1.x", (taskId) => client.experimental.tasks.getTaskResult(taskId, CallToolResultSchema)),
      ];
    },
  };
}

function blocked(
  name: string,
  store: TaskStore,
  wait: (taskId: string) => Promise<unknown>,
  count: () => Promise<number>,
  windowMs: number,
): Contestant {
  let taskIds: string[] = [];
  let waits: Promise<unknown>[] = [];
  return {
    name,
    async before(clients) {
      taskIds = [];
      await inFlight(16, clients, async () => taskIds.push((await store.createTask({}, 1, REQUEST)).taskId));
      waits = taskIds.map(wait);
      await sleep(SETTLING_MS);
    },
    async run(clients) {
      const start = performance.now();
      const before = await count();
      await sleep(windowMs);
      const operations = Math.max(1, (await count()) - before);
      return { rate: operations / ((performance.now() - start) / 1000) / clients };
    },
    async after() {
      await inFlight(16, taskIds.length, () => store.storeTaskResult(taskIds.pop() as string, "completed", RESULT));
      await Promise.all(waits);
      await sleep(SETTLING_MS);
    },
  };
}

/** A client of SDK 1.x, connected to a server on the store. */
async function connected(store: TaskStore, cleanUp: AsyncDisposableStack): Promise<Client> {
  const server = new McpServer(
    { name: "bench", version: "1.0.0" },
    {
      capabilities: { tasks: { list: {}, cancel: {}, requests: { tools: { call: {} } } } },
      taskStore: store,
      taskMessageQueue: store.messages,
    },
  );
  const client = new Client({ name: "bench", version: "1.0.0" });
  const [near, far] = InMemoryTransport.createLinkedPair();
  await Promise.all([server.connect(far), client.connect(near)]);
  cleanUp.defer(() => client.close());
  return client;
}

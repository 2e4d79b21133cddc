import { RedisTaskStore, type RedisTaskStoreOptions } from "@mcp-task-store/redis";
import { Redis } from "ioredis";
import { createClient } from "redis";
import { inFlight, lifeIn, live } from "../lives.ts";
import { addressOf, type Place } from "../places.ts";
import type { Comparison, Contestant, Scenario } from "../scenario.ts";

export const clients: Scenario = {
  name: "clients",
  title: "lifecycle on Redis, by each of the clients that a store takes",
  notes: [
    "The same store and the same scripts, given a client of ioredis or of node-redis. Each has one connection for commands.",
    "With ioredis the store corks the socket itself. node-redis writes what gathered in a turn of the event loop at its end.",
  ],
  stores: ["redis"],
  comparisons: (place) => [1, 16, 64].map((most) => comparison(place, most)),
};

function comparison(place: Place, most: number): Comparison {
  return {
    title: `${most} in flight`,
    leastOperations: most,
    async setUp(cleanUp) {
      const { url, prefix } = addressOf(place, "redis");
      const contestant = (name: string, client: RedisTaskStoreOptions["client"]): Contestant => {
        const store = new RedisTaskStore({ client, keyPrefix: prefix, sweepIntervalMs: false });
        cleanUp.defer(() => store.close());
        const life = lifeIn(store, null);
        return { name, run: (tasks) => inFlight(most, tasks, () => live(life)) };
      };
      return [
        contestant("ioredis", new Redis(url, { lazyConnect: true })),
        contestant("node-redis", createClient({ url })),
      ];
    },
  };
}

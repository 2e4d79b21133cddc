import { RedisTaskStore } from "@mcp-task-store/redis";
import { GlideClient, GlideClusterClient } from "@valkey/valkey-glide";
import { Cluster, Redis } from "ioredis";
import { Cluster as OldCluster, Redis as OldRedis } from "ioredis-5";
import { createClient as oldClient, createCluster as oldCluster } from "node-redis-5";
import { createClient, createClientPool, createCluster } from "redis";

// Every client that a store takes, as users make it.
for (const client of [new Redis(), new Cluster([]), new OldRedis(), new OldCluster([])]) new RedisTaskStore({ client });
for (const client of [createClient(), createClient({ RESP: 3 }), oldClient()]) new RedisTaskStore({ client });
for (const client of [createCluster({ rootNodes: [] }), oldCluster({ rootNodes: [] })]) new RedisTaskStore({ client });
new RedisTaskStore({ client: await GlideClusterClient.createClient({ addresses: [] }) });

// @ts-expect-error a pool has no sharded channels
new RedisTaskStore({ client: createClientPool() });
// @ts-expect-error it cannot hear sharded channels
new RedisTaskStore({ client: await GlideClient.createClient({ addresses: [] }) });
// @ts-expect-error a class is no client
new RedisTaskStore({ client: Redis });

import {
  type RedisTaskStore,
  type RedisTaskStoreOptions,
  type Request,
  RedisTaskStore as Store,
} from "@mcp-task-store/redis";
import { Redis } from "ioredis";
import { onTestFinished } from "vitest";
import { type OwnServer, startOwnRedis } from "../../../../tooling/databases/index.ts";

export const REQUEST: Request = { method: "tools/call", params: { name: "grind" } };

/** The test's own server, which it may harm. */
export async function ownServer(args: readonly string[] = []): Promise<OwnServer> {
  const server = await startOwnRedis({ args });
  onTestFinished(() => server.stop());
  return server;
}

/** A store that closes with the test. Only a signal wakes its waits. */
export function openStore(options: RedisTaskStoreOptions): RedisTaskStore {
  const store = new Store({ fallbackPollMs: 600_000, sweepIntervalMs: false, ...options });
  onTestFinished(() => store.close());
  return store;
}

/** A plain connection to inspect the server. */
export function operator(url: string): Redis {
  const redis = new Redis(url);
  redis.on("error", () => undefined);
  onTestFinished(() => redis.disconnect());
  return redis;
}

/** Waits until the condition holds. */
export async function until(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 10));
}

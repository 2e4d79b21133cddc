import { setTimeout as sleep } from "node:timers/promises";
import { Redis } from "ioredis";
import { redisVersion } from "./redis.ts";
import { startRedisProcess } from "./redis-process.ts";
import type { OwnServer } from "./server.ts";

/** A primary with a replica. Nothing but the caller makes the replica a primary. */
export interface RedisPair {
  readonly version: string;
  readonly primary: OwnServer;
  /**
   * Makes the replica the primary by `FAILOVER`, which lets no write through before the replica has
   * all of them. `lead` gets the URL of the new primary. The old one follows it from then on.
   */
  failOver(lead: (url: string) => void): Promise<void>;
  /** Returns once the replica has all that the primary has. */
  inStep(): Promise<void>;
  stop(): Promise<void>;
}

/** Each server keeps each write over a crash, as the primary did that it replaces. */
const ARGS = ["--save", "", "--appendonly", "yes", "--appendfsync", "always", "--repl-diskless-sync-delay", "0"];

/** @throws WayUnavailable without binaries */
export async function startRedisPair(): Promise<RedisPair> {
  const first = await startRedisProcess({ args: ARGS, ping: redisVersion });
  const second = await startRedisProcess({ args: ARGS, ping: redisVersion }).catch(async (error) => {
    await first.stop();
    throw error;
  });
  let [primary, replica] = [first, second];
  const inStep = async () => {
    await untilInfo(replica.url, /role:slave\s[\s\S]*master_link_status:up/);
    await untilInfo(primary.url, /role:master\s[\s\S]*state=online/);
  };
  const stop = async () => {
    await Promise.all([first.stop(), second.stop()]);
  };
  try {
    // By a command, so that a replica that became the primary is one after a restart as well.
    await ask(replica.url, (redis) => redis.replicaof(...addressOf(primary.url)));
    await inStep();
    return {
      version: primary.version,
      get primary() {
        return primary;
      },
      failOver: async (lead) => {
        await inStep();
        await ask(primary.url, (redis) => redis.call("FAILOVER", "TO", ...addressOf(replica.url)));
        await untilInfo(replica.url, /role:master\s/);
        await untilInfo(primary.url, /role:slave\s[\s\S]*master_failover_state:no-failover/);
        [primary, replica] = [replica, primary];
        lead(primary.url);
        await inStep();
      },
      inStep,
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

function addressOf(url: string): [host: string, port: number] {
  const { hostname, port } = new URL(url);
  return [hostname, Number(port)];
}

async function ask<Answer>(url: string, question: (redis: Redis) => Promise<Answer>): Promise<Answer> {
  const redis = new Redis(url);
  redis.on("error", () => {});
  try {
    return await question(redis);
  } finally {
    redis.disconnect();
  }
}

async function untilInfo(url: string, wanted: RegExp): Promise<void> {
  const deadline = Date.now() + 60_000;
  for (;;) {
    const info = await ask(url, (redis) => redis.info("replication"));
    if (wanted.test(info)) return;
    if (Date.now() > deadline) throw new Error(`not in time: ${wanted}\n${info}`);
    await sleep(20);
  }
}

import { chmod, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Redis } from "ioredis";
import { executable } from "./binaries.ts";
import { freePort } from "./ports.ts";
import { TcpProxy } from "./proxy.ts";
import { redisVersion } from "./redis.ts";
import { type ServerControl, WayUnavailable } from "./server.ts";
import { ServerProcess, serverFolder } from "./server-process.ts";
import type { TwoSides } from "./two-sides.ts";

export interface RedisSentinelOptions {
  /**
   * The primary is on the first side, and the replicas and the sentinels are on the second.
   * Default: on this machine.
   */
  readonly sides?: TwoSides | undefined;
  /** Without sides, the others reach the primary through a proxy, so that `part` can cut it. */
  readonly proxied?: boolean;
  /** @default 1 */
  readonly replicas?: number;
  /** More settings of the primary and the replicas. */
  readonly args?: readonly string[];
}

/** A primary with replicas, and three sentinels that watch them. */
export interface RedisSentinels {
  readonly version: string;
  /** The name by which the sentinels know the primary. */
  readonly name: string;
  readonly sentinels: readonly { readonly host: string; readonly port: number }[];
  readonly primary: { readonly url: string; readonly control: ServerControl };
  readonly replicas: readonly { readonly url: string }[];
  /** Cuts the primary off from the others. This process reaches all of them. */
  part(): Promise<void>;
  join(): Promise<void>;
  stop(): Promise<void>;
}

const NAME = "tasks";
/** After this time without an answer, a sentinel takes the primary for dead. */
const DOWN_AFTER_MS = 2000;

/** @throws WayUnavailable without binaries */
export async function startRedisSentinels(options: RedisSentinelOptions = {}): Promise<RedisSentinels> {
  const { sides, proxied = false, replicas: count = 1, args = [] } = options;
  const command = executable("redis-server");
  if (command === undefined) throw new WayUnavailable("redis-server not found");
  const [place, other] = sides?.sides ?? [{ address: "127.0.0.1" }, { address: "127.0.0.1" }];
  const settings = ["--save", "", "--appendonly", "yes", "--repl-diskless-sync-delay", "0", ...args];
  const started: ServerProcess[] = [];
  const start = async (side: { address: string; namespace?: string }, config: string, more: readonly string[]) => {
    const folder = await serverFolder("redis");
    const port = await freePort();
    const file = join(folder, "redis.conf");
    await writeFile(file, config);
    // Redis, as another user, writes what it learns into its configuration.
    await chmod(file, 0o666);
    const url = `redis://${side.address}:${port}`;
    const control = new ServerProcess({
      command,
      args: [
        ...[file, "--port", String(port), "--bind", side.address, "--protected-mode", "no", "--dir", folder],
        ...more,
      ],
      folder,
      namespace: side.namespace,
      ping: () => redisVersion(url),
      signals: { orderly: "SIGTERM", atOnce: "SIGKILL" },
    });
    started.push(control);
    await control.start();
    return { host: side.address, port, url, control };
  };
  let link: TcpProxy | undefined;
  const stop = async () => {
    await link?.begin();
    await Promise.all(started.map((server) => server.stop()));
  };
  try {
    const primary = await start(place, "", settings);
    link = proxied && !sides ? await TcpProxy.start(primary.url) : undefined;
    const { hostname, port } = new URL(link?.url ?? primary.url);
    const following = [...settings, "--replicaof", `${hostname} ${port}`];
    const replicas = await Promise.all(Array.from({ length: count }, () => start(other, "", following)));
    const watch = [
      `sentinel monitor ${NAME} ${hostname} ${port} 2`,
      `sentinel down-after-milliseconds ${NAME} ${DOWN_AFTER_MS}`,
      `sentinel failover-timeout ${NAME} 5000`,
    ].join("\n");
    const sentinels = await Promise.all([1, 2, 3].map(() => start(other, `${watch}\n`, ["--sentinel"])));
    const ready = /master_link_status:up[\s\S]*slave_repl_offset/;
    for (const { url } of replicas)
      await untilAnswered(
        url,
        (redis) => redis.info("replication"),
        (info) => ready.test(String(info)),
      );
    for (const { url } of sentinels) {
      const wanted = `flags,master,num-other-sentinels,2,num-slaves,${count}`;
      await untilAnswered(url, masterState, (state) => String(state) === wanted);
    }
    return {
      version: await redisVersion(primary.url),
      name: NAME,
      sentinels: sentinels.map(({ host, port: at }) => ({ host, port: at })),
      primary,
      replicas,
      part: async () => (sides ? sides.part() : link?.begin()),
      join: async () => (sides ? sides.join() : link?.end()),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** The part of a sentinel's state that says whether it can lead a failover. */
async function masterState(redis: Redis): Promise<unknown> {
  const fields = (await redis.call("SENTINEL", "MASTER", NAME)) as string[] | Record<string, string>;
  const pairs = Array.isArray(fields) ? fields : Object.entries(fields).flat();
  return ["flags", "num-other-sentinels", "num-slaves"].flatMap((name) => [name, pairs[pairs.indexOf(name) + 1]]);
}

async function untilAnswered(
  url: string,
  ask: (redis: Redis) => Promise<unknown>,
  wanted: (answer: unknown) => boolean,
): Promise<void> {
  const redis = new Redis(url);
  redis.on("error", () => {});
  const deadline = Date.now() + 60_000;
  try {
    for (;;) {
      const answer = await ask(redis);
      if (wanted(answer)) return;
      if (Date.now() > deadline) throw new Error(`not ready in time: ${answer}`);
      await sleep(20);
    }
  } finally {
    redis.disconnect();
  }
}

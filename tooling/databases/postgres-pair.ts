import { appendFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Client } from "pg";
import { postgresVersion } from "./postgres.ts";
import { makeHome, type PostgresHome, postgresAt } from "./postgres-process.ts";
import { TcpProxy } from "./proxy.ts";
import type { ServerControl } from "./server.ts";
import { runIn, serverFolder } from "./server-process.ts";
import type { TwoSides } from "./two-sides.ts";

export interface PostgresPairOptions {
  /** The primary waits for the standby before it acknowledges a commit. */
  readonly synchronous: boolean;
  /** The primary is on the first side, and the standby on the second. Default: on this machine. */
  readonly sides?: TwoSides | undefined;
  /** Without sides, the standby reaches the primary through a proxy, so that `part` can cut it. */
  readonly proxied?: boolean;
  /** More settings of both servers. */
  readonly settings?: Readonly<Record<string, string>>;
}

export interface PairMember {
  readonly url: string;
  readonly control: ServerControl;
}

/** A primary with a standby that streams from it. */
export interface PostgresPair {
  readonly version: string;
  /** The origin of the servers. */
  readonly way: string;
  readonly primary: PairMember;
  readonly standby: PairMember;
  /** Makes the standby a primary, and returns once it takes writes. */
  promote(): Promise<void>;
  /** Cuts the servers off from each other. This process reaches both. */
  part(): Promise<void>;
  stop(): Promise<void>;
}

const SETTINGS = {
  max_connections: "100",
  wal_keep_size: "256MB",
  // The standby tries again so soon if the primary is not there yet.
  wal_retrieve_retry_interval: "100ms",
};

/** @throws WayUnavailable without binaries */
export async function startPostgresPair({
  synchronous,
  sides,
  proxied,
  settings,
}: PostgresPairOptions): Promise<PostgresPair> {
  const [place, other] = sides?.sides ?? [{ address: "127.0.0.1" }, { address: "127.0.0.1" }];
  const home = await makeHome();
  const copy = await copyOf(home);
  if (sides)
    for (const { data } of [home, copy])
      await appendFile(
        join(data, "pg_hba.conf"),
        ["all", "replication"].map((what) => `host ${what} all ${place.address}/24 trust\n`).join(""),
      );
  const all = { ...SETTINGS, ...settings };
  const waits: Record<string, string> = synchronous ? { synchronous_standby_names: "*" } : {};
  const primary = await postgresAt(home, place, { ...all, ...waits }, postgresVersion);
  const link = proxied && !sides ? await TcpProxy.start(primary.url) : undefined;
  const { hostname, port } = new URL(link?.url ?? primary.url);
  const source = { primary_conninfo: `host=${hostname} port=${port} user=postgres application_name=standby` };
  const standby = await postgresAt(copy, other, { ...all, ...source }, postgresVersion);
  const stop = async () => {
    await link?.begin();
    await Promise.all([primary.server.stop(), standby.server.stop()]);
  };
  try {
    await primary.server.start();
    await standby.server.start();
    await untilTrue(
      primary.url,
      `SELECT bool_or(state = 'streaming' AND sync_state = '${synchronous ? "sync" : "async"}')
      FROM pg_stat_replication`,
    );
    return {
      version: await postgresVersion(primary.url),
      way: home.way,
      primary: { url: primary.url, control: primary.server },
      standby: { url: standby.url, control: standby.server },
      promote: async () => {
        await ask(standby.url, "SELECT pg_promote()");
        await untilTrue(standby.url, "SELECT NOT pg_is_in_recovery()");
      },
      part: async () => {
        if (sides) await sides.part();
        else await link?.begin();
      },
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** The same databases for a standby. No server runs yet, so a copy of the files will do. */
async function copyOf({ data, bin, way }: PostgresHome): Promise<PostgresHome> {
  const folder = await serverFolder("postgres");
  const copy = join(folder, "data");
  await runIn(folder, "cp", ["-R", "-p", data, copy]);
  await writeFile(join(copy, "standby.signal"), "");
  return { bin, folder, data: copy, way };
}

/** The first column of the only row. */
async function ask(url: string, sql: string): Promise<unknown> {
  const client = new Client({ connectionString: url });
  client.on("error", () => {});
  await client.connect();
  try {
    const { rows } = await client.query({ text: sql, rowMode: "array" });
    return rows[0]?.[0];
  } finally {
    await client.end();
  }
}

async function untilTrue(url: string, sql: string): Promise<void> {
  const deadline = Date.now() + 60_000;
  while ((await ask(url, sql)) !== true) {
    if (Date.now() > deadline) throw new Error(`not true in time: ${sql}`);
    await sleep(20);
  }
}

import { appendFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Client } from "pg";
import { postgresVersion } from "./postgres.ts";
import { copyFromServer, copyOf, makeStandby } from "./postgres-copy.ts";
import { makeHome, type PostgresHome, type PostgresPlace, postgresAt } from "./postgres-process.ts";
import { TcpProxy } from "./proxy.ts";
import type { ServerControl } from "./server.ts";
import type { ServerProcess } from "./server-process.ts";
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

interface Member extends PairMember {
  readonly home: PostgresHome;
  readonly control: ServerProcess;
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
  /**
   * Kills the primary, promotes the standby, and makes the killed server the standby of the new
   * primary. Then `primary` and `standby` have changed their places. `lead` gets the URL of the new
   * primary, which has no standby yet. Not for a pair with `sides` or a proxy.
   */
  failOver(lead: (url: string) => void): Promise<void>;
  /** Returns once the standby has all that the primary has. */
  inStep(): Promise<void>;
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
  const first = await memberAt(home, place, { ...all, ...(synchronous ? { synchronous_standby_names: "*" } : {}) });
  const link = proxied && !sides ? await TcpProxy.start(first.url) : undefined;
  await makeStandby(copy, link?.url ?? first.url);
  const second = await memberAt(copy, other, all);
  let [primary, standby] = [first, second];
  const inStep = () =>
    untilTrue(
      primary.url,
      `SELECT bool_or(state = 'streaming' AND sync_state = '${synchronous ? "sync" : "async"}')
      FROM pg_stat_replication`,
    );
  const promote = async () => {
    await ask(standby.url, "SELECT pg_promote()");
    await untilTrue(standby.url, "SELECT NOT pg_is_in_recovery()");
  };
  const stop = async () => {
    await link?.begin();
    await Promise.all([first.control.stop(), second.control.stop()]);
  };
  try {
    await primary.control.start();
    await standby.control.start();
    await inStep();
    return {
      version: await postgresVersion(primary.url),
      way: home.way,
      get primary() {
        return primary;
      },
      get standby() {
        return standby;
      },
      promote,
      failOver: async (lead) => {
        await primary.control.halt("killed");
        if (synchronous) await waitForStandbys(standby.url);
        await promote();
        [primary, standby] = [standby, primary];
        lead(primary.url);
        await copyFromServer(primary.url, primary.home, standby.home);
        await makeStandby(standby.home, primary.url);
        await standby.control.start();
        await inStep();
      },
      inStep,
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

async function memberAt(
  home: PostgresHome,
  place: PostgresPlace,
  settings: Readonly<Record<string, string>>,
): Promise<Member> {
  const { server, url } = await postgresAt(home, place, settings, postgresVersion);
  return { home, url, control: server };
}

/** A standby that becomes a primary acknowledges no commit before it has a standby of its own. */
async function waitForStandbys(url: string): Promise<void> {
  await ask(url, "ALTER SYSTEM SET synchronous_standby_names = '*'");
  await ask(url, "SELECT pg_reload_conf()");
  await untilTrue(url, "SELECT current_setting('synchronous_standby_names') = '*'");
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

import { Client } from "pg";
import { startPostgresContainer } from "./postgres-container.ts";
import { startPostgresProcess } from "./postgres-process.ts";
import { type DatabaseServer, firstWay, type OwnServer, type Way, WayUnavailable } from "./server.ts";

export interface PostgresOptions {
  /** The major version; `undefined` = the one of `TEST_POSTGRES_VERSION`, or else any. */
  readonly version?: number;
  /** "fast" turns off syncs, so a crash of the machine loses commits. `way` mentions it. */
  readonly durability?: "production" | "fast";
  /** More settings, such as `{ max_connections: "20" }`. */
  readonly settings?: Readonly<Record<string, string>>;
}

/**
 * A Postgres server for tests that do not harm it: the one of `TEST_POSTGRES_URL`, or a new one.
 */
export function startPostgres(given: PostgresOptions = {}): Promise<DatabaseServer> {
  const options = withVersion(given);
  const named: Way<DatabaseServer> = {
    advice: "set TEST_POSTGRES_URL to a server where tests may create databases",
    start: () => givenPostgres(options),
  };
  return firstWay(productName(options), [named, ...ownWays(options)]);
}

/** A Postgres server for one test, which may pause, kill and restart it. */
export function startOwnPostgres(given: PostgresOptions = {}): Promise<OwnServer> {
  const options = withVersion(given);
  return firstWay(`${productName(options)} of their own`, ownWays(options));
}

function withVersion(options: PostgresOptions): PostgresOptions {
  const version = process.env["TEST_POSTGRES_VERSION"];
  return version && options.version === undefined ? { ...options, version: Number(version) } : options;
}

function ownWays(options: PostgresOptions): Way<OwnServer>[] {
  const settings = {
    max_connections: "300",
    ...(options.durability === "fast" ? { fsync: "off", synchronous_commit: "off", full_page_writes: "off" } : {}),
    ...options.settings,
  };
  const setup = { version: options.version, settings, ping: postgresVersion };
  const label = (server: OwnServer): OwnServer =>
    options.durability === "fast" ? { ...server, way: `${server.way}, with fsync off` } : server;
  return [
    {
      advice: "start Docker, and containers will be used",
      start: async () => label(await startPostgresContainer(setup)),
    },
    {
      advice: "install the server binaries postgres and initdb, on PATH or in /usr/lib/postgresql/*/bin",
      start: async () => label(await startPostgresProcess(setup)),
    },
  ];
}

async function givenPostgres({ version: wanted }: PostgresOptions): Promise<DatabaseServer> {
  const url = process.env["TEST_POSTGRES_URL"];
  if (url === undefined || url === "") throw new WayUnavailable("it is not set");
  const version = await postgresVersion(url);
  if (wanted !== undefined && Number.parseInt(version, 10) !== wanted) {
    throw new WayUnavailable(`it is PostgreSQL ${version}`);
  }
  return { url, version, way: "TEST_POSTGRES_URL", stop: async () => {} };
}

/** The version, such as `18.4`. Rejects if no server answers. */
export async function postgresVersion(url: string): Promise<string> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: 5_000 });
  // The query rejects too, so this event needs no handling.
  client.on("error", () => {});
  try {
    await client.connect();
    const { rows } = await client.query("SHOW server_version");
    return rows[0].server_version.split(" ")[0];
  } finally {
    await client.end();
  }
}

function productName({ version }: PostgresOptions): string {
  return version === undefined ? "PostgreSQL" : `PostgreSQL ${version}`;
}

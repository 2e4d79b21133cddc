import { randomBytes } from "node:crypto";
import { once } from "node:events";
import type { Client } from "pg";
import { count, durationText } from "../output/text.ts";
import type { Address } from "../stores/address.ts";
import { withPostgres } from "../stores/raw.ts";
import type { StoreSettings } from "../stores/settings.ts";
import { schemaVersions } from "../stores/versions.ts";
import {
  type Checks,
  clockFinding,
  type Found,
  indexFinding,
  note,
  ok,
  problem,
  schemaFinding,
  unknown,
  warning,
} from "./finding.ts";

const OLDEST_VERSION = 150_000;
const LISTEN_MS = 2000;
const OLD_TRANSACTION_MS = 600_000;

const INDEXES = [
  "tasks_pkey",
  "tasks_by_id",
  "tasks_by_owner",
  "tasks_by_change",
  "tasks_by_expiry",
  "tasks_by_lease",
  "tasks_active",
  "tasks_failed",
  "task_messages_pkey",
  "task_messages_by_task",
  "task_messages_by_expiry",
  "task_steps_pkey",
  "task_turns_pkey",
  "task_pauses_pkey",
  "task_notifiers_pkey",
  "task_events_pkey",
  "task_events_due",
  "task_events_by_task",
  "task_events_set_aside",
  "task_store_pkey",
  "task_store_migrations_pkey",
] as const;

/** The checks of a database, over this connection. */
export function postgresChecks(client: Client, settings: StoreSettings): Checks {
  const address = settings.address as Address & { kind: "PostgreSQL" };
  const schema = settings.schema ?? "mcp_tasks";
  return {
    server: () => server(client),
    durability: () => durability(client),
    replication: () => replication(client),
    schema: async () => {
      const versions = (await schemaVersions(settings)) ?? { found: 0, known: 0 };
      return schemaFinding(versions, `in the schema ${schema}`);
    },
    indexes: () => indexes(client, schema),
    listen: () => withPostgres(address, (other) => listens(client, other)),
    clock: () => clock(client),
    autovacuum: () => autovacuum(client, schema),
    transactions: () => transactions(client),
    connections: () => connections(client),
  };
}

async function row<Row>(client: Client, sql: string, parameters: readonly unknown[] = []): Promise<Row> {
  const { rows } = await client.query(sql, [...parameters]);
  return rows[0] as Row;
}

async function settingsOf(client: Client, names: readonly string[]): Promise<Record<string, string>> {
  const { rows } = await client.query("SELECT name, setting FROM pg_settings WHERE name = ANY ($1)", [names]);
  return Object.fromEntries(rows.map(({ name, setting }) => [name, setting]));
}

async function server(client: Client): Promise<Found> {
  const found = await row<{ version: string; number: number; encoding: string; standby: boolean; readOnly: boolean }>(
    client,
    `SELECT current_setting('server_version') AS version, current_setting('server_version_num')::int AS number,
       current_setting('server_encoding') AS encoding, pg_is_in_recovery() AS standby,
       current_setting('transaction_read_only') = 'on' AS "readOnly"`,
  );
  if (found.number < OLDEST_VERSION)
    return problem(`the server is PostgreSQL ${found.version}`, "update it: stores need PostgreSQL 15 or newer");
  if (found.encoding !== "UTF8")
    return problem(`the database's encoding is ${found.encoding}`, "make a database with the encoding UTF8");
  if (found.standby)
    return problem("the server is a standby, which takes no writes", "give stores the primary's address");
  if (found.readOnly)
    return problem("transactions are read-only", "turn default_transaction_read_only off for the store's user");
  return ok(`PostgreSQL ${found.version} takes writes`);
}

async function durability(client: Client): Promise<Found> {
  const found = await settingsOf(client, ["fsync", "full_page_writes", "synchronous_commit"]);
  for (const name of ["fsync", "full_page_writes"])
    if (found[name] === "off")
      return problem(`${name} is off: a crash of the machine can destroy the database`, `turn ${name} on`);
  if (found["synchronous_commit"] === "off")
    return warning(
      "synchronous_commit is off: a crash of the server loses the tasks that it acknowledged last",
      "turn it on for the store's user, unless tasks may be lost",
    );
  return ok("acknowledged tasks survive a crash");
}

async function replication(client: Client): Promise<Found | Found[]> {
  const found = await row<{ standbys: number; synchronous: number; hidden: number; standby: boolean }>(
    client,
    `SELECT count(state)::int AS standbys, count(*) FILTER (WHERE sync_state IN ('sync', 'quorum'))::int AS synchronous,
       count(*) FILTER (WHERE state IS NULL)::int AS hidden, pg_is_in_recovery() AS standby FROM pg_stat_replication`,
  );
  // Another check says so.
  if (found.standby) return [];
  if (found.hidden > 0) return unknown("the role may not see the standbys: grant it pg_read_all_stats");
  const settings = await settingsOf(client, ["synchronous_standby_names", "synchronous_commit"]);
  return replicationFinding(found, {
    names: settings["synchronous_standby_names"] ?? "",
    commit: settings["synchronous_commit"] ?? "on",
  });
}

/** @param settings `synchronous_standby_names` and `synchronous_commit`. */
export function replicationFinding(
  { standbys, synchronous }: { readonly standbys: number; readonly synchronous: number },
  settings: { readonly names: string; readonly commit: string },
): Found {
  if (settings.names === "") {
    if (standbys === 0) return ok("no standby follows the server");
    return note(
      `${count(standbys, "standby")} of the server, none of them synchronous: a failover loses the tasks that they lack`,
      "set synchronous_standby_names, if no acknowledged task may be lost",
    );
  }
  if (settings.commit === "off" || settings.commit === "local")
    return warning(
      `synchronous_commit is ${settings.commit}: stores do not wait for the synchronous standby, and a failover loses tasks`,
      "turn synchronous_commit on for the store's user",
    );
  if (synchronous === 0)
    return problem(
      "no synchronous standby is connected: every write waits for one",
      "connect a standby of synchronous_standby_names, or empty that setting",
    );
  return ok("a synchronous standby has every acknowledged task");
}

async function indexes(client: Client, schema: string): Promise<Found | Found[]> {
  const { rows } = await client.query(
    `SELECT c.relname AS name FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
       JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND i.indisvalid`,
    [schema],
  );
  const { exists } = await row<{ exists: boolean }>(
    client,
    "SELECT EXISTS (SELECT FROM pg_tables WHERE schemaname = $1 AND tablename = 'tasks') AS exists",
    [schema],
  );
  // Without tables there are none, and another check says so.
  return exists ? indexFinding(INDEXES, new Set(rows.map(({ name }) => name))) : [];
}

/**
 * Behind a pooler in transaction mode, LISTEN seems to work, but its notifications go to the client
 * that has the server's connection by then.
 */
async function listens(client: Client, other: Client): Promise<Found> {
  const channel = `mcp_tasks_doctor_${randomBytes(8).toString("hex")}`;
  const told = once(client, "notification", { signal: AbortSignal.timeout(LISTEN_MS) }).then(
    () => true,
    () => false,
  );
  await client.query(`LISTEN ${channel}`);
  try {
    await other.query("SELECT pg_notify($1, '')", [channel]);
    if (await told) return ok("LISTEN works, so changes are known at once in every process");
  } finally {
    await client.query(`UNLISTEN ${channel}`);
  }
  return problem(
    "notifications do not arrive: a pooler in transaction mode is between, such as PgBouncer",
    "give stores the database's own address as listenConnectionString; without it they poll",
  );
}

async function clock(client: Client): Promise<Found> {
  const before = Date.now();
  const { now } = await row<{ now: string }>(
    client,
    "SELECT floor(1000 * extract(epoch FROM clock_timestamp())) AS now",
  );
  return clockFinding(Number(now), before, Date.now());
}

async function autovacuum(client: Client, schema: string): Promise<Found | Found[]> {
  const { autovacuum: on, track_counts: counts } = await settingsOf(client, ["autovacuum", "track_counts"]);
  const { rows } = await client.query(
    `SELECT s.relname AS name, s.n_live_tup::float AS live, s.n_dead_tup::float AS dead,
       coalesce(c.reloptions::text ~ 'autovacuum_enabled=(false|off)', false) AS off
       FROM pg_stat_all_tables s JOIN pg_class c ON c.oid = s.relid
       WHERE s.schemaname = $1 AND s.relname IN ('tasks', 'task_messages')`,
    [schema],
  );
  const found: Found[] = [];
  if (on === "off" || counts === "off")
    found.push(problem("autovacuum is off for the whole server", "turn autovacuum and track_counts on"));
  const off = rows.filter((table) => table.off).map(({ name }) => name);
  if (off.length > 0)
    found.push(problem(`autovacuum is off for ${off.join(", ")}`, "ALTER TABLE … RESET (autovacuum_enabled)"));
  // Five times what the tables' own settings let be dead.
  for (const { name, live, dead } of rows.filter((table) => table.dead > 5 * (10_000 + 0.01 * table.live)))
    found.push(
      warning(
        `autovacuum is behind: ${name} has ${count(dead, "dead row")} and ${count(live, "live one")}`,
        "VACUUM the table; then look for long transactions and replication slots, or raise autovacuum_vacuum_cost_limit",
      ),
    );
  return found.length > 0 ? found : ok("autovacuum keeps up");
}

async function transactions(client: Client): Promise<Found> {
  const { age, number } = await row<{ age: number | null; number: number }>(
    client,
    `SELECT (1000 * extract(epoch FROM max(now() - xact_start)))::float AS age, count(*)::int AS number
       FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
         AND xact_start < now() - $1 * interval '1 millisecond'`,
    [OLD_TRANSACTION_MS],
  );
  if (age === null) return ok("no transaction is old");
  return warning(
    `${count(number, "transaction")} of other clients open for long, the oldest for ${durationText(age)}`,
    "end them, and set idle_in_transaction_session_timeout: VACUUM cannot remove what died since they began",
  );
}

async function connections(client: Client): Promise<Found> {
  const { used, most } = await row<{ used: number; most: number }>(
    client,
    `SELECT count(*)::int AS used, current_setting('max_connections')::int AS most
       FROM pg_stat_activity WHERE backend_type = 'client backend'`,
  );
  const message = `${used} of ${most} connections are in use`;
  if (used < 0.9 * most) return ok(message);
  return warning(message, "lower maxConnections of the stores, or raise max_connections");
}

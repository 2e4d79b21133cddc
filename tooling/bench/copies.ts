/**
 * Many tasks at once, in the store's own tables and keys. The store makes one, and the database
 * copies it with other ids, owners, positions and times.
 */
import { ANY_OWNER, type TaskStore } from "@mcp-task-store/core";
import { Redis } from "ioredis";
import { Client } from "pg";
import { REQUEST, RESULT } from "./lives.ts";
import { type Address, openSqlite } from "./places.ts";

export interface Copies {
  readonly total: number;
  /** `null` for tasks without an owner. */
  readonly owner: string | null;
  /** Every copy whose number `each` divides belongs to one of `many` other owners. */
  readonly others?: { readonly each: number; readonly many: number };
  /** They have expired. On Redis only their index entries are left then. */
  readonly expired?: boolean;
}

export type Kind = "waiting" | "completed";

type Shared = Exclude<Address, { store: "memory" }>;

const HOUR = 3_600_000;
/** Copies of one call to Redis. */
const BATCH = 2000;

/**
 * Adds copies of a task that the store makes. They are a millisecond apart, and the task is the
 * last of them.
 *
 * @param store one whose tasks may be claimed at once, for those that wait
 */
export async function addCopies(address: Shared, store: TaskStore, kind: Kind, copies: Copies): Promise<void> {
  const template = await newTemplate(store, kind, copies);
  switch (address.store) {
    case "sqlite":
      return addToSqlite(address, template, copies);
    case "postgres":
      return addToPostgres(address, template, copies);
    case "redis":
      return addToRedis(address, template, copies);
  }
}

async function newTemplate(store: TaskStore, kind: Kind, { owner, expired }: Copies): Promise<string> {
  const whose = owner === null ? {} : { owner: "template" };
  const { taskId } = await store.createTask({ ttl: expired ? HOUR : null }, 1, REQUEST, whose);
  if (kind === "completed")
    await store.finishTask(taskId, { status: "completed", result: RESULT }, { owner: ANY_OWNER });
  return taskId;
}

/** The database learns what it holds now. PostgreSQL's autovacuum would do this within a minute. */
export async function settle(address: Shared): Promise<void> {
  await using cleanUp = new AsyncDisposableStack();
  switch (address.store) {
    case "sqlite": {
      const database = openSqlite(address, cleanUp);
      database.exec("ANALYZE");
      database.pragma("wal_checkpoint(TRUNCATE)");
      return;
    }
    case "postgres": {
      const client = await connected(address.url, cleanUp);
      await client.query(`VACUUM ANALYZE ${address.schema}.tasks`);
      await client.query("CHECKPOINT");
    }
  }
}

/** The columns that all copies share. */
const COPIED = `name, status, ttl, poll_interval, revision, attempt, lease_token, status_message, request, inputs, checkpoint, outcome`;
/** The columns that differ by `earlier`, an expression in SQL. */
const TIMES = "created_at, updated_at, lease_expires_at, expires_at";
const timesOf = (earlier: string, expired = false) =>
  ["created_at", "updated_at", "lease_expires_at", expired ? "created_at" : "expires_at"]
    .map((time) => `${time} - ${earlier}`)
    .join(", ");

function ownerOf(owner: string, { others }: Copies): string {
  if (!others) return owner;
  return `CASE WHEN i % ${others.each} = 0 THEN 'other-' || (i % ${others.many}) ELSE ${owner} END`;
}

async function addToSqlite(address: Address & { store: "sqlite" }, template: string, copies: Copies): Promise<void> {
  await using cleanUp = new AsyncDisposableStack();
  const database = openSqlite(address, cleanUp);
  // The change counter, from which positions come.
  const first = database
    .prepare(
      "SELECT max(ifnull((SELECT max(position) FROM mcp_tasks), 0), ifnull((SELECT max(seq) FROM mcp_changes), 0))",
    )
    .pluck()
    .get() as number;
  database
    .prepare(`WITH RECURSIVE numbers(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM numbers WHERE i < @total)
      INSERT INTO mcp_tasks (position, task_id, owner, ${TIMES}, ${COPIED})
      SELECT @first + i, lower(hex(randomblob(16))), ${ownerOf("@owner", copies)},
        ${timesOf("(@total - i)", copies.expired)}, ${COPIED}
      FROM numbers CROSS JOIN mcp_tasks WHERE task_id = @template`)
    .run({ total: copies.total, first, owner: copies.owner, template });
}

async function addToPostgres(
  { url, schema }: Address & { store: "postgres" },
  template: string,
  copies: Copies,
): Promise<void> {
  await using cleanUp = new AsyncDisposableStack();
  const client = await connected(url, cleanUp);
  const earlier = "($3::integer - i)";
  await client.query(
    `INSERT INTO ${schema}.tasks (task_id, owner, changed_second, ${TIMES}, ${COPIED})
      SELECT replace(gen_random_uuid()::text, '-', ''), ${ownerOf("$2::text", copies)},
        (updated_at - ${earlier}) / 1000, ${timesOf(earlier, copies.expired)}, ${COPIED}
      FROM ${schema}.tasks, generate_series(1, $3::integer) AS numbers (i) WHERE task_id = $1`,
    [template, copies.owner, copies.total],
  );
}

async function connected(url: string, cleanUp: AsyncDisposableStack): Promise<Client> {
  const client = new Client({ connectionString: url });
  await client.connect();
  cleanUp.defer(() => client.end());
  return client;
}

/** See packages/redis/src/commands/insert.lua for the keys. */
const COPY = `local root, total, each, many, expired = ARGV[1], tonumber(ARGV[4]), tonumber(ARGV[6]), tonumber(ARGV[7]), ARGV[8] == '1'
local fields = redis.call('HGETALL', KEYS[1])
local task, state, whose
for i = 1, #fields, 2 do
  if fields[i] == 'task' then task = i + 1
  elseif fields[i] == 'state' then state = i + 1
  elseif fields[i] == 'owner' then whose = i + 1 end
end
local created, fixed, name = string.match(fields[task], '(%S*) (%S* %S*) %S* (.*)')
local status, updated, expires, counts, lease = string.match(fields[state], '(%S*) (%S*) (%S*) (%S* %S* %S*) (%S*)')
for i = tonumber(ARGV[2]), tonumber(ARGV[3]) do
  local function earlier(time) return time ~= '' and string.format('%.0f', time - total + i) or '' end
  local position = string.format('%.0f', redis.call('INCR', root .. 'position'))
  local owner = each > 0 and i % each == 0 and 'other-' .. (i % many) or ARGV[5]
  local id = redis.sha1hex(root .. position)
  if whose then fields[whose] = owner end
  if expired then
    redis.call('ZADD', root .. 'expiring', earlier(created), id .. '\\0' .. name .. (whose and '\\0' .. owner or ''))
  else
    fields[task] = table.concat({ earlier(created), fixed, position, name }, ' ')
    fields[state] = table.concat({ status, earlier(updated), expires, counts, earlier(lease) }, ' ')
    redis.call('HSET', root .. 'task:' .. id, unpack(fields))
  end
  redis.call('ZADD', root .. 'tasks', position, id)
  redis.call('ZADD', root .. (whose and 'owner:' .. owner or 'owner'), position, id)
  if lease ~= '' then redis.call('ZADD', root .. 'claims:' .. name, earlier(lease), id) end
end`;

async function addToRedis(
  { url, prefix }: Address & { store: "redis" },
  template: string,
  { total, owner, others = { each: 0, many: 0 }, expired }: Copies,
): Promise<void> {
  const redis = new Redis(url);
  const root = `{${prefix}}:`;
  const settings = [total, owner ?? "", others.each, others.many, expired ? 1 : 0];
  try {
    for (let first = 1; first <= total; first += BATCH) {
      const last = Math.min(first + BATCH - 1, total);
      await redis.eval(COPY, 1, `${root}task:${template}`, root, first, last, ...settings);
    }
  } finally {
    redis.disconnect();
  }
}

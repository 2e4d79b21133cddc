/**
 * Many finished tasks, in the store's own tables and keys. The store makes one, and the database
 * copies it with other ids, owners and positions.
 */
import { ANY_OWNER, type TaskStore } from "@mcp-task-store/core";
import { Redis } from "ioredis";
import { Client } from "pg";
import { inFlight, REQUEST, RESULT } from "../lives.ts";
import { type Address, openSqlite } from "../places.ts";

/** In any part of the list, every third task belongs to one of 1,000 others. */
const OTHERS = 1000;

/** Adds this many tasks of the owner, and half as many of others between them. */
export async function fill(address: Address, store: TaskStore, owner: string, tasks: number): Promise<void> {
  if (address.store === "memory") return fillOneByOne(store, owner, tasks);
  const template = await finished(store, "template");
  const total = tasks + Math.floor(tasks / 2);
  switch (address.store) {
    case "sqlite":
      return fillSqlite(address, template, owner, total);
    case "postgres":
      return fillPostgres(address, template, owner, total);
    case "redis":
      return fillRedis(address, template, owner, total);
  }
}

async function finished(store: TaskStore, owner: string): Promise<string> {
  const { taskId } = await store.createTask({}, 1, REQUEST, { owner });
  await store.finishTask(taskId, { status: "completed", result: RESULT }, { owner: ANY_OWNER });
  return taskId;
}

async function fillOneByOne(store: TaskStore, owner: string, tasks: number): Promise<void> {
  let index = 0;
  await inFlight(64, tasks + Math.floor(tasks / 2), () => {
    index += 1;
    return finished(store, index % 3 === 0 ? `other-${index % OTHERS}` : owner);
  });
}

/** The columns that all copies share. */
const COPIED = `name, status, created_at, updated_at, ttl, expires_at, poll_interval, revision, attempt, lease_token, lease_expires_at,
  status_message`;

async function fillSqlite(
  address: Address & { store: "sqlite" },
  template: string,
  owner: string,
  total: number,
): Promise<void> {
  await using cleanUp = new AsyncDisposableStack();
  const database = openSqlite(address, cleanUp);
  // The change counter, from which positions come.
  const first = database
    .prepare(
      "SELECT max(ifnull((SELECT max(position) FROM mcp_tasks), 0), ifnull((SELECT max(seq) FROM mcp_changes), 0))",
    )
    .pluck()
    .get() as number;
  const columns = `${COPIED}, request, inputs, checkpoint, outcome`;
  database
    .prepare(`WITH RECURSIVE numbers(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM numbers WHERE i < @total)
      INSERT INTO mcp_tasks (position, task_id, owner, ${columns})
      SELECT @first + i, lower(hex(randomblob(16))),
        CASE WHEN i % 3 = 0 THEN 'other-' || (i % ${OTHERS}) ELSE @owner END, ${columns}
      FROM numbers CROSS JOIN mcp_tasks WHERE task_id = @template`)
    .run({ total, first, owner, template });
  database.exec("ANALYZE");
  database.pragma("wal_checkpoint(TRUNCATE)");
}

async function fillPostgres(
  { url, schema }: Address & { store: "postgres" },
  template: string,
  owner: string,
  total: number,
): Promise<void> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    const columns = `${COPIED}, changed_second, request, inputs, checkpoint, outcome`;
    await client.query(
      `INSERT INTO ${schema}.tasks (task_id, owner, ${columns})
        SELECT replace(gen_random_uuid()::text, '-', ''),
          CASE WHEN i % 3 = 0 THEN 'other-' || (i % ${OTHERS}) ELSE $2 END, ${columns}
        FROM ${schema}.tasks, generate_series(1, $3::integer) AS numbers (i) WHERE task_id = $1 ORDER BY i`,
      [template, owner, total],
    );
    // Autovacuum would do this within a minute.
    await client.query(`VACUUM ANALYZE ${schema}.tasks`);
    await client.query("CHECKPOINT");
  } finally {
    await client.end();
  }
}

const COPY = `local fields = redis.call('HGETALL', KEYS[1])
local at, whose
for i = 1, #fields, 2 do
  if fields[i] == 'task' then at = i + 1 elseif fields[i] == 'owner' then whose = i + 1 end
end
local before, after = string.match(fields[at], '(%S* %S* %S* )%S*( .*)')
for i = tonumber(ARGV[2]), tonumber(ARGV[3]) do
  local position = string.format('%.0f', redis.call('INCR', ARGV[1] .. 'position'))
  local owner = i % 3 == 0 and 'other-' .. (i % ${OTHERS}) or ARGV[4]
  local id = redis.sha1hex(ARGV[4] .. i)
  fields[at], fields[whose] = before .. position .. after, owner
  redis.call('HSET', ARGV[1] .. 'task:' .. id, unpack(fields))
  redis.call('ZADD', ARGV[1] .. 'tasks', position, id)
  redis.call('ZADD', ARGV[1] .. 'owner:' .. owner, position, id)
end`;

async function fillRedis(
  { url, prefix }: Address & { store: "redis" },
  template: string,
  owner: string,
  total: number,
): Promise<void> {
  const redis = new Redis(url);
  const root = `{${prefix}}:`;
  try {
    for (let first = 1; first <= total; first += 2000) {
      const last = Math.min(first + 1999, total);
      await redis.eval(COPY, 1, `${root}task:${template}`, root, first, last, owner);
    }
  } finally {
    redis.disconnect();
  }
}

import type { Task } from "@mcp-task-store/core";
import type { Pool, QueryResult } from "pg";
import { type Life, newTaskId, PROGRESS, REQUEST, RESULT } from "../lives.ts";

// One table: the fields that a requestor sees, the payloads, the id, and an index on creation
// order.
const SCHEMA = `CREATE TABLE IF NOT EXISTS bare_tasks (
  id text PRIMARY KEY,
  position bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
  status text NOT NULL,
  status_message text,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  ttl integer,
  poll_interval integer,
  request text NOT NULL,
  result text
)`;

interface Row {
  status: Task["status"];
  status_message: string | null;
  created_at: Date;
  updated_at: Date;
  ttl: number | null;
  poll_interval: number;
}

const active = "status IN ('working', 'input_required')";
const insert = "INSERT INTO bare_tasks (id, status, ttl, poll_interval, request) VALUES ($1, 'working', $2, 1000, $3)";
const progress = `UPDATE bare_tasks SET status = 'working', status_message = $2, updated_at = now() WHERE id = $1 AND ${active}`;
const complete = `UPDATE bare_tasks SET status = 'completed', result = $2, updated_at = now() WHERE id = $1 AND ${active}`;
const get = "SELECT status, status_message, created_at, updated_at, ttl, poll_interval FROM bare_tasks WHERE id = $1";
const result = "SELECT result FROM bare_tasks WHERE id = $1";

/**
 * The same lifecycle on bare pg: five prepared statements, each one round trip and one transaction.
 */
export async function barePostgres(pool: Pool, ttl: number | null): Promise<Life> {
  await pool.query(SCHEMA);
  const run = (name: string, text: string, ...values: unknown[]): Promise<QueryResult> =>
    pool.query({ name: `bare_${name}`, text, values });
  return {
    async create() {
      const taskId = newTaskId();
      await run("insert", insert, taskId, ttl, JSON.stringify(REQUEST));
      return taskId;
    },
    progress: (taskId) => run("progress", progress, taskId, PROGRESS),
    complete: (taskId) => run("complete", complete, taskId, JSON.stringify(RESULT)),
    async get(taskId) {
      const [row] = (await run("get", get, taskId)).rows as Row[];
      if (!row) return null;
      return {
        taskId,
        status: row.status,
        ttl: row.ttl,
        createdAt: row.created_at.toISOString(),
        lastUpdatedAt: row.updated_at.toISOString(),
        pollInterval: row.poll_interval,
        ...(row.status_message === null ? {} : { statusMessage: row.status_message }),
      };
    },
    async result(taskId) {
      const [row] = (await run("result", result, taskId)).rows as { result: string | null }[];
      return row?.result ? JSON.parse(row.result) : undefined;
    },
  };
}

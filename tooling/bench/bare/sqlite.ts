import type { Task } from "@mcp-task-store/core";
import type Database from "better-sqlite3";
import { type Life, newTaskId, PROGRESS, REQUEST, RESULT } from "../lives.ts";

// One table: the fields that a requestor sees, the payloads, the id, and the rowid for creation
// order, which is free.
const SCHEMA = `CREATE TABLE IF NOT EXISTS bare_tasks (
  position INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  status TEXT NOT NULL,
  status_message TEXT,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL,
  ttl INTEGER,
  poll_interval INTEGER,
  request TEXT NOT NULL,
  result TEXT
)`;

type Row = { status: Task["status"]; message: string | null; created: string; updated: string } & Pick<Task, "ttl"> & {
    poll: number;
  };

/** The same lifecycle on bare better-sqlite3: five prepared statements, each a transaction. */
export function bareSqlite(database: Database.Database, ttl: number | null): Life {
  database.exec(SCHEMA);
  const active = "status IN ('working', 'input_required')";
  const insert = database.prepare(
    `INSERT INTO bare_tasks (id, status, created_at, updated_at, ttl, poll_interval, request)
      VALUES (?, 'working', ?, ?, ?, 1000, ?)`,
  );
  const progress = database.prepare(
    `UPDATE bare_tasks SET status = 'working', status_message = ?, updated_at = ? WHERE id = ? AND ${active}`,
  );
  const complete = database.prepare(
    `UPDATE bare_tasks SET status = 'completed', result = ?, updated_at = ? WHERE id = ? AND ${active}`,
  );
  const get = database.prepare<[string], Row>(
    `SELECT status, status_message AS message, created_at AS created, updated_at AS updated, ttl, poll_interval AS poll
      FROM bare_tasks WHERE id = ?`,
  );
  const result = database.prepare<[string], { result: string | null }>("SELECT result FROM bare_tasks WHERE id = ?");
  const now = () => new Date().toISOString();
  return {
    create() {
      const [taskId, created] = [newTaskId(), now()];
      insert.run(taskId, created, created, ttl, JSON.stringify(REQUEST));
      return taskId;
    },
    progress: (taskId) => progress.run(PROGRESS, now(), taskId),
    complete: (taskId) => complete.run(JSON.stringify(RESULT), now(), taskId),
    get(taskId) {
      const row = get.get(taskId);
      if (!row) return null;
      const { status, message, created, updated, poll } = row;
      return {
        ...{ taskId, status, ttl: row.ttl, createdAt: created, lastUpdatedAt: updated, pollInterval: poll },
        ...(message === null ? {} : { statusMessage: message }),
      };
    },
    result(taskId) {
      const text = result.get(taskId)?.result;
      return text ? JSON.parse(text) : undefined;
    },
  };
}

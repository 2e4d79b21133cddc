import type { PayloadField } from "@mcp-task-store/core/backend";
import { COLUMNS } from "./names.ts";

// date_part, because extract() returns a slow numeric. A double is exact to less than a microsecond
// and keeps the order of times. (Five calls of a lifecycle with extract(): +11 µs on the server.)

/**
 * The start of the transaction, which for a single statement is its arrival. PostgreSQL can look
 * this value up in an index.
 */
export const NOW = "floor(date_part('epoch', now()) * 1000)::bigint";

/** The start of this statement, also after others of its transaction. An index can look it up. */
export const STATEMENT = "floor(date_part('epoch', statement_timestamp()) * 1000)::bigint";

/** The clock at this moment, for statements that may have waited for a lock. */
export const CLOCK = "floor(date_part('epoch', clock_timestamp()) * 1000)::bigint";

/** What every read of a task has. */
export const FIELDS = [
  "taskId",
  "owner",
  "name",
  "status",
  "statusMessage",
  "createdAt",
  "updatedAt",
  "ttl",
  "expiresAt",
  "pollInterval",
  "revision",
  "attempt",
  "leaseToken",
  "leaseExpiresAt",
  "position",
] as const;

/** `SELECT` list of a `StoredTask` from the table of tasks, aliased `t`. */
export function columnsOf(clock: string, payloads: readonly PayloadField[] = []): string {
  const columns = [...FIELDS, ...payloads].map((field) => `t.${COLUMNS[field]} AS "${field}"`);
  return [...columns, `${clock} AS "readAt"`].join(", ");
}

/** The token after a take: see `applyPatch` in core. Twice in a statement, it is the same. */
export const TAKEN_TOKEN = `((t.lease_token + 2097151) / 2097152 + 1) * 2097152 + 1 + 2 * (${STATEMENT} % 1048576)`;

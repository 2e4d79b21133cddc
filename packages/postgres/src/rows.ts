import { createHash } from "node:crypto";
import type { PayloadField } from "@mcp-task-store/core";
import { getTableName, type Table } from "drizzle-orm/table";
import type { Statement } from "./connection.ts";
import type { Schema } from "./schema.ts";

// extract() would be a numeric: 11 µs more of the server's time for the five calls of a lifecycle. A double is exact to less
// than a microsecond, and never rounds one time past a later one.

/** The beginning of the transaction, which for a single statement is when it arrived. It can be looked up in an index. */
export const NOW = "floor(date_part('epoch', now()) * 1000)::bigint";

/** The clock as it stands, for statements that may have waited for a lock. */
export const CLOCK = "floor(date_part('epoch', clock_timestamp()) * 1000)::bigint";

const FIELDS = [
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
export function columnsOf({ tasks }: Schema, clock: string, payloads: readonly PayloadField[] = []): string {
  const columns = [...FIELDS, ...payloads].map((field) => `t.${tasks[field].name} AS "${field}"`);
  return [...columns, `${clock} AS "readAt"`].join(", ");
}

/** The tables' names, qualified and quoted, for the statements. */
export function namesOf(
  schemaName: string,
  { tasks, messages, store, migrations }: Schema,
): Record<keyof Schema, string> {
  const name = (table: Table) => `${quoted(schemaName)}.${getTableName(table)}`;
  return { tasks: name(tasks), messages: name(messages), store: name(store), migrations: name(migrations) };
}

export function quoted(identifier: string): string {
  return `"${identifier.replaceAll('"', '""')}"`;
}

/** A statement that only reads. */
export function read<Parameters extends readonly unknown[], Row>(
  label: string,
  text: string,
): Statement<Parameters, Row> {
  return prepared(label, text, false);
}

/** A statement of which it matters whether it was carried out. */
export function write<Parameters extends readonly unknown[], Row>(
  label: string,
  text: string,
): Statement<Parameters, Row> {
  return prepared(label, text, true);
}

function prepared<Parameters extends readonly unknown[], Row>(
  label: string,
  text: string,
  writes: boolean,
): Statement<Parameters, Row> {
  const hash = createHash("sha256").update(text).digest("hex").slice(0, 16);
  return Object.freeze({ name: `mcp_${label}_${hash}`, text, writes });
}

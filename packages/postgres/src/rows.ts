import { createHash } from "node:crypto";
import type { PayloadField, StoredTask } from "@mcp-task-store/core";
import { getTableName, type Table } from "drizzle-orm/table";
import { getTableColumns } from "drizzle-orm/utils";
import type { Statement } from "./connection.ts";
import type { Schema } from "./schema.ts";

/** A task as it is selected: the row of `tasks` under the names that core uses, with the payloads that were asked for. */
export type TaskRow = Omit<Schema["tasks"]["$inferSelect"], "changedSecond" | PayloadField> &
  Pick<StoredTask, "readAt" | PayloadField>;

/** The beginning of the transaction, which for a single statement is when it arrived. It can be looked up in an index. */
export const NOW = "floor(extract(epoch FROM now()) * 1000)::bigint";

/** The clock as it stands, for statements that may have waited for a lock. */
export const CLOCK = "floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint";

/** Payloads that come with a patch; the request comes with the task. */
export const WRITTEN_LATER = ["inputs", "checkpoint", "outcome"] as const;

/** `SELECT` list of a `TaskRow` from the table of tasks, aliased `t`. */
export function columnsOf({ tasks }: Schema, clock: string, fields: readonly PayloadField[] = []): string {
  const { changedSecond: _, request, inputs, checkpoint, outcome, ...columns } = getTableColumns(tasks);
  const payloads = { request, inputs, checkpoint, outcome };
  return [
    ...Object.entries(columns).map(([key, column]) => `t.${column.name} AS "${key}"`),
    ...fields.map((field) => `t.${payloads[field].name} AS "${field}"`),
    `${clock} AS "readAt"`,
  ].join(", ");
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

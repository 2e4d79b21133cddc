import type { PayloadField, StoredTask } from "@mcp-task-store/core";
import { getTableName } from "drizzle-orm/table";
import { getTableColumns } from "drizzle-orm/utils";
import type { Schema } from "./schema.ts";

/** A task as it is selected: the row of `tasks` under the names that core uses, and maybe payloads. */
export type TaskRow = Omit<Schema["tasks"]["$inferSelect"], PayloadField> & Pick<StoredTask, PayloadField>;

/** `SELECT` list of a `TaskRow` from the table of tasks, aliased `t`. */
export function columnsOf({ tasks, payloads }: Schema, fields: readonly PayloadField[] = []): string {
  const { request: _1, inputs: _2, checkpoint: _3, outcome: _4, ...columns } = getTableColumns(tasks);
  const payload = (field: PayloadField) =>
    `ifnull(t.${field}, (SELECT body FROM ${getTableName(payloads)} WHERE position = t.position AND field = '${field}')) AS ${field}`;
  return [...Object.entries(columns).map(([key, column]) => `t.${column.name} AS ${key}`), ...fields.map(payload)].join(
    ", ",
  );
}

/** The tables' names, for the statements. */
export function namesOf(tables: Schema): Record<keyof Schema, string> {
  const { tasks, payloads, listeners, changes, messages, store, migrations } = tables;
  return {
    tasks: getTableName(tasks),
    payloads: getTableName(payloads),
    listeners: getTableName(listeners),
    changes: getTableName(changes),
    messages: getTableName(messages),
    store: getTableName(store),
    migrations: getTableName(migrations),
  };
}

export function toStored(row: TaskRow, now: number): StoredTask {
  return { ...row, readAt: now };
}

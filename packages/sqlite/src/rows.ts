import type { PayloadField, StoredTask } from "@mcp-task-store/core/backend";
import { COLUMNS, namesOf } from "./names.ts";
import type { Schema } from "./schema.ts";

/** A selected task: the row of `tasks` under core's names, with the requested payloads. */
export type TaskRow = Omit<Schema["tasks"]["$inferSelect"], PayloadField | "placeToken"> &
  Pick<StoredTask, PayloadField>;

const { request: _1, inputs: _2, checkpoint: _3, outcome: _4, history: _5, placeToken: _6, ...READ } = COLUMNS;

/** `SELECT` list of a `TaskRow` from the table of tasks, aliased `t`. */
export function columnsOf(tablePrefix: string, fields: readonly PayloadField[] = []): string {
  const columns = Object.entries(READ).map(([key, column]) => `t.${column} AS ${key}`);
  return [...columns, ...fields.map((field) => `${payloadOf(tablePrefix, field)} AS ${field}`)].join(", ");
}

/** A payload, from the row or the table of payloads. A history is always in the row. */
export function payloadOf(tablePrefix: string, field: PayloadField): string {
  if (field === "history") return "t.history";
  const { payloads } = namesOf(tablePrefix);
  return `ifnull(t.${field}, (SELECT body FROM ${payloads} WHERE position = t.position AND field = '${field}'))`;
}

export function toStored(row: TaskRow, now: number): StoredTask {
  return { ...row, readAt: now };
}

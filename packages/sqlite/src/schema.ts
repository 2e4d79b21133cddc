import type { PayloadField, TaskStatus } from "@mcp-task-store/core";
// Module by module: the whole of drizzle takes half a second to load.
import { sql } from "drizzle-orm/sql";
import { integer } from "drizzle-orm/sqlite-core/columns/integer";
import { text } from "drizzle-orm/sqlite-core/columns/text";
import { index, uniqueIndex } from "drizzle-orm/sqlite-core/indexes";
import { primaryKey } from "drizzle-orm/sqlite-core/primary-keys";
import { sqliteTable } from "drizzle-orm/sqlite-core/table";

/** Prefix of the tables unless a store is given another one. */
export const DEFAULT_NAMESPACE = "mcp_";

/**
 * The tables of a store, as the migrations make them (a test compares the two): for queries of your own with
 * drizzle, and here for names and types. Times are milliseconds since the epoch; texts that hold values are JSON.
 */
export function schema(namespace: string = DEFAULT_NAMESPACE) {
  const tasks = sqliteTable(
    `${namespace}tasks`,
    {
      position: integer("position").primaryKey(),
      taskId: text("task_id").notNull(),
      owner: text("owner"),
      name: text("name").notNull(),
      status: text("status").$type<TaskStatus>().notNull(),
      createdAt: integer("created_at").notNull(),
      updatedAt: integer("updated_at").notNull(),
      ttl: integer("ttl"),
      expiresAt: integer("expires_at"),
      pollInterval: integer("poll_interval"),
      revision: integer("revision").notNull(),
      attempt: integer("attempt").notNull(),
      leaseToken: integer("lease_token").notNull(),
      leaseExpiresAt: integer("lease_expires_at"),
      statusMessage: text("status_message"),
      request: text("request"),
      inputs: text("inputs"),
      checkpoint: text("checkpoint"),
      outcome: text("outcome"),
    },
    (table) => [
      uniqueIndex(`${namespace}tasks_by_id`).on(table.taskId),
      index(`${namespace}tasks_by_owner`).on(table.owner),
      index(`${namespace}tasks_by_expiry`).on(table.expiresAt).where(sql`expires_at IS NOT NULL`),
    ],
  );
  const payloads = sqliteTable(
    `${namespace}payloads`,
    {
      position: integer("position").notNull(),
      field: text("field").$type<PayloadField>().notNull(),
      body: text("body").notNull(),
    },
    (table) => [primaryKey({ columns: [table.position, table.field] })],
  );
  const listeners = sqliteTable(`${namespace}listeners`, {
    id: integer("id").primaryKey(),
    listensUntil: integer("listens_until").notNull(),
  });
  const changes = sqliteTable(`${namespace}changes`, {
    seq: integer("seq").primaryKey(),
    position: integer("position").notNull(),
  });
  const messages = sqliteTable(
    `${namespace}messages`,
    {
      id: integer("id").primaryKey(),
      taskId: text("task_id").notNull(),
      expiresAt: integer("expires_at").notNull(),
      body: text("body").notNull(),
    },
    (table) => [
      index(`${namespace}messages_by_task`).on(table.taskId),
      index(`${namespace}messages_by_expiry`).on(table.expiresAt),
    ],
  );
  const store = sqliteTable(`${namespace}store`, {
    id: integer("id").primaryKey(),
    storeId: text("store_id").notNull(),
  });
  const migrations = sqliteTable(`${namespace}migrations`, {
    version: integer("version").primaryKey(),
    name: text("name").notNull(),
    appliedAt: integer("applied_at").notNull(),
  });
  return { tasks, payloads, listeners, changes, messages, store, migrations };
}

export type Schema = ReturnType<typeof schema>;

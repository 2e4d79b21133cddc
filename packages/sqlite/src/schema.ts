import type { TaskEventKind, TaskStatus } from "@mcp-task-store/core";
import type { PayloadField } from "@mcp-task-store/core/backend";
// Imported module by module, because all of drizzle takes longer to load. The store itself imports
// types of this file only.
import { sql } from "drizzle-orm/sql";
import { integer } from "drizzle-orm/sqlite-core/columns/integer";
import { text } from "drizzle-orm/sqlite-core/columns/text";
import { index, uniqueIndex } from "drizzle-orm/sqlite-core/indexes";
import { primaryKey } from "drizzle-orm/sqlite-core/primary-keys";
import { sqliteTable } from "drizzle-orm/sqlite-core/table";
import { COLUMNS, DEFAULT_TABLE_PREFIX, namesOf } from "./names.ts";

export { DEFAULT_TABLE_PREFIX } from "./names.ts";

/**
 * The tables of a store for drizzle, as the migrations create them. Use it for your own queries.
 * Times are milliseconds since the epoch, and values are JSON texts. (A test compares the schema
 * with the migrations.)
 */
export function schema(tablePrefix: string = DEFAULT_TABLE_PREFIX) {
  const names = namesOf(tablePrefix);
  const tasks = sqliteTable(
    names.tasks,
    {
      position: integer(COLUMNS.position).primaryKey(),
      taskId: text(COLUMNS.taskId).notNull(),
      owner: text(COLUMNS.owner),
      name: text(COLUMNS.name).notNull(),
      status: text(COLUMNS.status).$type<TaskStatus>().notNull(),
      createdAt: integer(COLUMNS.createdAt).notNull(),
      updatedAt: integer(COLUMNS.updatedAt).notNull(),
      ttl: integer(COLUMNS.ttl),
      expiresAt: integer(COLUMNS.expiresAt),
      pollInterval: integer(COLUMNS.pollInterval),
      revision: integer(COLUMNS.revision).notNull(),
      attempt: integer(COLUMNS.attempt).notNull(),
      leaseToken: integer(COLUMNS.leaseToken).notNull(),
      leaseExpiresAt: integer(COLUMNS.leaseExpiresAt),
      statusMessage: text(COLUMNS.statusMessage),
      request: text(COLUMNS.request),
      inputs: text(COLUMNS.inputs),
      checkpoint: text(COLUMNS.checkpoint),
      outcome: text(COLUMNS.outcome),
      history: text(COLUMNS.history),
      placeToken: integer(COLUMNS.placeToken),
    },
    (table) => [
      uniqueIndex(`${names.tasks}_by_id`).on(table.taskId),
      index(`${names.tasks}_by_owner`).on(table.owner),
      index(`${names.tasks}_by_expiry`).on(table.expiresAt).where(sql`expires_at IS NOT NULL`),
    ],
  );
  const payloads = sqliteTable(
    names.payloads,
    {
      position: integer("position").notNull(),
      field: text("field").$type<Exclude<PayloadField, "history"> | `step:${string}`>().notNull(),
      body: text("body").notNull(),
    },
    (table) => [primaryKey({ columns: [table.position, table.field] })],
  );
  const listeners = sqliteTable(names.listeners, {
    id: integer("id").primaryKey(),
    listensUntil: integer("listens_until").notNull(),
    everyChange: integer("every_change").notNull(),
  });
  const changes = sqliteTable(names.changes, {
    seq: integer("seq").primaryKey(),
    position: integer("position").notNull(),
  });
  const messages = sqliteTable(
    names.messages,
    {
      id: integer("id").primaryKey(),
      taskId: text("task_id").notNull(),
      expiresAt: integer("expires_at").notNull(),
      body: text("body").notNull(),
    },
    (table) => [
      index(`${names.messages}_by_task`).on(table.taskId),
      index(`${names.messages}_by_expiry`).on(table.expiresAt),
    ],
  );
  const paused = sqliteTable(names.paused, {
    name: text("name").primaryKey(),
  });
  const turns = sqliteTable(names.turns, {
    name: text("name").primaryKey(),
    owner: text("owner"),
  });
  const notifiers = sqliteTable(names.notifiers, {
    name: text("name").primaryKey(),
    kinds: text("kinds").notNull(),
  });
  const events = sqliteTable(
    names.events,
    {
      seq: integer("seq").primaryKey({ autoIncrement: true }),
      id: text("id").notNull(),
      notifier: text("notifier").notNull(),
      kind: text("kind").$type<TaskEventKind>().notNull(),
      at: integer("at").notNull(),
      dueAt: integer("due_at"),
      token: integer("token").notNull(),
      attempt: integer("attempt").notNull(),
      revision: integer("revision").notNull(),
      setAside: integer("set_aside").notNull(),
      taskId: text("task_id").notNull(),
      owner: text("owner"),
      name: text("name").notNull(),
      status: text("status").$type<TaskStatus>().notNull(),
      statusMessage: text("status_message"),
      error: text("error"),
    },
    (table) => [
      index(`${names.events}_due`).on(table.notifier, table.dueAt).where(sql`due_at IS NOT NULL`),
      index(`${names.events}_by_task`).on(table.notifier, table.taskId),
    ],
  );
  const store = sqliteTable(names.store, {
    id: integer("id").primaryKey(),
    storeId: text("store_id").notNull(),
  });
  const migrations = sqliteTable(names.migrations, {
    version: integer("version").primaryKey(),
    name: text("name").notNull(),
    appliedAt: integer("applied_at").notNull(),
  });
  return { tasks, payloads, listeners, changes, messages, paused, turns, notifiers, events, store, migrations };
}

export type Schema = ReturnType<typeof schema>;

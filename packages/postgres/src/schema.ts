import type { TaskEventKind, TaskStatus } from "@mcp-task-store/core";
// Imported module by module, because all of drizzle takes longer to load. The store itself does not
// import this file.
import { bigint } from "drizzle-orm/pg-core/columns/bigint";
import { boolean } from "drizzle-orm/pg-core/columns/boolean";
import { doublePrecision } from "drizzle-orm/pg-core/columns/double-precision";
import { integer } from "drizzle-orm/pg-core/columns/integer";
import { text } from "drizzle-orm/pg-core/columns/text";
import { timestamp } from "drizzle-orm/pg-core/columns/timestamp";
import { index, uniqueIndex } from "drizzle-orm/pg-core/indexes";
import { primaryKey } from "drizzle-orm/pg-core/primary-keys";
import { pgSchema } from "drizzle-orm/pg-core/schema";
import { pgTable } from "drizzle-orm/pg-core/table";
import { sql } from "drizzle-orm/sql";
import { COLUMNS, DEFAULT_SCHEMA, TABLES } from "./names.ts";

const time = (name: string) => bigint(name, { mode: "number" });

export { DEFAULT_SCHEMA } from "./names.ts";

/**
 * The tables of a store for drizzle, as the migrations create them. Use it for your own queries.
 * Times are milliseconds since the epoch, and values are JSON texts. (A test compares the schema
 * with the migrations.)
 */
export function schema(name: string = DEFAULT_SCHEMA) {
  // drizzle has no pgSchema("public").
  const table: typeof pgTable = name === "public" ? pgTable : (pgSchema(name).table as unknown as typeof pgTable);
  const tasks = table(
    TABLES.tasks,
    {
      position: time(COLUMNS.position).primaryKey().generatedByDefaultAsIdentity(),
      createdAt: time(COLUMNS.createdAt).notNull(),
      updatedAt: time(COLUMNS.updatedAt).notNull(),
      changedSecond: time(COLUMNS.changedSecond).notNull(),
      ttl: time(COLUMNS.ttl),
      expiresAt: time(COLUMNS.expiresAt),
      leaseExpiresAt: time(COLUMNS.leaseExpiresAt),
      leaseToken: time(COLUMNS.leaseToken).notNull(),
      pollInterval: doublePrecision(COLUMNS.pollInterval),
      revision: integer(COLUMNS.revision).notNull(),
      attempt: integer(COLUMNS.attempt).notNull(),
      taskId: text(COLUMNS.taskId).notNull(),
      owner: text(COLUMNS.owner),
      name: text(COLUMNS.name).notNull(),
      status: text(COLUMNS.status).$type<TaskStatus>().notNull(),
      statusMessage: text(COLUMNS.statusMessage),
      request: text(COLUMNS.request).notNull(),
      inputs: text(COLUMNS.inputs),
      checkpoint: text(COLUMNS.checkpoint),
      outcome: text(COLUMNS.outcome),
      history: text(COLUMNS.history),
      placeToken: time(COLUMNS.placeToken),
    },
    (columns) => [
      uniqueIndex("tasks_by_id").on(columns.taskId),
      index("tasks_by_owner").on(columns.owner, columns.position),
      index("tasks_by_change").on(columns.changedSecond),
      index("tasks_by_expiry").on(columns.expiresAt).where(sql`expires_at IS NOT NULL`),
      index("tasks_by_lease").on(columns.name, columns.leaseExpiresAt).where(sql`lease_expires_at IS NOT NULL`),
      index("tasks_failed").on(columns.position).where(sql`status = 'failed'::text`),
      index("tasks_active").on(columns.owner, columns.expiresAt).where(sql`lease_expires_at IS NOT NULL`),
    ],
  );
  const messages = table(
    TABLES.messages,
    {
      id: time("id").primaryKey().generatedByDefaultAsIdentity(),
      expiresAt: time("expires_at").notNull(),
      taskId: text("task_id").notNull(),
      body: text("body").notNull(),
    },
    (columns) => [
      index("task_messages_by_task").on(columns.taskId, columns.id),
      index("task_messages_by_expiry").on(columns.expiresAt),
    ],
  );
  const store = table(TABLES.store, {
    id: integer("id").primaryKey(),
    storeId: text("store_id").notNull(),
  });
  const pauses = table(TABLES.pauses, {
    name: text("name").primaryKey(),
  });
  const steps = table(
    TABLES.steps,
    {
      position: time("position").notNull(),
      name: text("name").notNull(),
      body: text("body").notNull(),
    },
    (columns) => [primaryKey({ columns: [columns.position, columns.name] })],
  );
  const turns = table(TABLES.turns, {
    name: text("name").primaryKey(),
    owner: text("owner"),
  });
  const notifiers = table(TABLES.notifiers, {
    name: text("name").primaryKey(),
    kinds: text("kinds").array().notNull(),
  });
  const events = table(
    TABLES.events,
    {
      seq: time("seq").primaryKey().generatedByDefaultAsIdentity(),
      dueAt: time("due_at"),
      at: time("at").notNull(),
      token: time("token").notNull().default(0),
      attempt: integer("attempt").notNull().default(0),
      revision: integer("revision").notNull(),
      setAside: boolean("set_aside").notNull().default(false),
      id: text("id").notNull().default(sql`gen_random_uuid()::text`),
      notifier: text("notifier").notNull(),
      kind: text("kind").$type<TaskEventKind>().notNull(),
      taskId: text("task_id").notNull(),
      owner: text("owner"),
      name: text("name").notNull(),
      status: text("status").$type<TaskStatus>().notNull(),
      statusMessage: text("status_message"),
      error: text("error"),
    },
    (columns) => [
      index("task_events_due").on(columns.notifier, columns.dueAt, columns.seq).where(sql`due_at IS NOT NULL`),
      index("task_events_by_task").on(columns.notifier, columns.taskId, columns.seq),
      index("task_events_set_aside").on(columns.notifier, columns.seq).where(sql`set_aside IS TRUE`),
    ],
  );
  const migrations = table(TABLES.migrations, {
    version: integer("version").primaryKey(),
    name: text("name").notNull(),
    appliedAt: timestamp("applied_at", { withTimezone: true }).notNull().defaultNow(),
  });
  return { tasks, messages, store, pauses, steps, turns, notifiers, events, migrations };
}

export type Schema = ReturnType<typeof schema>;

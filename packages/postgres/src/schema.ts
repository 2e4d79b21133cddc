import type { TaskStatus } from "@mcp-task-store/core";
// Module by module: the whole of drizzle takes half a second to load.
import { bigint } from "drizzle-orm/pg-core/columns/bigint";
import { doublePrecision } from "drizzle-orm/pg-core/columns/double-precision";
import { integer } from "drizzle-orm/pg-core/columns/integer";
import { text } from "drizzle-orm/pg-core/columns/text";
import { timestamp } from "drizzle-orm/pg-core/columns/timestamp";
import { index, uniqueIndex } from "drizzle-orm/pg-core/indexes";
import { pgSchema } from "drizzle-orm/pg-core/schema";
import { pgTable } from "drizzle-orm/pg-core/table";
import { sql } from "drizzle-orm/sql";

/** The database schema unless a store is given another one. */
export const DEFAULT_SCHEMA = "mcp_tasks";

const time = (name: string) => bigint(name, { mode: "number" });

/**
 * The tables of a store, as the migrations make them (a test compares the two): for queries of your own with
 * drizzle, and here for names and types. Times are milliseconds since the epoch; texts that hold values are JSON.
 */
export function schema(name: string = DEFAULT_SCHEMA) {
  // drizzle has no pgSchema("public").
  const table: typeof pgTable = name === "public" ? pgTable : (pgSchema(name).table as unknown as typeof pgTable);
  const tasks = table(
    "tasks",
    {
      position: time("position").primaryKey().generatedByDefaultAsIdentity(),
      createdAt: time("created_at").notNull(),
      updatedAt: time("updated_at").notNull(),
      changedSecond: time("changed_second").notNull(),
      ttl: time("ttl"),
      expiresAt: time("expires_at"),
      leaseExpiresAt: time("lease_expires_at"),
      leaseToken: time("lease_token").notNull(),
      pollInterval: doublePrecision("poll_interval"),
      revision: integer("revision").notNull(),
      attempt: integer("attempt").notNull(),
      taskId: text("task_id").notNull(),
      owner: text("owner"),
      name: text("name").notNull(),
      status: text("status").$type<TaskStatus>().notNull(),
      statusMessage: text("status_message"),
      request: text("request").notNull(),
      inputs: text("inputs"),
      checkpoint: text("checkpoint"),
      outcome: text("outcome"),
    },
    (columns) => [
      uniqueIndex("tasks_by_id").on(columns.taskId),
      index("tasks_by_owner").on(columns.owner, columns.position),
      index("tasks_by_change").on(columns.changedSecond),
      index("tasks_by_expiry").on(columns.expiresAt).where(sql`expires_at IS NOT NULL`),
      index("tasks_by_lease").on(columns.name, columns.leaseExpiresAt).where(sql`lease_expires_at IS NOT NULL`),
      index("tasks_active").on(columns.owner, columns.expiresAt).where(sql`lease_expires_at IS NOT NULL`),
    ],
  );
  const messages = table(
    "task_messages",
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
  const store = table("task_store", {
    id: integer("id").primaryKey(),
    storeId: text("store_id").notNull(),
  });
  const migrations = table("task_store_migrations", {
    version: integer("version").primaryKey(),
    name: text("name").notNull(),
    appliedAt: timestamp("applied_at", { withTimezone: true }).notNull().defaultNow(),
  });
  return { tasks, messages, store, migrations };
}

export type Schema = ReturnType<typeof schema>;

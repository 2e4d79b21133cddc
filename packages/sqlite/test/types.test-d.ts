// What applications pass to the store, with the types of the real drivers.
import { DatabaseSync } from "node:sqlite";
import {
  migrate,
  type SqliteDatabase,
  SqliteTaskStore,
  type Task,
  type TransactionalWrites,
} from "@mcp-task-store/sqlite";
import Database from "better-sqlite3";
import { drizzle } from "drizzle-orm/better-sqlite3";

const database = new Database(":memory:");
const store = new SqliteTaskStore({ database });
new SqliteTaskStore({ database: new DatabaseSync(":memory:") });
new SqliteTaskStore({ path: "tasks.db", driver: "bun:sqlite" });
migrate(new DatabaseSync(":memory:"), { tablePrefix: "other_" });

// @ts-expect-error This driver is not known.
new SqliteTaskStore({ path: "tasks.db", driver: "sqlite3" });
// @ts-expect-error A path is not a database.
new SqliteTaskStore({ database: "tasks.db" });
// @ts-expect-error The class is not a database.
new SqliteTaskStore({ database: Database });

const given: SqliteDatabase = drizzle({ client: database }).$client;
const writes: TransactionalWrites<Task> = store.in(given);
const task: Task = writes.createTask({ name: "ship", arguments: { order: 7 } });
const id: string = database.transaction(() => store.in(database).createTask({ name: "ship" }).taskId)();
// @ts-expect-error A task needs a tool or a method.
writes.createTask({ arguments: {} });

export { id, task };

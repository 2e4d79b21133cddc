export * from "@mcp-task-store/core";
export { SqliteBackend } from "./backend.ts";
export type {
  BetterSqlite3Database,
  BunSqliteDatabase,
  NodeSqliteDatabase,
  SqliteDatabase,
  SqliteDriver,
} from "./driver.ts";
export { type MigrateOptions, migrate, SCHEMA_VERSION } from "./migrate.ts";
export type { SqliteOptions } from "./options.ts";
export { SqliteTaskStore, type SqliteTaskStoreOptions } from "./task-store.ts";

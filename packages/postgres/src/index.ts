export * from "@mcp-task-store/core";
export { PostgresBackend } from "./backend.ts";
export type { PgClient, PgPool, PgQuery, TransactionClient } from "./driver.ts";
export { type MigrateOptions, migrate, SCHEMA_VERSION } from "./migrate.ts";
export type { PostgresOptions } from "./options.ts";
export { type PGliteDatabase, pglitePool } from "./pglite.ts";
export { PostgresTaskStore, type PostgresTaskStoreOptions } from "./task-store.ts";

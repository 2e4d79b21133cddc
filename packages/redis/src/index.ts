export * from "@mcp-task-store/core";
export { RedisBackend } from "./backend.ts";
export type { RedisClient } from "./driver.ts";
export type { RedisOptions } from "./options.ts";
export { RedisTaskStore, type RedisTaskStoreOptions } from "./task-store.ts";

export * from "@mcp-task-store/core";
export { MemoryBackend } from "./backend.ts";
export type { MemoryOptions } from "./options.ts";
export { type Clock, MemoryStorage } from "./storage.ts";
export { MemoryTaskStore, type MemoryTaskStoreOptions } from "./task-store.ts";

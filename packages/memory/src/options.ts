import { checks, type OptionTable } from "@mcp-task-store/core/backend";
import type { Clock, MemoryStorage } from "./storage.ts";

/** Where the tasks are. */
export interface MemoryOptions {
  /**
   * The storage of the tasks. Stores of this process with the same storage share their tasks. By
   * default the store has its own storage.
   */
  storage?: MemoryStorage | undefined;
  /**
   * The clock of expiry and leases, in milliseconds since the epoch. Refused beside `storage`,
   * which has its own.
   * @default Date
   */
  clock?: Clock | undefined;
}

export const MEMORY_OPTIONS: OptionTable<MemoryOptions> = {
  storage: (value) => (typeof (value as MemoryStorage | null)?.storeId === "string" ? undefined : "a MemoryStorage"),
  clock: checks.clock,
};

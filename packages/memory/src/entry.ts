import type { StoredTask } from "@mcp-task-store/core/backend";

/** A task's place in the indexes. Each change replaces the record in it. */
export interface Entry {
  readonly position: number;
  task: StoredTask;
  /** The bodies of the task's steps, by name. */
  steps?: Map<string, string>;
}

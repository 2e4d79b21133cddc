import type { TaskStore, TaskStoreOptions } from "@mcp-task-store/core";
import { openStore } from "./harness.ts";
import { mutants } from "./index.ts";

/** Opens a mutant's store in the suite's other processes. */
export function open({ mutant, file }: { mutant?: string; file: string }, options: TaskStoreOptions): TaskStore {
  return openStore(
    mutants.find(({ id }) => id === mutant),
    file,
    options,
  );
}

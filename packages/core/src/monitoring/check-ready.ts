import { checkStore } from "../contract/call-options.ts";
import { asStoreError, TaskStoreError } from "../contract/errors.ts";
import { checkOptions, checks, type OptionTable } from "../contract/option-checks.ts";
import type { TaskStore } from "../contract/task-store.ts";
import { clearTimeout, now, setTimeout } from "../process/real-time.ts";

export interface CheckReadyOptions {
  /**
   * Milliseconds to wait for the store.
   * @default 5_000
   */
  timeoutMs?: number | undefined;
}

export type Readiness =
  /** `ms` is how long the read took. */
  { ready: true; ms: number } | { ready: false; ms: number; error: TaskStoreError };

const OPTIONS: OptionTable<CheckReadyOptions> = { timeoutMs: checks.milliseconds(1) };

/** An id that no task has: `generateTaskId` makes longer ones. */
const NO_TASK = "-";

/**
 * Opens the store and reads from its database, one task that does not exist. Resolves in any case,
 * at the latest after `timeoutMs`. For the health check of a load balancer or an orchestrator.
 * @throws TaskStoreError `INVALID_ARGUMENT`
 * @example
 * const { ready } = await checkReady(store, { timeoutMs: 1000 });
 * response.writeHead(ready ? 200 : 503).end();
 */
export async function checkReady(store: TaskStore, options: CheckReadyOptions = {}): Promise<Readiness> {
  checkStore("checkReady", store);
  checkOptions("checkReady", options, OPTIONS);
  const { timeoutMs = 5000 } = options;
  const startedAt = now();
  const took = () => Math.round(now() - startedAt);
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    const error = () =>
      new TaskStoreError("BACKEND_UNAVAILABLE", `The task store did not answer within ${timeoutMs} ms`, {
        write: "not-applied",
      });
    timer = setTimeout(() => reject(error()), timeoutMs);
  });
  try {
    await Promise.race([store.operations.getRecord(NO_TASK), late]);
    return { ready: true, ms: took() };
  } catch (error) {
    return { ready: false, ms: took(), error: asStoreError(error) };
  } finally {
    clearTimeout(timer);
  }
}

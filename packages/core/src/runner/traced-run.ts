import { isFirstTake } from "../contract/lease-token.ts";
import type { LeasedTask } from "../contract/leased-task.ts";
import type { TaskRecord } from "../contract/record.ts";
import { isTraced, type TraceMessage, traced } from "../process/tracing.ts";
import type { RunOutcome } from "./run-options.ts";

/** Makes the run, and publishes its start and its end if anybody listens. */
export function tracedRun(leased: LeasedTask, record: TaskRecord, run: () => Promise<RunOutcome>): Promise<RunOutcome> {
  return isTraced("run") ? published(leased, record, run) : run();
}

async function published(
  leased: LeasedTask,
  { name, request }: TaskRecord,
  run: () => Promise<RunOutcome>,
): Promise<RunOutcome> {
  const { taskId, lease } = leased;
  // A failure of the store costs the trace a link, and the task nothing.
  const formerTrace = isFirstTake(lease.token) ? undefined : await leased.formerTrace().catch(() => undefined);
  const { attempt } = lease;
  const message: TraceMessage = { operation: "run", method: "run", taskId, name, attempt, request, formerTrace };
  return traced(message, () => {
    const { traceparent } = message;
    if (traceparent !== undefined) void leased.renew(traceparent).catch(() => undefined);
    return run();
  });
}

import { inSteps } from "../../backend/in-steps.ts";
import { invalid, isTaskStoreError } from "../../contract/errors.ts";
import type { CopyOptions, CopyOutcome, ExportedTask } from "../../contract/operations.ts";
import { checkOptions, checks, type OptionTable } from "../../contract/option-checks.ts";
import { ANY_OWNER } from "../../contract/owner.ts";
import type { Lease } from "../../contract/record.ts";
import { isTerminal } from "../../contract/task.ts";
import type { TaskStore } from "../../contract/task-store.ts";

const COPY_OPTIONS: OptionTable<CopyOptions> = {
  where: checks.anything,
  active: checks.oneOf("leave", "move"),
  follow: checks.flag,
  pollMs: checks.milliseconds(1),
  signal: checks.signal,
  onProgress: checks.callable,
};

/**
 * How long the copy holds an active task while it moves. A copy that died has to be begun again by
 * then.
 */
const MOVING_MS = 3_600_000;
/** Most runners from which the copy takes one task. Each began the task anew. */
const MOST_TRIES = 10;

/**
 * Copies tasks from one store to another, of any kind, while both are in use. It may be interrupted
 * and begun again: a task that is there already stays as it is.
 * @throws TaskStoreError `INVALID_ARGUMENT`, and what the two stores throw
 * @example
 * const outcome = await copyTasks(oldStore, newStore, { active: "move" });
 */
export async function copyTasks(from: TaskStore, to: TaskStore, options: CopyOptions = {}): Promise<CopyOutcome> {
  checkOptions("copyTasks", options, COPY_OPTIONS);
  return inSteps((wrote) => copyInSteps(from, to, options, wrote));
}

async function copyInSteps(
  from: TaskStore,
  to: TaskStore,
  options: CopyOptions,
  wrote: () => void,
): Promise<CopyOutcome> {
  const { where, active = "leave", follow, pollMs, signal, onProgress } = options;
  const outcome: CopyOutcome = { copied: 0, existing: 0, moved: 0, left: 0 };
  for await (const task of from.operations.exportTasks({ where, follow, pollMs, signal })) {
    if (isTerminal(task.status)) {
      const { imported } = await to.operations.importTasks([task]);
      outcome[imported === 1 ? "copied" : "existing"] += 1;
      if (imported === 1) wrote();
    } else if (active === "leave") outcome.left += 1;
    else outcome[(await move(from, to, task.taskId, wrote)) ? "moved" : "left"] += 1;
    onProgress?.({ ...outcome });
  }
  return outcome;
}

/**
 * Moves an active task. From its lease on, no runner of the first store has the task. It is
 * cancelled there once the second store has it.
 */
async function move(from: TaskStore, to: TaskStore, taskId: string, wrote: () => void): Promise<boolean> {
  const lease = await hold(from, taskId, wrote);
  if (!lease) return false;
  try {
    if (!(await carry(from, to, taskId))) return false;
  } catch (error) {
    // Without the task in the second store, runners of the first one go on with it. If the second
    // store may have it, the copy holds it until it is begun again.
    if (!isTaskStoreError(error) || error.write !== "unknown") await from.releaseLease(lease).catch(() => undefined);
    throw error;
  }
  const error = { code: -32000, message: "The task was moved to another store" };
  const outcome = { status: "failed", error, statusMessage: error.message } as const;
  try {
    await from.finishTask(taskId, outcome, { lease, owner: ANY_OWNER });
  } catch (error) {
    if (!isTaskStoreError(error, "TASK_TERMINAL")) throw error;
    // The requestor has cancelled the task meanwhile.
    await to.operations.cancelTasks({ id: taskId });
  }
  return true;
}

/** Writes the task to the second store. Returns false if the first store has lost it. */
async function carry(from: TaskStore, to: TaskStore, taskId: string): Promise<boolean> {
  for await (const task of from.operations.exportTasks({ where: { id: taskId } })) {
    const { imported } = await to.operations.importTasks([released(task)]);
    if (imported === 0) await refuseSame(to, task);
    return true;
  }
  return false;
}

/** @throws `INVALID_ARGUMENT` if the second store has the lease by which the copy holds the task */
async function refuseSame(to: TaskStore, held: ExportedTask): Promise<void> {
  for await (const { leaseToken, leaseExpiresAt } of to.operations.exportTasks({ where: { id: held.taskId } }))
    if (leaseToken === held.leaseToken && leaseExpiresAt === held.leaseExpiresAt)
      throw invalid("copyTasks needs two stores, and these two have the same tasks", held.taskId);
}

async function hold(from: TaskStore, taskId: string, wrote: () => void): Promise<Lease | undefined> {
  for (let tries = 1; tries <= MOST_TRIES; tries += 1) {
    try {
      await from.operations.requeueTask(taskId);
      wrote();
      return await from.acquireLease(taskId, { owner: ANY_OWNER, leaseMs: MOVING_MS, holder: { worker: "copy" } });
    } catch (error) {
      if (isTaskStoreError(error, "TASK_TERMINAL") || isTaskStoreError(error, "TASK_NOT_FOUND")) return undefined;
      // A worker was quicker: its lease ends, too.
      if (!isTaskStoreError(error, "LEASE_HELD")) throw error;
    }
  }
  return undefined;
}

/** The task without the lease of the copy, so that any worker of the other store may take it. */
function released(task: ExportedTask): ExportedTask {
  // A time that has passed by every clock.
  const leaseExpiresAt = task.updatedAt;
  return { ...task, attempt: Math.max(0, task.attempt - 1), leaseToken: task.leaseToken + 1, leaseExpiresAt };
}

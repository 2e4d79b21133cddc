import { isTaskStoreError, type TaskStoreError } from "./errors.ts";
import type { ReleaseOptions, WaitOptions, WriteOptions } from "./options.ts";
import { ANY_OWNER } from "./owner.ts";
import type {
  InputRequest,
  Lease,
  RecordField,
  TaskChange,
  TaskOutcome,
  TaskRecordWith,
  TaskSnapshot,
  TaskSteps,
} from "./record.ts";
import type { RunnerStore } from "./task-store.ts";

export const NO_STEPS: TaskSteps = { results: new Map(), failures: 0 };

/**
 * A task under a lease, for the holder of the lease. Every call may see any owner's task, and every
 * write is fenced by the lease.
 */
export class LeasedTask {
  readonly taskId: string;
  readonly lease: Lease;
  readonly #store: RunnerStore;
  readonly #fence: WriteOptions;

  constructor(store: RunnerStore, lease: Lease) {
    this.taskId = lease.taskId;
    this.lease = lease;
    this.#store = store;
    this.#fence = { owner: ANY_OWNER, lease };
  }

  read<Field extends RecordField = RecordField>(fields?: readonly Field[]): Promise<TaskRecordWith<Field> | null> {
    return this.#store.getRecord(this.taskId, { owner: ANY_OWNER, fields });
  }

  update(change: TaskChange): Promise<TaskSnapshot> {
    return this.#store.updateTask(this.taskId, change, this.#fence);
  }

  finish(outcome: TaskOutcome): Promise<TaskSnapshot> {
    return this.#store.finishTask(this.taskId, outcome, this.#fence);
  }

  requestInputs(requests: Record<string, InputRequest>): Promise<TaskSnapshot> {
    return this.#store.requestInputs(this.taskId, requests, this.#fence);
  }

  /** Stores answers. This write is not fenced, because any process may answer. */
  provideInputs(responses: Record<string, unknown>): Promise<string[]> {
    return this.#store.provideInputs(this.taskId, responses, { owner: ANY_OWNER });
  }

  /** Waits for an answer. Does not keep the process alive, because the holder of the lease does. */
  awaitInput(key: string, options: Omit<WaitOptions, "owner" | "keepAlive">): Promise<unknown> {
    return this.#store.awaitInput(this.taskId, key, { ...options, owner: ANY_OWNER, keepAlive: false });
  }

  /** Waits until the task is terminal. Does not keep the process alive. */
  untilEnded(signal: AbortSignal): Promise<TaskSnapshot> {
    return this.#store.waitForTask(this.taskId, { owner: ANY_OWNER, signal, keepAlive: false });
  }

  /** @param traceparent The run's span, for the runs after it. */
  renew(traceparent?: string): Promise<void> {
    return traceparent === undefined
      ? this.#store.renewLease(this.lease)
      : this.#store.renewLease(this.lease, { traceparent });
  }

  /** The span of the last run before this one that was traced. */
  async formerTrace(): Promise<string | undefined> {
    const record = await this.#store.operations?.getRecord(this.taskId, { fields: [] });
    const traced = record?.history.findLast(({ event }) => event === "traced");
    return traced?.event === "traced" ? traced.traceparent : undefined;
  }

  release(options: ReleaseOptions = {}): Promise<void> {
    return this.#store.releaseLease(this.lease, options);
  }

  /** What the runs before this one have kept. A store that keeps no steps has none. */
  async steps(): Promise<TaskSteps> {
    try {
      return await this.#store.readSteps(this.taskId, { owner: ANY_OWNER });
    } catch (error) {
      if (isTaskStoreError(error, "NOT_SUPPORTED")) return NO_STEPS;
      throw error;
    }
  }
}

const OVER: ReadonlySet<string> = new Set([
  "LEASE_LOST",
  "LEASE_HELD",
  "TASK_TERMINAL",
  "TASK_NOT_FOUND",
  "TASK_EXPIRED",
  "STORE_CLOSED",
]);

/** Whether the error says that the task is no longer the holder's. */
export function isOver(error: unknown): error is TaskStoreError {
  return isTaskStoreError(error) && OVER.has(error.code);
}

/** Whether the store refused the written value itself, so that it would refuse a second attempt. */
export function isUnstorable(error: unknown): error is TaskStoreError {
  return isTaskStoreError(error, "INVALID_ARGUMENT") || isTaskStoreError(error, "PAYLOAD_TOO_LARGE");
}

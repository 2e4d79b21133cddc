import { createHash } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import {
  ANY_OWNER,
  type InputRequest,
  type Lease,
  type TaskOutcome,
  type TaskRecord,
  type TaskStore,
} from "./contract.ts";
import { expired, invalid, isTaskStoreError, leaseLost, type TaskStoreError } from "./errors.ts";
import type {
  CreateMessageResult,
  ElicitResult,
  InputOptions,
  RunOutcome,
  RunTaskOptions,
  TaskContext,
  TaskHandler,
} from "./run-task.ts";
import type { ErrorObject, Result, TaskStatus } from "./task.ts";

/** JSON-RPC's code for what went wrong inside. @see JSON-RPC 2.0, section 5.1 */
const INTERNAL_ERROR = -32603;
/** First pause before an outcome is written again, in ms; it doubles up to the limit. */
const RETRY_MS = 50;
const MAX_RETRY_MS = 2000;

/** The error as JSON-RPC says it: its own integer `code`, or "internal error". Whatever was thrown, this does not throw. */
function errorObjectOf(error: unknown): ErrorObject {
  try {
    const { code, data } = (typeof error === "object" && error !== null ? error : {}) as {
      code?: unknown;
      data?: unknown;
    };
    const message = error instanceof Error ? error.message : String(error);
    return {
      code: Number.isSafeInteger(code) ? (code as number) : INTERNAL_ERROR,
      message,
      ...(data === undefined ? {} : { data }),
    };
  } catch {
    return { code: INTERNAL_ERROR, message: "The handler threw what cannot be shown" };
  }
}

/** A failure that says why in its message, too. @see MCP 2025-11-25, Tasks, "Task Status"; SEP-2663, "Task Status" */
export function failure(error: ErrorObject): TaskOutcome {
  return { status: "failed", error, statusMessage: error.message };
}

/** The task is not this run's any more, whatever it does. */
function isOver(error: unknown): error is TaskStoreError {
  return (
    isTaskStoreError(error) &&
    ["LEASE_LOST", "TASK_TERMINAL", "TASK_NOT_FOUND", "TASK_EXPIRED", "STORE_CLOSED"].includes(error.code)
  );
}

/** One run of one task by one runner. */
export class Run {
  readonly #store: TaskStore;
  readonly #lease: Lease;
  readonly #record: TaskRecord;
  readonly #heartbeatMs: number;
  readonly #options: RunTaskOptions;
  /** Aborts the handler. */
  readonly #abort = new AbortController();
  /** Ends what accompanies the handler. */
  readonly #done = new AbortController();
  readonly #asked = new Map<string, number>();
  /** The present write of an outcome, if there is one: the deadline and the handler may both have one. */
  #finishing: Promise<RunOutcome> | undefined;
  #renewedAt = performance.now();
  /** The task is not this run's any more. */
  #lost = false;
  #status: TaskStatus;

  constructor(store: TaskStore, lease: Lease, record: TaskRecord, heartbeatMs: number, options: RunTaskOptions) {
    this.#store = store;
    this.#lease = lease;
    this.#record = record;
    this.#heartbeatMs = heartbeatMs;
    this.#options = options;
    this.#status = record.task.status;
  }

  async run(handler: TaskHandler): Promise<RunOutcome> {
    const { signal, timeoutMs } = this.#options;
    const stop = () => this.#abort.abort(signal?.reason);
    if (signal?.aborted) stop();
    signal?.addEventListener("abort", stop, { signal: this.#done.signal });
    const heartbeat = setInterval(() => void this.#heartbeat(), this.#heartbeatMs).unref();
    const deadline =
      timeoutMs === undefined ? undefined : setTimeout(() => this.#timeOut(timeoutMs), timeoutMs).unref();
    void this.#watch();
    try {
      const result = await handler(this.#context());
      return { ...(await this.#finish(resultOutcome(result))), result };
    } catch (error) {
      return { ...(await this.#finish(failure(errorObjectOf(error)))), error };
    } finally {
      clearInterval(heartbeat);
      clearTimeout(deadline);
      this.#done.abort();
    }
  }

  #context(): TaskContext {
    const { task, request, context, checkpoint } = this.#record;
    return {
      taskId: task.taskId,
      request,
      context,
      attempt: this.#lease.attempt,
      checkpoint,
      signal: this.#abort.signal,
      progress: (message, saved) => this.#progress(message, saved),
      elicit: (params, options) => this.#ask<ElicitResult>({ method: "elicitation/create", params }, options),
      sample: (params, options) =>
        this.#ask<CreateMessageResult>({ method: "sampling/createMessage", params }, options),
    };
  }

  async #progress(statusMessage: string, checkpoint?: unknown): Promise<boolean> {
    // A runner that was told to stop may still save how far it got.
    if (this.#lost || this.#finishing || this.#done.signal.aborted) return false;
    try {
      await this.#store.updateTask(
        this.#lease.taskId,
        { statusMessage, checkpoint },
        { owner: ANY_OWNER, lease: this.#lease },
      );
      return true;
    } catch (error) {
      if (!isOver(error)) throw error;
      this.#over(error);
      return false;
    }
  }

  async #ask<Answer>(request: InputRequest, options: InputOptions = {}): Promise<Answer> {
    const answered = new AbortController();
    const signal = AbortSignal.any([this.#abort.signal, answered.signal]);
    signal.throwIfAborted();
    const key = options.key ?? this.#keyOf(request);
    const timeoutMs = options.timeoutMs ?? this.#options.inputTimeoutMs;
    const { taskId } = this.#lease;
    try {
      await this.#store.requestInputs(taskId, { [key]: request }, { owner: ANY_OWNER, lease: this.#lease });
      // If it fails, that ends the wait; if it brings the answer, the wait finds it.
      this.#deliver(key, request, signal).catch((error: unknown) => answered.abort(error));
      return (await this.#store.awaitInput(taskId, key, { owner: ANY_OWNER, signal, timeoutMs })) as Answer;
    } catch (error) {
      if (isOver(error)) this.#over(error);
      throw error;
    } finally {
      answered.abort();
    }
  }

  /** Takes a question that has no answer yet to the requestor, if the runner knows how. */
  async #deliver(key: string, request: InputRequest, signal: AbortSignal): Promise<void> {
    const { deliver } = this.#options;
    if (!deliver) return;
    const { taskId } = this.#lease;
    const record = await this.#store.getRecord(taskId, { owner: ANY_OWNER });
    if (!record || !Object.hasOwn(record.inputRequests, key)) return;
    const answer = await deliver(request, { taskId, owner: record.owner, key, signal });
    await this.#store.provideInputs(taskId, { [key]: answer }, { owner: ANY_OWNER });
  }

  /** The same question at the same turn has the same key in every run. */
  #keyOf(request: InputRequest): string {
    const digest = createHash("sha256").update(JSON.stringify(request)).digest("hex").slice(0, 16);
    const turn = (this.#asked.get(digest) ?? 0) + 1;
    this.#asked.set(digest, turn);
    return `${request.method.split("/")[0]}-${digest}-${turn}`;
  }

  /** Sees at once what others do to the task. */
  async #watch(): Promise<void> {
    const { taskId } = this.#lease;
    try {
      const { task } = await this.#store.waitForTask(taskId, { owner: ANY_OWNER, signal: this.#done.signal });
      if (this.#finishing) return;
      this.#status = task.status;
      // A renewal says with which error.
      await this.#heartbeat();
    } catch (error) {
      // Whatever else failed, the heartbeat will see.
      if (isOver(error)) this.#over(error);
    }
  }

  async #heartbeat(): Promise<void> {
    if (this.#lost || this.#finishing) return;
    const startedAt = performance.now();
    try {
      await this.#store.renewLease(this.#lease);
      this.#renewedAt = startedAt;
    } catch (error) {
      if (this.#done.signal.aborted) return;
      if (isOver(error)) this.#over(error);
      else if (performance.now() - this.#renewedAt > this.#lease.durationMs) this.#over(leaseLost(this.#lease.taskId));
    }
  }

  /** The task is no longer this run's. */
  #over(error: TaskStoreError): void {
    if (error.status) this.#status = error.status;
    this.#lost = true;
    this.#abort.abort(error.code === "TASK_NOT_FOUND" ? expired(this.#lease.taskId) : error);
  }

  /** The task fails at the deadline, whether or not the handler heeds its signal. */
  #timeOut(timeoutMs: number): void {
    if (this.#lost || this.#finishing) return;
    const message = `The task took longer than its limit of ${timeoutMs} ms`;
    this.#finishing = this.#write(failure({ code: INTERNAL_ERROR, message }));
    this.#abort.abort(new DOMException(message, "TimeoutError"));
  }

  async #finish(outcome: TaskOutcome): Promise<RunOutcome> {
    const { signal } = this.#abort;
    if (this.#finishing) {
      // The deadline was first.
      const { status } = await this.#finishing;
      return { stored: false, status, reason: signal.reason };
    }
    if (this.#lost) return { stored: false, status: this.#status, reason: signal.reason };
    if (signal.aborted && "error" in outcome) return this.#giveBack();
    this.#finishing = this.#write(outcome);
    return this.#finishing;
  }

  /** The runner was told to stop, and the handler did: another runner may go on. */
  async #giveBack(): Promise<RunOutcome> {
    // If this fails, the lease lapses by itself.
    await this.#store.releaseLease(this.#lease).catch(() => undefined);
    return { stored: false, status: this.#status, reason: this.#abort.signal.reason };
  }

  /** Stores the outcome of a run that may have taken hours: while the lease can be ours, an unreachable backend is tried again. */
  async #write(outcome: TaskOutcome): Promise<RunOutcome> {
    const { taskId } = this.#lease;
    const reason = () => (this.#abort.signal.aborted ? { reason: this.#abort.signal.reason as unknown } : {});
    const giveUpAt = performance.now() + this.#lease.durationMs;
    for (let pause = RETRY_MS; ; pause = Math.min(2 * pause, MAX_RETRY_MS)) {
      try {
        const { task } = await this.#store.finishTask(taskId, outcome, { owner: ANY_OWNER, lease: this.#lease });
        return { stored: true, status: task.status, ...reason() };
      } catch (error) {
        if (isTaskStoreError(error, "BACKEND_UNAVAILABLE") && performance.now() < giveUpAt) {
          await new Promise((resolve) => setTimeout(resolve, pause).unref());
          continue;
        }
        // A write whose answer was lost looks like a task that somebody else ended.
        const lostAnswer = pause > RETRY_MS && isTaskStoreError(error, "TASK_TERMINAL");
        if (lostAnswer && (await this.#holds(outcome))) return { stored: true, status: outcome.status, ...reason() };
        const instead = isUnstorable(error) ? insteadOf(outcome, error) : undefined;
        if (instead) return { ...(await this.#write(instead)), error };
        if (isOver(error)) this.#over(error);
        return { stored: false, status: this.#status, reason: error };
      }
    }
  }

  async #holds(outcome: TaskOutcome): Promise<boolean> {
    const record = await this.#store.getRecord(this.#lease.taskId, { owner: ANY_OWNER }).catch(() => null);
    if (record?.task.status !== outcome.status) return false;
    return isDeepStrictEqual(
      "error" in outcome ? record.error : record.result,
      JSON.parse(JSON.stringify("error" in outcome ? outcome.error : outcome.result)),
    );
  }
}

function isUnstorable(error: unknown): error is TaskStoreError {
  return isTaskStoreError(error, "INVALID_ARGUMENT") || isTaskStoreError(error, "PAYLOAD_TOO_LARGE");
}

/** How the task failed when its outcome cannot be stored; `undefined` when that cannot be stored either. */
function insteadOf(outcome: TaskOutcome, refusal: TaskStoreError): TaskOutcome | undefined {
  if ("error" in outcome) {
    const { data, ...error } = outcome.error;
    if (data !== undefined) return failure(error);
    if (error.message === refusal.message) return undefined;
  }
  return failure(errorObjectOf(refusal));
}

function resultOutcome(result: Result): TaskOutcome {
  if (typeof result !== "object" || result === null) throw invalid("The handler must return a result object");
  return { status: result["isError"] === true ? "failed" : "completed", result };
}

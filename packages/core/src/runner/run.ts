import { createHash } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import {
  cannotUpdate,
  expired,
  invalid,
  isTaskStoreError,
  leaseLost,
  type TaskStoreError,
} from "../contract/errors.ts";
import { encodeJson } from "../contract/json.ts";
import { errorObjectOf, INTERNAL_ERROR } from "../contract/json-rpc.ts";
import { isOver, isUnstorable, type LeasedTask } from "../contract/leased-task.ts";
import { checkOptions, checks, type OptionTable } from "../contract/option-checks.ts";
import type { InputRequest, TaskOutcome, TaskRecord } from "../contract/record.ts";
import type { ErrorObject, Result, TaskStatus } from "../contract/task.ts";
import { deadline, onAbort } from "../process/aborts.ts";
import { keepAlive } from "../process/keep-alive.ts";
import { clearInterval, now, setInterval, setTimeout } from "../process/real-time.ts";
import { isTraced, publishLost, type TraceMessage, traced } from "../process/tracing.ts";
import type { CreateMessageResult } from "./questions.ts";
import type { RunOutcome, RunTaskOptions } from "./run-options.ts";
import type { InputOptions, TaskContext, TaskHandler } from "./task-handler.ts";

/** First pause before an outcome is written again, in ms; it doubles up to the limit. */
const RETRY_MS = 50;
const MAX_RETRY_MS = 2000;

const INPUT_OPTIONS: OptionTable<InputOptions> = {
  key: checks.text,
  timeoutMs: checks.number(0, Number.POSITIVE_INFINITY),
};

/**
 * A failure whose status message says why. @see MCP 2025-11-25, Tasks, "Task Status"; SEP-2663,
 * "Task Status"
 */
export function failure(error: ErrorObject): TaskOutcome {
  return { status: "failed", error, statusMessage: error.message };
}

type Json = Record<string, unknown>;

/** Whether the outcome was stored, without what the handler returned or threw. */
type Written =
  | { stored: true; status: TaskStatus; error?: unknown; reason?: unknown }
  | { stored: false; status: TaskStatus | undefined; error?: unknown; reason: unknown };

/** One run of one task by one runner. */
export class Run {
  readonly #leased: LeasedTask;
  readonly #record: TaskRecord;
  readonly #heartbeatMs: number;
  readonly #options: RunTaskOptions;
  /** Aborts the handler. */
  readonly #abort = new AbortController();
  /** Ends the waits beside the handler. */
  readonly #done = new AbortController();
  readonly #asked = new Map<string, number>();
  /** The write of an outcome that is under way. The deadline and the handler may each start one. */
  #finishing: Promise<Written> | undefined;
  #renewedAt = now();
  /** This run has lost the task. */
  #lost = false;
  /** The run called the handler before the runner's signal aborted. */
  #begun = false;
  #status: TaskStatus;

  constructor(leased: LeasedTask, record: TaskRecord, heartbeatMs: number, options: RunTaskOptions) {
    this.#leased = leased;
    this.#record = record;
    this.#heartbeatMs = heartbeatMs;
    this.#options = options;
    this.#status = record.task.status;
  }

  run(handler: TaskHandler): Promise<RunOutcome> {
    return isTraced("run") ? this.#traced(handler) : this.#run(handler);
  }

  async #traced(handler: TaskHandler): Promise<RunOutcome> {
    const { name, request } = this.#record;
    const { taskId, lease } = this.#leased;
    // A failure of the store costs the trace a link, and the task nothing.
    const formerTrace = lease.token > 1 ? await this.#leased.formerTrace().catch(() => undefined) : undefined;
    const message: TraceMessage = {
      operation: "run",
      method: "run",
      taskId,
      name,
      attempt: lease.attempt,
      request,
      formerTrace,
    };
    return traced(message, () => {
      const { traceparent } = message;
      if (traceparent !== undefined) void this.#leased.renew(traceparent).catch(() => undefined);
      return this.#run(handler);
    });
  }

  async #run(handler: TaskHandler): Promise<RunOutcome> {
    const { signal, timeoutMs, onLost } = this.#options;
    if (onLost === "fail" && this.#leased.lease.attempt > 1)
      return this.giveUp("The process that ran this task was lost");
    const end = this.#options.keepAlive === false ? undefined : keepAlive();
    const forget = onAbort(signal, (reason) => this.#abort.abort(reason));
    const heartbeat = setInterval(() => void this.#heartbeat(), this.#heartbeatMs).unref();
    const cancel = deadline(timeoutMs, () => this.#timeOut(timeoutMs));
    void this.#watch();
    this.#begun = !this.#abort.signal.aborted;
    try {
      const result = await handler(this.#context());
      return { ...(await this.#finish(resultOutcome(result))), result } as RunOutcome;
    } catch (error) {
      return { ...(await this.#finish(failure(errorObjectOf(error)))), error } as RunOutcome;
    } finally {
      clearInterval(heartbeat);
      cancel();
      forget();
      end?.();
      this.#done.abort();
    }
  }

  /** Fails the task without running it. */
  async giveUp(message: string): Promise<RunOutcome> {
    const error = { code: INTERNAL_ERROR, message };
    return { ...(await this.#finish(failure(error))), error } as RunOutcome;
  }

  #context(): TaskContext {
    const { task, request, context, checkpoint } = this.#record;
    return {
      taskId: task.taskId,
      request,
      context,
      attempt: this.#leased.lease.attempt,
      checkpoint,
      signal: this.#abort.signal,
      progress: (message, saved) => this.#progress(message, saved),
      elicit: (params, options) =>
        this.#ask({ method: "elicitation/create", params: params as object as Json }, options),
      sample: (params, options) =>
        this.#ask<CreateMessageResult>({ method: "sampling/createMessage", params: params as object as Json }, options),
    };
  }

  async #progress(statusMessage: string, checkpoint?: unknown): Promise<boolean> {
    // A run that is stopping may still save its progress.
    if (this.#lost || this.#finishing || this.#done.signal.aborted) return false;
    try {
      await this.#leased.update({ statusMessage, checkpoint });
      return true;
    } catch (error) {
      if (!isOver(error)) throw error;
      this.#over(error);
      return false;
    }
  }

  async #ask<Answer>(request: InputRequest, options: InputOptions = {}): Promise<Answer> {
    checkOptions("A question", options, INPUT_OPTIONS);
    const answered = new AbortController();
    const { signal } = answered;
    this.#abort.signal.throwIfAborted();
    const key = options.key ?? this.#keyOf(request);
    const timeoutMs = options.timeoutMs ?? this.#options.inputTimeoutMs;
    const forget = onAbort(this.#abort.signal, (reason) => answered.abort(reason));
    try {
      await this.#leased.requestInputs({ [key]: request });
      // A failure ends the wait. A success stores the answer, which the wait finds.
      this.#deliver(key, request, signal).catch((error: unknown) => answered.abort(error));
      return (await this.#leased.awaitInput(key, { signal, timeoutMs })) as Answer;
    } catch (error) {
      if (isOver(error)) this.#over(error);
      throw error;
    } finally {
      forget();
      answered.abort();
    }
  }

  /** Takes a question that has no answer yet to the requestor, if there is a `deliver`. */
  async #deliver(key: string, request: InputRequest, signal: AbortSignal): Promise<void> {
    const { deliver } = this.#options;
    if (!deliver) return;
    const { taskId } = this.#leased;
    const record = await this.#leased.read(["inputRequests"]);
    if (!record || !Object.hasOwn(record.inputRequests, key)) return;
    const answer = await deliver(request, { taskId, owner: record.owner, key, signal });
    await this.#leased.provideInputs({ [key]: answer });
  }

  /** The same question at the same turn has the same key in every run. */
  #keyOf(request: InputRequest): string {
    const digest = createHash("sha256").update(encodeJson(request, "input request")).digest("hex").slice(0, 16);
    const turn = (this.#asked.get(digest) ?? 0) + 1;
    this.#asked.set(digest, turn);
    return `${request.method.split("/")[0]}-${digest}-${turn}`;
  }

  /** Learns at once when another call ends the task. */
  async #watch(): Promise<void> {
    try {
      const { task } = await this.#leased.untilEnded(this.#done.signal);
      if (!this.#finishing) this.#over(cannotUpdate(task.taskId, task.status, undefined));
    } catch (error) {
      // The heartbeat sees everything else that fails.
      if (isOver(error)) this.#over(error);
    }
  }

  async #heartbeat(): Promise<void> {
    if (this.#lost || this.#finishing) return;
    const startedAt = now();
    try {
      await this.#leased.renew();
      this.#renewedAt = startedAt;
    } catch (error) {
      if (this.#done.signal.aborted) return;
      if (isOver(error)) this.#over(error);
      else if (now() - this.#renewedAt > this.#leased.lease.leaseMs) this.#over(leaseLost(this.#leased.taskId));
    }
  }

  /** Marks the task as lost, and aborts the handler. */
  #over(error: TaskStoreError): void {
    if (error.status) this.#status = error.status;
    if (error.code === "LEASE_LOST" && !this.#lost) {
      const { taskId, lease } = this.#leased;
      publishLost({ taskId, name: this.#record.name, attempt: lease.attempt, error });
    }
    this.#lost = true;
    this.#abort.abort(error.code === "TASK_NOT_FOUND" ? expired(this.#leased.taskId) : error);
  }

  /** Fails the task at the deadline, whether or not the handler heeds its signal. */
  #timeOut(timeoutMs: number | undefined): void {
    if (this.#lost || this.#finishing) return;
    const message = `The task took longer than its limit of ${timeoutMs} ms`;
    this.#finishing = this.#write(failure({ code: INTERNAL_ERROR, message }));
    this.#abort.abort(new DOMException(message, "TimeoutError"));
  }

  async #finish(outcome: TaskOutcome): Promise<Written> {
    const { signal } = this.#abort;
    if (this.#finishing) {
      // The deadline was first.
      const { status } = await this.#finishing;
      return { stored: false, status, reason: signal.reason };
    }
    if (this.#lost) return { stored: false, status: this.#status, reason: signal.reason };
    // The runner's signal aborted, and the handler threw.
    const stopped = signal.aborted && "error" in outcome;
    if (stopped && !(this.#begun && this.#options.onLost === "fail")) return this.#giveBack(outcome.error.message);
    const message = "The process that ran this task was stopped";
    this.#finishing = this.#write(stopped ? failure({ code: INTERNAL_ERROR, message }) : outcome);
    return this.#finishing;
  }

  /** Gives the lease back, so that another runner may go on. */
  async #giveBack(error: string): Promise<Written> {
    // If this fails, the lease lapses.
    await this.#leased.release(error).catch(() => undefined);
    return { stored: false, status: this.#status, reason: this.#abort.signal.reason };
  }

  /**
   * Stores the outcome. The run may have taken hours, so it tries an unreachable backend again for
   * as long as the lease can be ours.
   */
  async #write(outcome: TaskOutcome): Promise<Written> {
    const reason = () => (this.#abort.signal.aborted ? { reason: this.#abort.signal.reason as unknown } : {});
    const giveUpAt = now() + this.#leased.lease.leaseMs;
    for (let pause = RETRY_MS; ; pause = Math.min(2 * pause, MAX_RETRY_MS)) {
      try {
        const { task } = await this.#leased.finish(outcome);
        return { stored: true, status: task.status, ...reason() };
      } catch (error) {
        if (isTaskStoreError(error, "BACKEND_UNAVAILABLE") && now() < giveUpAt) {
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
    const record = await this.#leased.read(["result", "error"]).catch(() => null);
    if (record?.task.status !== outcome.status) return false;
    return isDeepStrictEqual(
      "error" in outcome ? record.error : record.result,
      JSON.parse(JSON.stringify("error" in outcome ? outcome.error : outcome.result)),
    );
  }
}

/**
 * The failure to store in place of an outcome that the store refuses. `undefined` if the store
 * refuses that, too.
 */
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

import {
  cannotUpdate,
  expired,
  givenBack,
  isTaskStoreError,
  leaseLost,
  type TaskStoreError,
} from "../contract/errors.ts";
import { errorObjectOf, INTERNAL_ERROR } from "../contract/json-rpc.ts";
import { isFirstTake } from "../contract/lease-token.ts";
import { isOver, type LeasedTask, NO_STEPS } from "../contract/leased-task.ts";
import type { ReleaseOptions } from "../contract/options.ts";
import type { TaskOutcome, TaskRecord, TaskSteps } from "../contract/record.ts";
import type { TaskStatus } from "../contract/task.ts";
import { deadline, onAbort } from "../process/aborts.ts";
import { keepAlive } from "../process/keep-alive.ts";
import { clearInterval, now, setInterval } from "../process/real-time.ts";
import { publishLost } from "../process/tracing.ts";
import { Asking } from "./asking.ts";
import { failure, resultOutcome, storeOutcome } from "./outcome.ts";
import { persisted, throughOutages } from "./persisted.ts";
import type { CreateMessageResult } from "./questions.ts";
import { retryDelay } from "./retry.ts";
import type { RunOutcome, RunTaskOptions } from "./run-options.ts";
import { Steps } from "./steps.ts";
import type { TaskContext, TaskHandler } from "./task-handler.ts";
import { tracedRun } from "./traced-run.ts";

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
  /** The write of an outcome that is under way. The deadline and the handler may each start one. */
  #finishing: Promise<Written> | undefined;
  #renewedAt = now();
  /** This run has lost the task. */
  #lost = false;
  /** The run called the handler before the runner's signal aborted. */
  #begun = false;
  #status: TaskStatus;
  #steps: TaskSteps = NO_STEPS;

  constructor(leased: LeasedTask, record: TaskRecord, heartbeatMs: number, options: RunTaskOptions) {
    this.#leased = leased;
    this.#record = record;
    this.#heartbeatMs = heartbeatMs;
    this.#options = options;
    this.#status = record.task.status;
  }

  run(handler: TaskHandler): Promise<RunOutcome> {
    return tracedRun(this.#leased, this.#record, () => this.#run(handler));
  }

  async #run(handler: TaskHandler): Promise<RunOutcome> {
    const { signal, timeoutMs, onLost } = this.#options;
    if (onLost === "fail" && this.#leased.lease.attempt > 1)
      return this.giveUp("The process that ran this task was lost");
    if (!isFirstTake(this.#leased.lease.token)) {
      const read = await persisted(this.#leased.lease.leaseMs, () => this.#leased.steps());
      // Without them, the handler would do again what is done.
      if ("error" in read) return this.#cannotStart(read.error);
      this.#steps = read.written;
    }
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
      return { ...(await this.#fail(error)), error } as RunOutcome;
    } finally {
      clearInterval(heartbeat);
      cancel();
      forget();
      end?.();
      this.#done.abort();
    }
  }

  /** The lease lapses, and another runner takes the task. */
  #cannotStart(error: unknown): RunOutcome {
    return { stored: false, status: this.#status, reason: this.#seen(error) };
  }

  /** Fails the task without running it. */
  async giveUp(message: string): Promise<RunOutcome> {
    const error = { code: INTERNAL_ERROR, message };
    return { ...(await this.#finish(failure(error))), error } as RunOutcome;
  }

  #context(): TaskContext {
    const { task, request, context, checkpoint } = this.#record;
    const { results, failures } = this.#steps;
    const asking = new Asking(this.#leased, this.#abort.signal, this.#options);
    const steps = new Steps({
      taskId: task.taskId,
      signal: this.#abort.signal,
      kept: (name) => (results.has(name) ? { result: results.get(name) } : undefined),
      keep: (name, result) => this.#keep(name, result),
      sleep: (name, ms) => this.#sleep(name, ms),
    });
    return {
      taskId: task.taskId,
      request,
      context,
      attempt: this.#leased.lease.attempt,
      failures,
      checkpoint,
      signal: this.#abort.signal,
      progress: (message, saved) => this.#progress(message, saved),
      elicit: (params, options) =>
        this.#unlessOver(asking.ask({ method: "elicitation/create", params: params as object as Json }, options)),
      sample: (params, options) =>
        this.#unlessOver(
          asking.ask<CreateMessageResult>(
            { method: "sampling/createMessage", params: params as object as Json },
            options,
          ),
        ),
      step: (name, work, options) => steps.step(name, work, options),
      sleep: (name, ms) => steps.sleep(name, ms),
    };
  }

  async #keep(name: string, result: unknown): Promise<void> {
    await this.#unlessOver(
      throughOutages(this.#leased.lease.leaseMs, () => this.#leased.update({ step: { name, result } })),
    );
  }

  /** The same call; if it says that the task is no longer this run's, the handler is aborted. */
  #unlessOver<T>(call: Promise<T>): Promise<T> {
    return call.catch((error: unknown) => {
      throw this.#seen(error);
    });
  }

  /** Looks whether an error of the store says that the task is no longer this run's. */
  #seen(error: unknown): unknown {
    if (isOver(error)) this.#over(error);
    return error;
  }

  /** Ends the run. The step that it keeps tells the next one that this sleep is over. */
  async #sleep(name: string, ms: number): Promise<never> {
    throw await this.#giveBack({ delayMs: ms, step: { name, result: undefined } }, "it sleeps");
  }

  /** Gives the task back, and aborts the handler with the error that it returns. */
  async #giveBack(options: ReleaseOptions, why: string): Promise<TaskStoreError> {
    const { taskId, lease } = this.#leased;
    const given = await persisted(lease.leaseMs, () => this.#leased.release(options));
    // The first answer was lost: the lease is gone because it was given back.
    const lostAnswer = given.again && "error" in given && isTaskStoreError(given.error, "LEASE_LOST");
    if ("error" in given && !lostAnswer) throw this.#seen(given.error);
    const reason = givenBack(taskId, why);
    this.#lost = true;
    this.#abort.abort(reason);
    return reason;
  }

  async #progress(statusMessage: string, checkpoint?: unknown): Promise<boolean> {
    // A run that is stopping may still save its progress.
    if (this.#lost || this.#finishing || this.#done.signal.aborted) return false;
    const { leaseMs } = this.#leased.lease;
    const update = () => this.#leased.update({ statusMessage, checkpoint });
    const saved = await persisted(leaseMs, update, () => !this.#lost && !this.#abort.signal.aborted);
    if (!("error" in saved)) return true;
    if (isOver(saved.error)) this.#over(saved.error);
    else if (!this.#lost) throw saved.error;
    return false;
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

  /** Fails the attempt at the deadline, whether or not the handler heeds its signal. */
  #timeOut(timeoutMs: number | undefined): void {
    if (this.#lost || this.#finishing) return;
    const message = `The task took longer than its limit of ${timeoutMs} ms`;
    const late = new DOMException(message, "TimeoutError");
    this.#finishing = this.#retried(late) ?? this.#write(failure({ code: INTERNAL_ERROR, message }));
    this.#abort.abort(late);
  }

  /** The attempt has failed. A last one is the outcome. */
  async #fail(error: unknown): Promise<Written> {
    if (this.#lost || this.#finishing || this.#abort.signal.aborted) return this.#finish(failure(errorObjectOf(error)));
    try {
      this.#finishing = this.#retried(error);
    } catch (thrown) {
      return this.#finish(failure(errorObjectOf(thrown)));
    }
    return this.#finishing ?? this.#finish(this.#failed(error));
  }

  #failed(error: unknown): TaskOutcome {
    const result = this.#options.failureResult?.(error);
    return result === undefined ? failure(errorObjectOf(error)) : resultOutcome(result);
  }

  /** Gives the task back for a further attempt, if any. @throws what `retry.when` throws */
  #retried(error: unknown): Promise<Written> | undefined {
    const failures = this.#steps.failures + 1;
    const delayMs = retryDelay(this.#options.retry, failures, error);
    if (delayMs === undefined) return undefined;
    const { message } = errorObjectOf(error);
    const outcome = (reason: unknown): Written => ({ stored: false, status: this.#status, reason });
    return this.#giveBack({ error: message, delayMs, failures }, "it will be tried again").then(outcome, (reason) =>
      isOver(reason) || isTaskStoreError(reason, "BACKEND_UNAVAILABLE")
        ? outcome(reason)
        : // The store keeps no steps, so it cannot count attempts.
          this.#write(this.#failed(error)),
    );
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
    if (stopped && !(this.#begun && this.#options.onLost === "fail")) return this.#stop(outcome.error.message);
    const message = "The process that ran this task was stopped";
    this.#finishing = this.#write(stopped ? failure({ code: INTERNAL_ERROR, message }) : outcome);
    return this.#finishing;
  }

  /** Gives the lease back, so that another runner may go on. */
  async #stop(error: string): Promise<Written> {
    // If this fails, the lease lapses.
    await this.#leased.release({ error }).catch(() => undefined);
    return { stored: false, status: this.#status, reason: this.#abort.signal.reason };
  }

  async #write(outcome: TaskOutcome): Promise<Written> {
    const stored = await storeOutcome(this.#leased, outcome);
    if ("status" in stored) {
      const { aborted, reason } = this.#abort.signal;
      return { stored: true, ...stored, ...(aborted ? { reason: reason as unknown } : {}) };
    }
    if (isOver(stored.refused)) this.#over(stored.refused);
    return { stored: false, status: this.#status, reason: stored.refused };
  }
}

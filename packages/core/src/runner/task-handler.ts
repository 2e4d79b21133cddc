import type { Request, Result } from "../contract/task.ts";
import type { CreateMessageResult, ElicitedContent, ElicitParams, ElicitResult, SampleParams } from "./questions.ts";
import type { StepContext, StepOptions } from "./steps.ts";

/**
 * The argument of a handler.
 *
 * `Checkpoint` is the type that the handler saves, `Context` the type that the creator of the task
 * left. Nothing checks the stored values against them.
 * @example
 * ```ts
 * async function render(task: TaskContext<{ done: number }>) {
 *   for (let done = task.checkpoint?.done ?? 0; done < 100; done += 1) {
 *     task.signal.throwIfAborted();
 *     await task.progress(`${done} %`, { done });
 *   }
 *   return { content: [{ type: "text", text: "Rendered" }] };
 * }
 * ```
 */
export interface TaskContext<Checkpoint = unknown, Context = Record<string, unknown> | undefined> {
  readonly taskId: string;
  readonly request: Request;
  /** The `context` that the creator of the task gave to `createTask`. */
  readonly context: Context;
  /** 1 for the first run, and one more for each runner that was lost. */
  readonly attempt: number;
  /** How many attempts have failed and given the task back: see `retry`. */
  readonly failures: number;
  /** The checkpoint that the last run saved with `progress`. `undefined` if no run saved one. */
  readonly checkpoint: Checkpoint | undefined;
  /**
   * Aborts when the run is over or has to stop:
   *
   * - any process cancelled the task or ended it otherwise (`TASK_TERMINAL`);
   * - the task expired (`TASK_EXPIRED`);
   * - another runner took the lease (`LEASE_LOST`);
   * - the run gave the task back, to sleep or to be repeated (`TASK_GIVEN_BACK`);
   * - the store was closed (`STORE_CLOSED`);
   * - the run reached its deadline, `timeoutMs` (a `TimeoutError`);
   * - the runner's own signal aborted (the reason of that signal).
   *
   * The reason is the `TaskStoreError` of that code, or what the parentheses say.
   */
  readonly signal: AbortSignal;
  /**
   * Sets the status message, and saves a checkpoint if one is given, in one write. If this run is
   * lost, the next one finds the checkpoint.
   *
   * The whole checkpoint is written each time, so keep it small. Resolves to `false` once the run
   * is over, and then changes nothing. While the database cannot be reached, the call is made
   * again, for as long as the lease can still be this run's. `elicit`, `sample` and `step` do the
   * same.
   * @param checkpoint JSON.
   * @throws `BACKEND_UNAVAILABLE`, `PAYLOAD_TOO_LARGE`, `INVALID_ARGUMENT`
   */
  progress(message: string, checkpoint?: Checkpoint): Promise<boolean>;
  /**
   * Asks the user, and waits for the answer.
   *
   * The question is stored as an input request of the task, and any process may store the answer.
   * Clients of SDK 1.x do not see stored questions: give the run a `deliver` (see
   * `RunTaskOptions`).
   *
   * `content` has the types of `requestedSchema` if that is written in the call, or kept in a
   * constant with `as const`. `runTask` does not check the answer against them; the server package
   * does.
   * @throws the reason of `signal`; a `TimeoutError`; what `deliver` rejects with
   * @see MCP 2025-11-25, "Elicitation"
   * @example
   * ```ts
   * const { action, content } = await task.elicit({
   *   message: "How many frames?",
   *   requestedSchema: {
   *     type: "object",
   *     properties: { frames: { type: "integer" } },
   *     required: ["frames"],
   *   },
   * });
   * const frames = action === "accept" ? content?.frames : undefined; // number | undefined
   * ```
   */
  elicit<const Params extends ElicitParams>(
    params: Params,
    options?: InputOptions,
  ): Promise<ElicitResult<ElicitedContent<Params>>>;
  /**
   * Asks the requestor's model, and waits for the answer, as `elicit` does for the user.
   * @throws as `elicit`
   * @see MCP 2025-11-25, "Sampling"
   */
  sample(params: SampleParams, options?: InputOptions): Promise<CreateMessageResult>;
  /**
   * Does a part of the work once, and keeps its result with the task. A run that takes over, or
   * comes back after a failure, gets the kept result and does not call `work`. A step whose runner
   * dies before the result is kept runs again, so hand its `idempotencyKey` to other systems.
   * @param name Of this step alone in a run, and the same in every run.
   * @param work Returns JSON, or nothing.
   * @throws what `work` throws; the reason of `signal`; `INVALID_ARGUMENT` for a name that the run
   * has had and a result that is no JSON; `PAYLOAD_TOO_LARGE`; `BACKEND_UNAVAILABLE`
   * @example
   * ```ts
   * const charge = await task.step("charge", ({ idempotencyKey, signal }) =>
   *   payments.charge({ amount: 42 }, { idempotencyKey, signal }),
   * );
   * await task.step("ship", () => ship(charge.id), { retry: { limit: 5 }, timeoutMs: 10_000 });
   * ```
   */
  step<T>(name: string, work: (step: StepContext) => T | Promise<T>, options?: StepOptions): Promise<T>;
  /**
   * Waits without a runner. The run gives the task back and ends: this call rejects, and the
   * handler's signal aborts, with `TASK_GIVEN_BACK`. After `ms` milliseconds by the store's clock a
   * worker runs the handler again, and this call then resolves at once. So put the work before it
   * into steps. Needs a worker, in any process.
   * @param name As of a step.
   * @throws the reason of `signal`; `TASK_GIVEN_BACK`; `INVALID_ARGUMENT`; `BACKEND_UNAVAILABLE`
   */
  sleep(name: string, ms: number): Promise<void>;
}

export interface InputOptions {
  /**
   * The key of the question.
   * @default derived from the question and its turn. A run that takes over and asks the same
   * questions in the same order gets the answers of the lost run.
   */
  key?: string | undefined;
  /**
   * Milliseconds to wait for the answer; then the call rejects with a `TimeoutError`.
   * @default `inputTimeoutMs` of the run
   */
  timeoutMs?: number | undefined;
}

/** Which question `deliver` takes to which requestor. */
export interface DeliverContext {
  readonly taskId: string;
  readonly owner: string | undefined;
  /** The question's key in the task. */
  readonly key: string;
  /** Aborts when the run no longer waits for the answer. */
  readonly signal: AbortSignal;
}

// A method's parameters compare in both directions. So a handler with types of its own can stand
// among handlers of any types.
interface Handles<Checkpoint, Context> {
  handle(task: TaskContext<Checkpoint, Context>): Result | Promise<Result>;
}

/**
 * Does the work of a task. The returned value becomes the task's result, a thrown one its error.
 */
export type TaskHandler<Checkpoint = unknown, Context = Record<string, unknown> | undefined> = Handles<
  Checkpoint,
  Context
>["handle"];

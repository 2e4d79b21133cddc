import type { TaskContext, TaskHandler } from "@mcp-task-store/core";
import { assertJson, onAbort } from "@mcp-task-store/core/backend";
import type { CallToolResult } from "@modelcontextprotocol/server";

/** The part of a task's context that exists before the task. */
export type CallSeed = Pick<TaskContext, "taskId" | "request" | "context">;

/** A step of work that began before its task: the next run comes after a sleep. */
export const SLEPT = "mcp-task-store/slept";

/**
 * Work that begins before its task is made, and may end before that. The task gets the last
 * progress of that time. A question, a step or a sleep makes the task.
 */
export class EarlyRun {
  readonly #abort = new AbortController();
  readonly #task = Promise.withResolvers<TaskContext>();
  readonly #asked = Promise.withResolvers<void>();
  readonly #work: Promise<CallToolResult>;
  #bound: TaskContext | undefined;
  #progress: Parameters<TaskContext["progress"]> | undefined;

  constructor(seed: CallSeed, work: (task: TaskContext) => Promise<CallToolResult>) {
    const bound = () => {
      this.#asked.resolve();
      return this.#task.promise;
    };
    this.#task.promise.catch(() => undefined);
    this.#work = work({
      ...seed,
      attempt: 1,
      failures: 0,
      checkpoint: undefined,
      signal: this.#abort.signal,
      progress: async (...said) => {
        if (this.#bound) return this.#bound.progress(...said);
        const [message, checkpoint = this.#progress?.[1]] = said;
        assertJson(checkpoint, "checkpoint");
        this.#progress = [message, checkpoint];
        return !this.#abort.signal.aborted;
      },
      elicit: async (params, options) => (await bound()).elicit(params, options),
      sample: async (params, options) => (await bound()).sample(params, options),
      step: async (name, step, options) => (await bound()).step(name, step, options),
      sleep: async (name, ms) => {
        const task = await bound();
        await task.step(SLEPT, () => true);
        return task.sleep(name, ms);
      },
    });
    // `within` and `asTask` await it, and see when it rejects.
    this.#work.catch(() => undefined);
  }

  /**
   * The result, if the work ends within that time and asks nothing; `undefined` otherwise, and when
   * the client has left.
   */
  async within(ms: number, signal: AbortSignal): Promise<CallToolResult | undefined> {
    const late = Promise.withResolvers<undefined>();
    const timer = setTimeout(() => late.resolve(undefined), ms);
    const forget = onAbort(signal, (reason) => {
      this.abandon(reason);
      late.resolve(undefined);
    });
    try {
      return await Promise.race([this.#work, late.promise, this.#asked.promise.then(() => undefined)]);
    } finally {
      clearTimeout(timer);
      forget();
    }
  }

  /** Stops the work: there will be no task. */
  abandon(reason: unknown): void {
    this.#abort.abort(reason);
    this.#task.reject(reason);
  }

  /** Goes on as the run of the task that has been made for the work. */
  readonly asTask: TaskHandler = async (task) => {
    const forget = onAbort(task.signal, (reason) => this.#abort.abort(reason));
    this.#bound = task;
    this.#task.resolve(task);
    try {
      if (this.#progress) await task.progress(...this.#progress);
      return await this.#work;
    } finally {
      forget();
    }
  };
}

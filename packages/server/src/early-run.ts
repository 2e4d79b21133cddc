import type { InputOptions, Request, TaskContext, TaskHandler } from "@mcp-task-store/core";
import type { CallToolResult } from "@modelcontextprotocol/server";

/**
 * Work that begins before its task is made, and may end before that. What it says meanwhile is kept for the task, and a question makes the task.
 */
export class EarlyRun {
  readonly #abort = new AbortController();
  readonly #task = Promise.withResolvers<TaskContext>();
  readonly #asked = Promise.withResolvers<void>();
  readonly #work: Promise<CallToolResult>;
  #bound: TaskContext | undefined;
  #progress: Parameters<TaskContext["progress"]> | undefined;

  constructor(
    taskId: string,
    request: Request,
    context: Record<string, unknown> | undefined,
    work: (task: TaskContext) => Promise<CallToolResult>,
  ) {
    const bound = () => {
      this.#asked.resolve();
      return this.#task.promise;
    };
    this.#task.promise.catch(() => undefined);
    this.#work = work({
      taskId,
      request,
      context,
      attempt: 1,
      checkpoint: undefined,
      signal: this.#abort.signal,
      progress: async (...said) => {
        if (this.#bound) return this.#bound.progress(...said);
        const [message, checkpoint = this.#progress?.[1]] = said;
        this.#progress = [message, checkpoint];
        return !this.#abort.signal.aborted;
      },
      elicit: async (params, options?: InputOptions) => (await bound()).elicit(params, options),
      sample: async (params, options?: InputOptions) => (await bound()).sample(params, options),
    });
    // Whoever awaits it sees it.
    this.#work.catch(() => undefined);
  }

  /** The result, if the work ends within that time and asks nothing; `undefined` otherwise, and when the client has left. */
  async within(ms: number, signal: AbortSignal): Promise<CallToolResult | undefined> {
    const late = Promise.withResolvers<undefined>();
    const timer = setTimeout(() => late.resolve(undefined), ms);
    const gone = () => {
      this.abandon(signal.reason);
      late.resolve(undefined);
    };
    if (signal.aborted) gone();
    signal.addEventListener("abort", gone, { once: true });
    try {
      return await Promise.race([this.#work, late.promise, this.#asked.promise.then(() => undefined)]);
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", gone);
    }
  }

  /** There will be no task. */
  abandon(reason: unknown): void {
    this.#abort.abort(reason);
    this.#task.reject(reason);
  }

  /** Goes on as the run of the task that was made meanwhile. */
  readonly asTask: TaskHandler = async (task) => {
    const stop = () => this.#abort.abort(task.signal.reason);
    if (task.signal.aborted) stop();
    else task.signal.addEventListener("abort", stop, { once: true });
    this.#bound = task;
    this.#task.resolve(task);
    if (this.#progress) await task.progress(...this.#progress);
    return this.#work;
  };
}

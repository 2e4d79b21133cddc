import {
  ANY_OWNER,
  isTaskStoreError,
  type RunTaskOptions,
  runTask,
  type TaskHandler,
  type TaskStore,
} from "@mcp-task-store/core";
import { ProtocolErrorCode } from "@modelcontextprotocol/server";
import type { OnError } from "./options.ts";
import { type TaskTool, withDeadline } from "./tools.ts";

/** What this process runs. */
export class Runs {
  readonly #store: TaskStore;
  readonly #options: Pick<RunTaskOptions, "leaseMs" | "heartbeatMs">;
  readonly #onError: OnError;
  readonly #stopping = new AbortController();
  readonly #running = new Set<Promise<void>>();

  constructor(store: TaskStore, options: Pick<RunTaskOptions, "leaseMs" | "heartbeatMs">, onError: OnError) {
    this.#store = store;
    this.#options = options;
    this.#onError = onError;
  }

  /** @param begun The work has begun already. */
  start(tool: TaskTool, taskId: string, handler: TaskHandler, begun = false): void {
    const options = { ...this.#options, signal: this.#stopping.signal };
    const work = this.runnerOf(tool, withDeadline(handler, tool.config.timeoutMs), begun);
    const run: Promise<void> = runTask(this.#store, taskId, work, options)
      .then(({ reason }) => {
        // It was not started, or its outcome not stored: a worker will take it over.
        if (isTaskStoreError(reason, "BACKEND_UNAVAILABLE")) this.#onError(reason);
      })
      .catch(this.#onError)
      .finally(() => this.#running.delete(run));
    this.#running.add(run);
  }

  /** The handler for any runner of this process, which may be told to stop. */
  runnerOf(tool: TaskTool, handler: TaskHandler, begun = false): TaskHandler {
    return async (task) => {
      const { signal, taskId } = task;
      // Another process may begin it.
      if (!begun) signal.throwIfAborted();
      try {
        return await handler(task);
      } catch (error) {
        // The lease is still ours: nobody else has begun it meanwhile.
        if (tool.config.onLost === "fail" && isStop(signal)) await this.#fail(taskId);
        throw error;
      }
    };
  }

  /** Gives back what runs, so that another process may go on at once. */
  async stop(): Promise<void> {
    this.#stopping.abort(new DOMException("The server was stopped", "AbortError"));
    while (this.#running.size > 0) await Promise.all(this.#running);
  }

  async #fail(taskId: string): Promise<void> {
    const error = { code: ProtocolErrorCode.InternalError, message: "The server that ran this task was stopped" };
    try {
      await this.#store.finishTask(
        taskId,
        { status: "failed", error, statusMessage: error.message },
        { owner: ANY_OWNER },
      );
    } catch (failure) {
      if (!isTaskStoreError(failure, "TASK_TERMINAL")) this.#onError(failure as Error);
    }
  }
}

/** Whether the runner was told to stop; otherwise the task has ended, or is not this runner's any more. */
function isStop({ aborted, reason }: AbortSignal): boolean {
  return aborted && !isTaskStoreError(reason) && (reason as Error | undefined)?.name !== "TimeoutError";
}

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
  /** Each run, with the task that must not be run again. */
  readonly #running = new Map<Promise<void>, string | undefined>();

  constructor(store: TaskStore, options: Pick<RunTaskOptions, "leaseMs" | "heartbeatMs">, onError: OnError) {
    this.#store = store;
    this.#options = options;
    this.#onError = onError;
  }

  start(tool: TaskTool, taskId: string, handler: TaskHandler): void {
    const { timeoutMs, onLost } = tool.config;
    const options = { ...this.#options, signal: this.#stopping.signal };
    const run: Promise<void> = runTask(this.#store, taskId, withDeadline(handler, timeoutMs), options)
      .then(({ reason }) => {
        // It was not started, or its outcome not stored: a worker will take it over.
        if (isTaskStoreError(reason, "BACKEND_UNAVAILABLE")) this.#onError(reason);
      })
      .finally(() => this.#running.delete(run));
    this.#running.set(run, onLost === "fail" ? taskId : undefined);
  }

  /** Gives back what runs, so that another process may go on at once, and fails what must not be run again. */
  async stop(): Promise<void> {
    const error = { code: ProtocolErrorCode.InternalError, message: "The server that ran this task was stopped" };
    const failing = [...this.#running.values()].map(
      (taskId) =>
        taskId !== undefined &&
        this.#store
          .finishTask(taskId, { status: "failed", error }, { owner: ANY_OWNER })
          .catch((failure: Error) => isTaskStoreError(failure, "TASK_TERMINAL") || this.#onError(failure)),
    );
    await Promise.all(failing);
    this.#stopping.abort(new DOMException("The server was stopped", "AbortError"));
    await Promise.all(this.#running.keys());
  }
}

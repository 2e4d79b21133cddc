import {
  type HandlerOptions,
  isTaskStoreError,
  type RunTaskOptions,
  runTask,
  type TaskHandler,
  type TaskStore,
} from "@mcp-task-store/core";
import { onAbort } from "@mcp-task-store/core/backend";
import type { OnError } from "../options.ts";

/** The tasks that this process runs without a worker, until `stop`. */
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

  start(taskId: string, handler: TaskHandler, options: HandlerOptions): void {
    this.#run(taskId, handler, { ...options, signal: this.#stopping.signal });
  }

  /**
   * Goes on with work that began before its task was made, so that a stop never comes before it.
   */
  continue(taskId: string, handler: TaskHandler, options: HandlerOptions): void {
    const stop = new AbortController();
    let forget = () => {};
    const begun: TaskHandler = (task) => {
      forget = onAbort(this.#stopping.signal, (reason) => stop.abort(reason));
      return handler(task);
    };
    this.#run(taskId, begun, { ...options, signal: stop.signal }, () => forget());
  }

  /** Gives back the running tasks, so that another process may go on at once. */
  async stop(): Promise<void> {
    this.#stopping.abort(new DOMException("The server was stopped", "AbortError"));
    while (this.#running.size > 0) await Promise.all(this.#running);
  }

  #run(taskId: string, handler: TaskHandler, options: RunTaskOptions, onSettled = () => {}): void {
    // A server lives as long as its transports. Work for a client that has left must not keep the
    // process alive.
    const run: Promise<void> = runTask(this.#store, taskId, handler, { ...this.#options, ...options, keepAlive: false })
      .then(({ reason }) => {
        // The run was not started, or its outcome was not stored: a worker will take the task over.
        if (isTaskStoreError(reason, "BACKEND_UNAVAILABLE")) this.#onError(reason);
      })
      .catch(this.#onError)
      .finally(() => {
        onSettled();
        this.#running.delete(run);
      });
    this.#running.add(run);
  }
}

import { isTaskStoreError, type RunTaskOptions, type TaskRecord, type TaskStore } from "@mcp-task-store/core";
import { ProtocolError, ProtocolErrorCode, type ServerContext } from "@modelcontextprotocol/server";
import { ANONYMOUS, callerOf, type TaskCaller } from "./callers.ts";
import type { OnError } from "./options.ts";
import { Runs } from "./runs.ts";
import { detailedTask } from "./wire.ts";

/** What all servers of an extension have in common. */
export class Shared {
  readonly store: TaskStore;
  readonly runs: Runs;
  readonly onError: OnError;
  readonly #owner: (caller: TaskCaller) => string | undefined;

  constructor(
    store: TaskStore,
    leases: Pick<RunTaskOptions, "leaseMs" | "heartbeatMs">,
    onError: OnError,
    owner: (caller: TaskCaller) => string | undefined,
  ) {
    this.store = store;
    this.onError = (error) => {
      try {
        onError(error);
      } catch (failure) {
        process.emitWarning(failure instanceof Error ? failure : String(failure));
      }
    };
    this.runs = new Runs(store, leases, this.onError);
    this.#owner = owner;
  }

  isAnonymous(owner: string): boolean {
    return owner === ANONYMOUS;
  }

  /** Whose tasks the caller makes and sees. */
  ownerOf(caller: ServerContext | TaskCaller): string {
    const owner = this.#owner("mcpReq" in caller ? callerOf(caller) : caller);
    if (owner === ANONYMOUS) throw new TypeError(`The owner ${ANONYMOUS} is that of callers whom nobody knows`);
    return owner ?? ANONYMOUS;
  }

  /** The same, or what a caller is told if the application cannot say; for those whom the SDK does not answer. */
  ownerOrError(caller: TaskCaller): string | ProtocolError {
    try {
      return this.ownerOf(caller);
    } catch (error) {
      this.onError(error as Error);
      return new ProtocolError(ProtocolErrorCode.InternalError, "Internal error");
    }
  }

  /**
   * What the extension shows of a task; `undefined` if the owner has none of this id. While there is nothing but its status to show, no payload
   * is read.
   */
  async detailed(taskId: string, owner: string): Promise<Record<string, unknown> | undefined> {
    const task = await this.store.getTask(taskId, { owner });
    if (!task) return undefined;
    const bare = task.status === "working" || task.status === "cancelled";
    const record = bare ? ({ task } as TaskRecord) : await this.store.getRecord(taskId, { owner });
    return record ? detailedTask(record) : undefined;
  }
}

/** The task is gone, or the store is. */
export function isOver(error: unknown): boolean {
  return isTaskStoreError(error) && ["TASK_NOT_FOUND", "TASK_EXPIRED", "STORE_CLOSED"].includes(error.code);
}

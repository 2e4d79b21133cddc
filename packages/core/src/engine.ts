import type { Guard, OwnerScope, Patch, PayloadField, StoredTask, TaskBackend, UpdateOutcome } from "./backend.ts";
import { ANY_OWNER, type Caller, type Lease, type Owner, type TaskSnapshot } from "./contract.ts";
import { invalid, isTaskStoreError, leaseLost, notFound, storeClosed, TaskStoreError } from "./errors.ts";
import { decodeString, isStorableKey } from "./json.ts";
import { isInScope } from "./rules.ts";
import type { Settings } from "./settings.ts";
import { isTerminal, type Task, type TaskStatus } from "./task.ts";

/** What a guarded write may name besides the task. */
export interface WriteGuard {
  scope: OwnerScope;
  lease?: Lease | undefined;
  leaseFree?: true;
}

/** The way from the rules to a backend: opens it once, refuses after close, and says why a write was refused. */
export class Engine {
  readonly settings: Settings;
  readonly #backend: TaskBackend;
  #opening: Promise<{ storeId: string }> | undefined;
  readonly #onOpen: () => void;
  #isOpen = false;
  #closing: Promise<void> | undefined;

  /** @param onOpen Called once the backend is open. */
  constructor(backend: TaskBackend, settings: Settings, onOpen: () => void) {
    this.#backend = backend;
    this.settings = settings;
    this.#onOpen = onOpen;
  }

  get capabilities(): TaskBackend["capabilities"] {
    return this.#backend.capabilities;
  }

  get closed(): boolean {
    return this.#closing !== undefined;
  }

  /** Opens the backend if need be; a failure is not kept, so that the next call tries again. */
  async open(): Promise<{ storeId: string }> {
    if (this.#closing) throw storeClosed();
    this.#opening ??= this.#backend.open();
    const opening = this.#opening;
    try {
      const opened = await opening;
      if (!this.#isOpen) this.#onOpen();
      this.#isOpen = true;
      return opened;
    } catch (error) {
      if (this.#opening === opening) this.#opening = undefined;
      throw asStoreError(error);
    }
  }

  async call<T>(run: (backend: TaskBackend) => Promise<T>): Promise<T> {
    // Once it is open, no call waits for it to be.
    if (!this.#isOpen) await this.open();
    if (this.#closing) throw storeClosed();
    try {
      return await run(this.#backend);
    } catch (error) {
      throw this.#failure(error);
    }
  }

  #failure(error: unknown): TaskStoreError {
    return this.#closing ? storeClosed() : asStoreError(error);
  }

  close(): Promise<void> {
    this.#closing ??= (async () => {
      await this.#opening?.catch(() => undefined);
      await this.#backend.close();
    })();
    return this.#closing;
  }

  /** Tells `onError`, whose own failure must reach nobody: some of what is reported comes from calls that never reject. */
  report(error: unknown): void {
    try {
      this.settings.onError(asStoreError(error));
    } catch (failure) {
      process.emitWarning(failure instanceof Error ? failure : String(failure));
    }
  }

  /** The scope of a call. @throws `INVALID_ARGUMENT` for an owner that no database could keep */
  scope(owner: Owner | undefined): OwnerScope {
    if (owner === ANY_OWNER) return null;
    if (owner !== undefined && (typeof owner !== "string" || !isStorableKey(owner)))
      throw invalid("The owner must be a well-formed string of at most 512 characters");
    if (this.settings.isolation === "strict")
      return owner === undefined ? { owner: null, orUnowned: true } : { owner, orUnowned: false };
    return owner === undefined ? null : { owner, orUnowned: true };
  }

  /** The scope of a call of one of the SDK's methods. */
  callerScope(caller: Caller | undefined): OwnerScope {
    if (typeof caller === "object" && caller !== null) return this.scope(caller.owner);
    return this.scope(this.settings.owner(caller));
  }

  /** The task; an id that no store could have made is simply not there. */
  async read(
    taskId: string,
    scope: OwnerScope,
    payloads: readonly PayloadField[] = [],
  ): Promise<StoredTask | undefined> {
    if (typeof taskId !== "string" || !isStorableKey(taskId)) {
      await this.open();
      return undefined;
    }
    // As `call` does, which would be one more promise: reads and writes are what stores do most.
    if (!this.#isOpen) await this.open();
    if (this.#closing) throw storeClosed();
    try {
      return await this.#backend.read(taskId, scope, payloads);
    } catch (error) {
      throw this.#failure(error);
    }
  }

  /**
   * One guarded write.
   * @param terminal Makes the error for a task that is terminal already.
   * @throws `TASK_NOT_FOUND`, `LEASE_LOST`, and what `terminal` makes
   */
  write(
    taskId: string,
    guard: WriteGuard,
    patch: Patch,
    terminal: (at: TaskStatus) => TaskStoreError,
  ): Promise<StoredTask> {
    // Without a revision to stand against it, what is not applied throws.
    return this.writeAt(undefined, taskId, guard, patch, terminal) as Promise<StoredTask>;
  }

  /** As `write`, if the task has this revision; `undefined` when only that stood against it. */
  async writeAt(
    revision: number | undefined,
    taskId: string,
    { scope, lease, leaseFree }: WriteGuard,
    patch: Patch,
    terminal: (at: TaskStatus) => TaskStoreError,
  ): Promise<StoredTask | undefined> {
    if (typeof taskId !== "string" || !isStorableKey(taskId)) {
      await this.open();
      throw notFound(String(taskId));
    }
    if (lease && lease.taskId !== taskId) throw invalid("The lease is of another task", taskId);
    const guard: { -readonly [Field in keyof Guard]: Guard[Field] } = { scope };
    if (lease) guard.leaseToken = lease.token;
    if (leaseFree) guard.leaseFree = leaseFree;
    if (revision !== undefined) guard.revision = revision;
    if (!this.#isOpen) await this.open();
    if (this.#closing) throw storeClosed();
    let outcome: UpdateOutcome;
    try {
      outcome = await this.#backend.update(taskId, guard, patch);
    } catch (error) {
      throw this.#failure(error);
    }
    if (outcome.applied) return outcome.task;
    const current = outcome.task;
    if (!current || !isInScope(scope, current.owner)) throw notFound(taskId);
    if (lease && lease.token !== current.leaseToken) throw leaseLost(taskId);
    if (isTerminal(current.status)) throw terminal(current.status);
    if (revision === undefined) throw leaseLost(taskId);
    return undefined;
  }
}

/** Errors of a backend that are not ours already mean that the database did not do what was asked. */
export function asStoreError(error: unknown): TaskStoreError {
  if (isTaskStoreError(error)) return error;
  return new TaskStoreError("BACKEND_UNAVAILABLE", "The task store's backend could not be reached or failed", {
    cause: error,
  });
}

let lastTime = 0;
let lastDate = new Date(0).toISOString();

/** Tasks that are looked at together often changed in the same millisecond, and to write a date is most of the work on a task. */
function isoDate(time: number): string {
  if (time !== lastTime) {
    lastTime = time;
    lastDate = new Date(time).toISOString();
  }
  return lastDate;
}

/** The wire form of a task: these fields and no other, because SDK 1.x sends whatever it gets. */
export function toTask(stored: StoredTask): Task {
  const task: Task = {
    taskId: stored.taskId,
    status: stored.status,
    ttl: stored.ttl,
    createdAt: isoDate(stored.createdAt),
    lastUpdatedAt: isoDate(stored.updatedAt),
  };
  if (stored.pollInterval !== null) task.pollInterval = stored.pollInterval;
  if (stored.statusMessage !== null) task.statusMessage = decodeString(stored.statusMessage);
  return task;
}

export function toSnapshot(stored: StoredTask): TaskSnapshot {
  return { task: toTask(stored), revision: stored.revision };
}

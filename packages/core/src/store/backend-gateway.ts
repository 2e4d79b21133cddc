import { type Answer, isLater } from "../backend/answer.ts";
import { isInScope } from "../backend/rules.ts";
import type { PayloadField, StoredTask } from "../backend/stored-task.ts";
import type { Guard, OwnerScope, Patch, TaskBackend, UpdateOutcome } from "../backend/task-backend.ts";
import { OWNER_OPTIONS } from "../contract/call-options.ts";
import { isStorableKey } from "../contract/checks.ts";
import {
  asStoreError,
  invalid,
  leaseHeld,
  leaseLost,
  listenerFailed,
  notFound,
  notSupported,
  storeClosed,
  type TaskStoreError,
} from "../contract/errors.ts";
import { type Encode, encoder } from "../contract/json.ts";
import { checkOptions } from "../contract/option-checks.ts";
import { ANY_OWNER, type Caller, type Owner } from "../contract/owner.ts";
import type { Lease } from "../contract/record.ts";
import { isTerminal, type TaskStatus } from "../contract/task.ts";
import { type Context, presentContext } from "../process/context.ts";
import { reporter } from "../process/reporter.ts";
import type { Settings } from "./settings.ts";

/** The conditions of a guarded write, beside the task's status. */
export interface WriteGuard {
  scope: OwnerScope;
  lease?: Lease | undefined;
  leaseFree?: true;
}

/**
 * Calls the backend. It opens the backend once, refuses calls after `close`, and turns a refused
 * write into the error that says why. An answer that the backend has at once is returned at once.
 * Each further promise is noticed in memory.
 */
export class BackendGateway {
  readonly settings: Settings;
  /** Makes payloads of values. */
  readonly encode: Encode;
  /** The context in which the store was made. Background work runs in it. */
  readonly inContext: Context = presentContext();
  readonly #backend: TaskBackend;
  #opening: Promise<{ storeId: string }> | undefined;
  readonly #onOpen: () => void;
  #isOpen = false;
  #closing: Promise<void> | undefined;

  /** @param onOpen Called once the backend is open. */
  constructor(backend: TaskBackend, settings: Settings, onOpen: () => void) {
    this.#backend = backend;
    this.settings = settings;
    this.encode = encoder(backend.keepsObjects === true, settings.limits.payloadBytes);
    this.#onOpen = onOpen;
  }

  get capabilities(): TaskBackend["capabilities"] {
    return this.#backend.capabilities;
  }

  /** The backend can listen for claimable tasks alone. */
  get listensForClaims(): boolean {
    return this.#backend.listenForClaims !== undefined;
  }

  get closed(): boolean {
    return this.#closing !== undefined;
  }

  /** Opens the backend unless it is open. After a failure, the next call tries again. */
  async open(): Promise<{ storeId: string }> {
    if (this.#closing) throw storeClosed();
    this.#opening ??= this.inContext(() => this.#backend.open({ report: this.report, caps: this.settings.limits }));
    const opening = this.#opening;
    try {
      const opened = await opening;
      if (!this.#isOpen) this.inContext(this.#onOpen);
      this.#isOpen = true;
      return opened;
    } catch (error) {
      if (this.#opening === opening) this.#opening = undefined;
      throw asStoreError(error);
    }
  }

  /** Calls the open backend. It throws, or the promise rejects, with a `TaskStoreError`. */
  call<T>(run: (backend: TaskBackend) => Answer<T>): Answer<T> {
    if (!this.#isOpen) return this.open().then(() => this.call(run));
    if (this.#closing) throw storeClosed();
    try {
      const answer = run(this.#backend);
      return isLater(answer) ? answer.then(undefined, this.#fail) : answer;
    } catch (error) {
      return this.#fail(error);
    }
  }

  readonly #fail = (error: unknown): never => {
    throw this.#closing ? storeClosed() : asStoreError(error);
  };

  close(): Promise<void> {
    this.#closing ??= (async () => {
      await this.#opening?.catch(() => undefined);
      await this.#backend.close();
    })();
    return this.#closing;
  }

  /** Calls `onError` in the context in which the store was made. Never throws. */
  readonly report: (error: unknown) => void = reporter((error: unknown) =>
    this.inContext(this.settings.onError, asStoreError(error)),
  );

  /**
   * A listener of the application, to be called in the present context. What it throws goes to
   * `onError`.
   * @param taskIdOf The task that a call is about.
   */
  listener<Args extends readonly unknown[]>(
    listen: (...args: Args) => void,
    taskIdOf?: (...args: Args) => string,
  ): (...args: Args) => void {
    const inContext = presentContext();
    return (...args) => {
      try {
        inContext(listen, ...args);
      } catch (error) {
        this.report(listenerFailed(error, taskIdOf?.(...args)));
      }
    };
  }

  /**
   * The scope of a call.
   * @throws `INVALID_ARGUMENT` for an owner that not every database can store
   */
  scope(owner: Owner | undefined): OwnerScope {
    if (owner === ANY_OWNER) return null;
    if (owner !== undefined && !isStorableKey(owner))
      throw invalid("The owner must be a well-formed string of at most 512 characters");
    if (this.settings.isolation === "strict")
      return owner === undefined ? { owner: null, orUnowned: true } : { owner, orUnowned: false };
    return owner === undefined ? null : { owner, orUnowned: true };
  }

  /** The scope of a call of one of the SDK's methods. */
  callerScope(caller: Caller | undefined): OwnerScope {
    if (typeof caller === "object" && caller !== null) {
      // Without this check, a misspelt `owner` would make a call without owner.
      checkOptions("The caller", caller, OWNER_OPTIONS);
      return this.scope(caller.owner);
    }
    return this.scope(this.settings.owner(caller));
  }

  /** Reads the task. An id that some database cannot store is an unknown id. */
  read(taskId: string, scope: OwnerScope, payloads: readonly PayloadField[] = []): Answer<StoredTask | undefined> {
    if (!isStorableKey(taskId)) return this.open().then(() => undefined);
    return this.call((backend) => backend.read(taskId, scope, payloads));
  }

  /**
   * One guarded write.
   * @param terminal Makes the error for a terminal task.
   * @throws `TASK_NOT_FOUND`, `LEASE_LOST`, `LEASE_HELD`, and what `terminal` makes
   */
  write(
    taskId: string,
    guard: WriteGuard,
    patch: Patch,
    terminal: (at: TaskStatus) => TaskStoreError,
  ): Answer<StoredTask> {
    // Without a revision guard, a write that is not applied always throws, so the result is never
    // undefined.
    return this.writeAt(undefined, taskId, guard, patch, terminal) as Answer<StoredTask>;
  }

  /**
   * Like `write`, but only if the task has this revision. Resolves to `undefined` if the revision
   * is the only condition that failed.
   */
  writeAt(
    revision: number | undefined,
    taskId: string,
    { scope, lease, leaseFree }: WriteGuard,
    patch: Patch,
    terminal: (at: TaskStatus) => TaskStoreError,
  ): Answer<StoredTask | undefined> {
    if (!isStorableKey(taskId))
      return this.open().then(() => {
        throw notFound(taskId);
      });
    if (lease && lease.taskId !== taskId) throw invalid("The lease belongs to another task", taskId);
    if (lease && !Number.isSafeInteger(lease.token)) throw invalid("The lease has no token of a store", taskId);
    const guard: { -readonly [Field in keyof Guard]: Guard[Field] } = { scope };
    if (lease) guard.leaseToken = lease.token;
    if (leaseFree) guard.leaseFree = leaseFree;
    if (revision !== undefined) guard.revision = revision;
    const written = (outcome: UpdateOutcome): StoredTask | undefined => {
      if (outcome.applied) return outcome.task;
      const current = outcome.task;
      if (!current || !isInScope(scope, current.owner)) throw notFound(taskId);
      if (lease && lease.token !== current.leaseToken) throw leaseLost(taskId);
      if (isTerminal(current.status)) throw terminal(current.status);
      if (leaseFree) throw leaseHeld(taskId);
      if (revision === undefined) throw leaseLost(taskId);
      return undefined;
    };
    const outcome = this.call((backend) => {
      if (patch.step && !backend.stepsOf) throw notSupported("keep steps", "stepsOf");
      return backend.update(taskId, guard, patch);
    });
    return isLater(outcome) ? outcome.then(written) : written(outcome);
  }
}

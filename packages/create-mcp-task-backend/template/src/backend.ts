import type {
  BackendHost,
  Caps,
  ClaimQuery,
  DeletionStep,
  Guard,
  InsertOutcome,
  ListQuery,
  NewTask,
  OnChange,
  OwnerScope,
  Patch,
  PayloadField,
  PushOutcome,
  StoredTask,
  TaskBackend,
  UpdateOutcome,
} from "@mcp-task-store/core/backend";
import type { ExampleOptions } from "./options.ts";

/**
 * Keeps tasks in the database. It decides nothing: the rules of tasks are in
 * `@mcp-task-store/core/backend`, as functions over plain data. Call them inside a transaction
 * (`guardHolds`, `applyPatch`, ...), or say the same in one statement of the database.
 *
 * What holds for every method:
 * - A read sees every write that any handle, in any process, acknowledged before.
 * - An expired task (`isExpired`) does not exist, whether it was deleted or not.
 * - A call settles within bounded time. It rejects with the driver's error, or with a
 *   `TaskStoreError` (`unavailable`, `mismatch`, `byAdvice`) whose message says more and holds no
 *   address, query, credential or data.
 * - A step that the database asks to repeat (a deadlock, a serialization failure) is repeated here.
 * - Ids, owners and names have up to `MAX_KEY_LENGTH` UTF-16 code units (512), which are up to
 *   three times as many bytes. They are compared code unit by code unit: use a binary collation.
 */
export class ExampleBackend implements TaskBackend {
  /**
   * `durable`: an acknowledged write survives the end of the process. `multiProcess`: several
   * processes share the tasks. The suite leaves out the cases that need what is `false` here, and
   * the harness in `test/harness.ts` has to say the same.
   */
  readonly capabilities = Object.freeze({ durable: true, multiProcess: true });
  protected readonly options: ExampleOptions;

  /** Connects to nothing. */
  constructor(options: ExampleOptions) {
    this.options = options;
  }

  /**
   * Connects, and creates the tables if they are not there, which several processes may do at the
   * same time. `storeId` is random, made once for this namespace, and the same in every process.
   * Core calls it before every other method, and again if it failed. `host.report` takes errors
   * that no call can reject with.
   */
  async open(_host: BackendHost): Promise<{ storeId: string }> {
    throw notImplemented("open");
  }

  /**
   * Adds a task, unless its id exists (`duplicate`) or a cap is reached. Check and insert are one
   * step: with a cap of N there are never N + 1 active tasks, however many processes insert.
   * `initialTask` makes the record. `position` grows from task to task, and no smaller one may
   * become visible after a larger one.
   */
  async insert(_task: NewTask, _caps: Caps): Promise<InsertOutcome> {
    throw notImplemented("insert");
  }

  /**
   * The task with these payloads, if it exists and is in scope (`isInScope`). A read that asks for
   * no payload must not fetch any: they may have megabytes.
   */
  async read(_taskId: string, _scope: OwnerScope, _payloads: readonly PayloadField[]): Promise<StoredTask | undefined> {
    throw notImplemented("read");
  }

  /** Those of these tasks that exist, in any order, with these payloads. Up to 500 ids at once. */
  async readMany(_taskIds: readonly string[], _payloads: readonly PayloadField[]): Promise<StoredTask[]> {
    throw notImplemented("readMany");
  }

  /**
   * Applies the patch (`applyPatch`) if the guard holds (`guardHolds`), in one step: no other write
   * comes between. Returns the task after the change, or the unchanged one if the guard did not
   * hold, without payloads. It returns no task if there is none in the guard's scope; put the owner
   * into the statement, so that a foreign id takes as long as an unknown one.
   */
  async update(_taskId: string, _guard: Guard, _patch: Patch): Promise<UpdateOutcome> {
    throw notImplemented("update");
  }

  /**
   * The first `limit` tasks in scope behind the position `after`, by position, without payloads.
   * The cost must not depend on how many tasks exist: it needs an index.
   */
  async list(_query: ListQuery): Promise<StoredTask[]> {
    throw notImplemented("list");
  }

  /**
   * Takes the leases of up to `limit` claimable tasks (`isClaimable`) of these names in one step,
   * and returns the tasks with all payloads. The one whose lease lapsed first comes first. No task
   * goes to two callers. The patch is `{ lease: { action: "take", leaseMs }, history }`.
   */
  async claim(_query: ClaimQuery): Promise<StoredTask[]> {
    throw notImplemented("claim");
  }

  /**
   * Deletes at most `limit` expired tasks and at most `limit` expired messages, in a step short
   * enough that writers need not wait. Core calls it again while `more` is true.
   */
  async deleteExpired(_limit: number): Promise<DeletionStep> {
    throw notImplemented("deleteExpired");
  }

  /**
   * Adds a message at the end of a queue, unless that holds `maxSize` unexpired ones already: one
   * step. It expires after `ttl` milliseconds. The task need not exist.
   */
  async push(_taskId: string, _message: string, _maxSize: number | null, _ttl: number): Promise<PushOutcome> {
    throw notImplemented("push");
  }

  /**
   * Takes up to `limit` unexpired messages (`null` = all) from the front of a queue. No message
   * goes to two callers, and their order stays.
   */
  async shift(_taskId: string, _limit: number | null): Promise<string[]> {
    throw notImplemented("shift");
  }

  /**
   * Calls `onChange` soon after each insert or update that changed the revision, made by any handle
   * in any process, this one included: with the task's id, or without one if it cannot tell which
   * tasks changed. Polling is enough where the database cannot notify. Resolves, once no later
   * change can be missed, to a function that stops it. Core keeps one listener at a time, and only
   * while a call waits. A timer or connection of it must not keep the process alive (`unref`).
   */
  async listen(_onChange: OnChange): Promise<() => Promise<void>> {
    throw notImplemented("listen");
  }

  /** Ends what `open` and `listen` started, and closes the connections that this backend opened. */
  async close(): Promise<void> {
    // Core calls it after a failed `open`, too, so it must not throw.
  }

  // The interface has further methods, each optional, for what operators do: `search`, `remove`,
  // `pauses`, `restore`, `messagesOf`, `rewrite`, `settled`. Their docstrings say what lacks
  // without them.
}

function notImplemented(method: string): Error {
  return new Error(
    `Not implemented: ${method} of ExampleBackend. The comment above it in src/backend.ts says what it does`,
  );
}

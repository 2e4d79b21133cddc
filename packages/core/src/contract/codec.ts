/** The place of a payload. An encrypted payload can be read at its own place alone. */
export interface PayloadPlace {
  /** The random id of the set of tasks. */
  readonly storeId: string;
  readonly taskId: string;
  /**
   * `request`, `inputs`, `checkpoint`, `outcome`, `statusMessage`, `message` (of the queue),
   * `history` (the error in a line) or `step:` and the step's name.
   */
  readonly field: string;
  /**
   * The task's owner, if a stage asks for it by `perOwner`; `undefined` = no owner, or not asked
   * for.
   */
  readonly owner: string | undefined;
}

/** What a stage made of a payload. */
export interface StagedPayload {
  readonly bytes: Uint8Array;
  /**
   * What the stage needs to read the payload again, such as the id of a key. It is stored in the
   * clear.
   */
  readonly note: string;
}

/**
 * One step in which payloads are changed on their way to the database, and changed back on their
 * way from there.
 */
export interface PayloadStage {
  /**
   * Letters, digits and hyphens. Each payload that the stage has changed says so by this id, so it
   * stays the same for ever.
   */
  readonly id: string;
  /**
   * Whether the stage needs the owner of each payload. A write that does not know the owner then
   * reads the task first.
   * @default false
   */
  readonly perOwner?: boolean | undefined;
  /** `undefined` = the payload stays as it is, and the stage is not named with it. */
  encode(bytes: Uint8Array, place: PayloadPlace): StagedPayload | undefined | Promise<StagedPayload | undefined>;
  /**
   * @throws TaskStoreError `PAYLOAD_UNREADABLE` if the payload can never be read with these
   * settings. Any other error means that it could be read later.
   */
  decode(staged: StagedPayload, place: PayloadPlace): Uint8Array | Promise<Uint8Array>;
  /**
   * Whether a payload with this note is as the stage would write it now; `undefined` = the stage
   * has not changed it. The rotation of keys rewrites the others.
   * @default every payload that the stage has changed is
   */
  isCurrent?(note: string | undefined): boolean;
  /**
   * Called when no payload has these notes any more, because it was replaced or removed, or was
   * never written. Not every payload that ends is told of: `sweep` finds the others.
   */
  forget?(notes: readonly string[], task: { readonly storeId: string; readonly taskId: string }): Promise<void>;
  /**
   * Called after what has expired was deleted, for a stage that keeps something outside of the
   * database.
   */
  sweep?(tasks: StagedTasks): Promise<void>;
}

/** What a stage may ask of the database while it sweeps. */
export interface StagedTasks {
  readonly storeId: string;
  /**
   * The notes of this stage in all payloads of these tasks that can leave the database. A task that
   * does not exist is absent.
   */
  notes(taskIds: readonly string[]): Promise<ReadonlyMap<string, ReadonlySet<string>>>;
}

/**
 * How payloads are changed before they are stored. The order is fixed: a payload is compressed,
 * then encrypted, and a large one then leaves the database, so that what leaves is encrypted.
 */
export interface PayloadCodec {
  /** See `compress`. */
  compress?: PayloadStage | undefined;
  /** See `aesGcm`. */
  encrypt?: PayloadStage | undefined;
  /**
   * See `offload`. Of what this stage makes, its note alone is kept. Status messages, messages of
   * the queue and errors in the history stay in the database.
   */
  offload?: PayloadStage | undefined;
}

/**
 * Keeps large payloads outside of the database: in a directory, in a bucket. An object is written
 * once and never changed. All processes that share the tasks have to reach the same storage.
 *
 * Each method settles within bounded time. It rejects with a `TaskStoreError`, or with another
 * error, which becomes `BACKEND_UNAVAILABLE`.
 */
export interface ObjectStorage {
  /**
   * Writes an object under a new key. It has to survive a crash once the promise resolves. A key
   * has at most 400 characters of `a-z`, `0-9`, `-`, `_`, `.` and `/`.
   */
  put(key: string, bytes: Uint8Array): Promise<void>;
  /** `undefined` = there is no such object. */
  get(key: string): Promise<Uint8Array | undefined>;
  /** An object that does not exist is no error. */
  delete(key: string): Promise<void>;
  /** Objects in the order of their keys. One that is being written may be absent. */
  list(query: ObjectQuery): Promise<ObjectPage>;
}

export interface ObjectQuery {
  /** Only keys that begin with this. It ends with a slash. */
  readonly prefix: string;
  /** Only keys behind this one. There need not be an object of this key. */
  readonly after?: string | undefined;
  /** Most objects to return. */
  readonly limit: number;
}

export interface ObjectPage {
  /** `writtenAt` is in milliseconds since the epoch, by the storage's own clock. */
  readonly objects: readonly { readonly key: string; readonly writtenAt: number }[];
  /**
   * The storage's own clock at this call. The clock of this host may be another one, by which new
   * objects would look old.
   */
  readonly now: number;
  /** Whether objects follow after the last one of this page. */
  readonly more: boolean;
}

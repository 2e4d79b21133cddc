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
   * Whether a payload with this note is as the stage would write it now. The rotation of keys
   * rewrites the others.
   * @default always
   */
  isCurrent?(note: string): boolean;
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
   * The notes of this stage in all payloads of these tasks. A task that does not exist, and has no
   * messages, is absent.
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
   * See `offload`. Of what this stage makes, its note alone is kept. Status messages and
   * errors in the history stay in the database.
   */
  offload?: PayloadStage | undefined;
}

/**
 * Where large payloads lie outside of the database: a directory, a bucket. Keys are made of letters,
 * digits, `-`, `_`, `.` and `/`.
 */
export interface ObjectStorage {
  /** The promise resolves when the object survives a crash of this process. */
  put(key: string, bytes: Uint8Array): Promise<void>;
  /** `undefined` = there is no such object. */
  get(key: string): Promise<Uint8Array | undefined>;
  /** An object that does not exist is no error. */
  delete(key: string): Promise<void>;
  /** A page of the objects under this prefix, in the order of their keys. */
  list(options: { prefix: string; after?: string | undefined; limit: number }): Promise<ObjectPage>;
}

export interface ObjectPage {
  /** `writtenAt` is in milliseconds since the epoch, by the storage's own clock. */
  readonly objects: readonly { readonly key: string; readonly writtenAt: number }[];
  /** The storage's own clock at this call. */
  readonly now: number;
  /** Whether objects follow after the last one of this page. */
  readonly more: boolean;
}

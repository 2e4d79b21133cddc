import { createHash, randomBytes } from "node:crypto";
import type { ObjectStorage, PayloadPlace, PayloadStage } from "../contract/codec.ts";
import { unreadable } from "../contract/errors.ts";
import { checkOptions, checks, type OptionCheck, type OptionTable } from "../contract/option-checks.ts";
import { keyOfNote, objectKey } from "./object-keys.ts";
import { ObjectSweep } from "./object-sweep.ts";

export interface OffloadOptions {
  /** Where large payloads go, such as `directoryStorage(path)`. */
  storage: ObjectStorage;
  /**
   * Payloads of more bytes go there, counted after `compress` and `encrypt`.
   * @default 65_536
   */
  aboveBytes?: number | undefined;
  /**
   * Milliseconds for which no object is deleted after it was written, since its task may be about
   * to be written. A process that stops in between, and goes on after this time, loses the payload.
   * @default 3_600_000 (an hour)
   */
  graceMs?: number | undefined;
}

const storageCheck: OptionCheck = (value) => {
  const storage = (value ?? {}) as Record<string, unknown>;
  const is = ["put", "get", "delete", "list"].every((method) => typeof storage[method] === "function");
  return is ? undefined : "an ObjectStorage, such as directoryStorage(path) makes";
};

const OPTIONS: OptionTable<OffloadOptions> = {
  storage: storageCheck,
  aboveBytes: checks.whole(0),
  graceMs: checks.milliseconds(1000),
};

/**
 * Keeps large payloads outside of the database. The task keeps a reference with size and digest.
 *
 * An object is written before the task that refers to it, and ends with it. The sweep of the store
 * deletes objects to which no task refers, a bounded number each time. A task with an id of more
 * than 160 characters (capital letters and most signs count as three) keeps its payloads in the
 * database.
 * @throws TaskStoreError `INVALID_ARGUMENT`
 * @example
 * ```ts
 * const store = createSqliteTaskStore({
 *   path: "tasks.db",
 *   codec: { offload: offload({ storage: directoryStorage("payloads") }) },
 * });
 * ```
 */
export function offload(options: OffloadOptions): PayloadStage {
  checkOptions("offload", options, { ...OPTIONS, storage: storageCheck });
  const { storage, aboveBytes = 65_536, graceMs = 3_600_000 } = options;
  const sweep = new ObjectSweep(storage, graceMs);
  return {
    id: "object",
    encode(bytes, place) {
      if (bytes.byteLength <= aboveBytes) return undefined;
      return put(storage, bytes, place);
    },
    decode({ note }, place) {
      return get(storage, note, place);
    },
    async forget(notes, { storeId, taskId }) {
      for (const note of notes) {
        const key = keyOfNote(storeId, taskId, note);
        if (key !== undefined) await storage.delete(key);
      }
    },
    sweep: (tasks) => sweep.run(tasks),
  };
}

async function put(storage: ObjectStorage, bytes: Uint8Array, { storeId, taskId }: PayloadPlace) {
  const random = randomBytes(16).toString("hex");
  const key = objectKey(storeId, taskId, random);
  if (key === undefined) return undefined;
  await storage.put(key, bytes);
  return { bytes: new Uint8Array(), note: `${random}.${bytes.byteLength}.${digestOf(bytes)}` };
}

async function get(storage: ObjectStorage, note: string, { storeId, taskId }: PayloadPlace): Promise<Uint8Array> {
  const [, size, digest] = note.split(".");
  const key = keyOfNote(storeId, taskId, note);
  if (key === undefined) throw unreadable("the reference to its object is damaged", taskId);
  const bytes = await storage.get(key);
  if (!bytes) throw unreadable("its object is no longer in the storage of large payloads", taskId);
  if (`${bytes.byteLength}` !== size || digestOf(bytes) !== digest)
    throw unreadable("its object in the storage of large payloads was changed", taskId);
  return bytes;
}

function digestOf(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("base64url");
}

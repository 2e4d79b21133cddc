import { createHash, randomBytes } from "node:crypto";
import { invalid } from "../contract/errors.ts";

/**
 * Keeps large payloads outside the database. An object is written once and never changed, by one
 * process, and every process that shares the store reads it.
 *
 * - Keys are at most 400 characters of `a-z`, `0-9`, `_`, `-`, `.` and `/`. No part between slashes
 *   begins with a dot, so a key is a path on every file system.
 * - Methods reject with a `TaskStoreError`, or with another error, which becomes
 *   `BACKEND_UNAVAILABLE`. They settle within bounded time.
 */
export interface ObjectStorage {
  /** Writes an object under a new key. It is durable when the promise resolves. */
  put(key: string, bytes: Uint8Array): Promise<void>;
  /** The object, or `undefined` if there is none. */
  get(key: string): Promise<Uint8Array | undefined>;
  /** Deletes the object. Nothing happens if there is none. */
  delete(key: string): Promise<void>;
  /** Objects in the order of their keys. An object that is being written may be left out. */
  list(query: ObjectQuery): Promise<ObjectPage>;
}

export interface ObjectQuery {
  /** Only keys that begin with this. It ends with a slash. */
  readonly prefix: string;
  /** Only keys behind this one, which need not exist. */
  readonly after?: string | undefined;
  /** Most objects to return. */
  readonly limit: number;
}

export interface ObjectPage {
  readonly objects: readonly ListedObject[];
  /** Whether there are objects behind these. */
  readonly more: boolean;
  /**
   * The clock that `writtenAt` is of. Milliseconds since the epoch. The clock of this host may be
   * another one, and would make new objects look old.
   */
  readonly now: number;
}

export interface ListedObject {
  readonly key: string;
  /** When the object was written. Milliseconds since the epoch. */
  readonly writtenAt: number;
}

const PART = "[a-z0-9_-][a-z0-9._-]*";
const KEY = new RegExp(`^${PART}(?:/${PART})*$`);

/**
 * Returns the parts of a key between its slashes. A key may come from a database that others write
 * to, so it must not lead out of its storage.
 * @throws TaskStoreError `INVALID_ARGUMENT`
 */
export function partsOfKey(key: string): string[] {
  if (typeof key !== "string" || key.length > 400 || !KEY.test(key)) throw invalid("The key of an object is invalid");
  return key.split("/");
}

/** Longest name of a task in a key. A longer id has no name. */
const MOST_CHARACTERS = 160;

/** Names of devices on Windows, whatever follows them after a dot. */
const DEVICE = /^(?:con|prn|aux|nul|com[0-9]|lpt[0-9])$/;

/**
 * Makes a part of a key from any text. Capital letters are escaped, since file systems may take
 * `A` for `a`.
 */
function nameOf(text: string): string {
  if (text === "") return "_";
  const name = text.replace(/[^a-z0-9-]+/g, escaped);
  return DEVICE.test(name) ? `${escaped(name.slice(0, 1))}${name.slice(1)}` : name;
}

function escaped(text: string): string {
  return Buffer.from(text).toString("hex").replace(/../g, "_$&");
}

/** The text that `nameOf` made the name of; `undefined` if it made no such name. */
function textOf(name: string): string | undefined {
  const hex = name.replace(/_(..)|_$|([^_])/g, (_, byte: string | undefined, plain: string | undefined) =>
    plain ? Buffer.from(plain).toString("hex") : (byte ?? ""),
  );
  const text = Buffer.from(hex, "hex").toString();
  return nameOf(text) === name ? text : undefined;
}

/** What all keys of a store begin with. */
export function storePrefix(storeId: string): string {
  return `${nameOf(storeId)}/`;
}

/**
 * A new key for an object of the task: store, two digits that spread tasks over folders, and the
 * task with a random part. `undefined` if the task's id is too long for a key.
 */
export function newKey(storeId: string, taskId: string): string | undefined {
  const prefix = taskPrefix(storeId, taskId);
  return prefix && `${prefix}${randomBytes(16).toString("hex")}`;
}

/** What the keys of a task begin with. */
export function taskPrefix(storeId: string, taskId: string): string | undefined {
  const name = nameOf(taskId);
  if (name.length > MOST_CHARACTERS) return undefined;
  const spread = createHash("sha256").update(taskId).digest("hex").slice(0, 2);
  return `${storePrefix(storeId)}${spread}/${name}.`;
}

/** The id of the task in a key; `undefined` if `newKey` made no such key. */
export function taskOfKey(key: string): string | undefined {
  const [, name] = /^[^/]+\/[^/]+\/([^/.]+)\./.exec(key) ?? [];
  return name === undefined ? undefined : textOf(name);
}

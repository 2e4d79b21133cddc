import { createHash } from "node:crypto";
import { invalid } from "../contract/errors.ts";

// The keys of objects. A key tells the task, so that a sweep of the storage can ask whether the
// task still exists.

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

/** Names of devices on Windows. Text after a dot does not make another name of them. */
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
 * The key of an object of the task: store, two digits that spread tasks over folders, and the task
 * with the random part. `undefined` if the task's id is too long for a key.
 */
export function objectKey(storeId: string, taskId: string, random: string): string | undefined {
  const name = nameOf(taskId);
  if (name.length > MOST_CHARACTERS) return undefined;
  const spread = createHash("sha256").update(taskId).digest("hex").slice(0, 2);
  return `${storePrefix(storeId)}${spread}/${name}.${random}`;
}

/** The key of the object that a note refers to: a random part, size and digest. */
export function keyOfNote(storeId: string, taskId: string, note: string): string | undefined {
  const [, random] = /^([0-9a-f]{32})\./.exec(note) ?? [];
  return random === undefined ? undefined : objectKey(storeId, taskId, random);
}

/** The id of the task in a key; `undefined` if `objectKey` made no such key. */
export function taskOfKey(key: string): string | undefined {
  const [, name] = /^[^/]+\/[^/]+\/([^/.]+)\./.exec(key) ?? [];
  return name === undefined ? undefined : textOf(name);
}

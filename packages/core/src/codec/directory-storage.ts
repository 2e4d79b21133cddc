import { randomBytes } from "node:crypto";
import type { FileHandle } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { type Advice, byAdvice, driverCode, unavailable } from "../backend/advice.ts";
import type { ObjectPage, ObjectQuery, ObjectStorage } from "../contract/codec.ts";
import { invalid } from "../contract/errors.ts";
import { partsOfKey } from "./object-keys.ts";

const ADVICE: Advice = [
  ["ENOSPC", "The disk that keeps large payloads is full"],
  ["EDQUOT", "The disk that keeps large payloads is full"],
  ["EROFS", "The folder of large payloads cannot be written to"],
  ["EACCES", "This process may not use the folder of large payloads"],
  ["EPERM", "This process may not use the folder of large payloads"],
  ["ENOTDIR", "The path for large payloads is no folder"],
  ["EMFILE", "This process has too many open files"],
];

/** Written to by every list, to read the clock of the file system. */
const CLOCK = ".clock";

/**
 * Keeps large payloads as files in a folder that all processes of the store can reach. It makes the
 * folder when it is first needed. A file is written beside its place, flushed to disk, and then
 * renamed, so that no process sees part of one.
 * @param path The folder. Nothing else should be in it.
 * @throws TaskStoreError `INVALID_ARGUMENT`
 * @example
 * ```ts
 * const storage = directoryStorage("/var/lib/my-server/payloads");
 * ```
 */
export function directoryStorage(path: string): ObjectStorage {
  if (typeof path !== "string" || path.trim() === "") throw invalid("directoryStorage needs the path of a folder");
  const root = resolve(path);
  const fileOf = (key: string) => join(root, ...partsOfKey(key));
  return {
    put: (key, bytes) => orAdvice(() => put(fileOf(key), root, bytes)),
    get: (key) => orAdvice(() => get(fileOf(key))),
    delete: (key) => orAdvice(() => remove(fileOf(key))),
    list: (query) => orAdvice(() => list(root, query)),
  };
}

async function orAdvice<T>(run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    throw byAdvice(error, driverCode(error), ADVICE) ?? unavailable("The folder of large payloads failed", error);
  }
}

async function put(file: string, root: string, bytes: Uint8Array): Promise<void> {
  const { open, rename, rm } = await import("node:fs/promises");
  // A sweep finds what a process leaves of this name when it dies.
  const unfinished = `${file}.${randomBytes(4).toString("hex")}.tmp`;
  const handle = await madeIn(dirname(file), root, () => open(unfinished, "wx"));
  try {
    try {
      await handle.writeFile(bytes);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(unfinished, file);
  } catch (error) {
    await rm(unfinished, { force: true }).catch(() => undefined);
    throw error;
  }
  await flushFolder(dirname(file));
}

/** Opens a file in a folder. Makes the folder if it is missing. */
async function madeIn(folder: string, root: string, openFile: () => Promise<FileHandle>): Promise<FileHandle> {
  try {
    return await openFile();
  } catch (error) {
    if (driverCode(error) !== "ENOENT") throw error;
  }
  const { mkdir } = await import("node:fs/promises");
  await mkdir(folder, { recursive: true });
  // The folders have to outlive a power cut as the file does.
  for (let made = folder; made !== root && made !== dirname(made); made = dirname(made))
    await flushFolder(dirname(made));
  return openFile();
}

/** Makes names in a folder durable. Windows cannot, and its file system keeps them by itself. */
async function flushFolder(folder: string): Promise<void> {
  if (process.platform === "win32") return;
  const { open } = await import("node:fs/promises");
  const handle = await open(folder, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function get(file: string): Promise<Uint8Array | undefined> {
  const { readFile } = await import("node:fs/promises");
  return unlessMissing(() => readFile(file), undefined);
}

async function remove(file: string): Promise<void> {
  const { rm } = await import("node:fs/promises");
  // On Windows a file cannot be deleted while another process reads it.
  await rm(file, { force: true, maxRetries: 3 });
}

async function unlessMissing<T, Missing>(run: () => Promise<T>, missing: Missing): Promise<T | Missing> {
  try {
    return await run();
  } catch (error) {
    if (driverCode(error) !== "ENOENT") throw error;
    return missing;
  }
}

async function list(root: string, { prefix, after = "", limit }: ObjectQuery): Promise<ObjectPage> {
  const { open, stat } = await import("node:fs/promises");
  partsOfKey(prefix.replace(/\/$/, ""));
  const found: ObjectPage["objects"][number][] = [];
  const clock = await madeIn(root, root, () => open(join(root, CLOCK), "w"));
  try {
    for await (const key of keysBelow(root, prefix, after)) {
      const written = await unlessMissing(() => stat(join(root, key)), undefined);
      if (written) found.push({ key, writtenAt: written.mtimeMs });
      if (found.length > limit) break;
    }
    await clock.write("x", 0);
    const { mtimeMs: now } = await clock.stat();
    return { objects: found.slice(0, limit), more: found.length > limit, now };
  } finally {
    await clock.close();
  }
}

/** The keys of all files below a folder, in order. It reads one folder at a time. */
async function* keysBelow(root: string, prefix: string, after: string): AsyncGenerator<string> {
  const { readdir } = await import("node:fs/promises");
  const entries = await unlessMissing(() => readdir(join(root, prefix), { withFileTypes: true }), []);
  // The order of whole keys: a folder's name counts with its slash.
  const keys = entries.map((entry) => `${prefix}${entry.name}${entry.isDirectory() ? "/" : ""}`).sort();
  for (const key of keys) {
    if (!key.endsWith("/")) {
      if (key > after) yield key;
    } else if (key > after || after.startsWith(key)) yield* keysBelow(root, key, after);
  }
}

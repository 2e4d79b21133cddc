/** The work of the demo, without tasks: a directory's files and their digest. */
import { createHash, hash } from "node:crypto";
import { createReadStream } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";

/** Part of the output, so it must match `listFiles`. */
export const SKIPPED = "node_modules, dist, and folders whose names begin with a dot";

export interface HashedFile {
  /** Relative to the directory, with slashes. */
  path: string;
  sha256: string;
  bytes: number;
}

export interface DirectoryDigest {
  files: number;
  bytes: number;
  /** SHA-256 of the sorted lines "path sha256". */
  sha256: string;
}

/** The paths of all files under a directory, sorted. Links are not followed. */
export async function listFiles(directory: string, below = ""): Promise<string[]> {
  const found: string[] = [];
  for (const entry of await readdir(join(directory, below), { withFileTypes: true })) {
    const path = below + entry.name;
    if (entry.isFile()) found.push(path);
    else if (entry.isDirectory() && !isSkipped(entry.name)) found.push(...(await listFiles(directory, `${path}/`)));
  }
  return below === "" ? found.sort() : found;
}

function isSkipped(folder: string): boolean {
  return folder === "node_modules" || folder === "dist" || folder.startsWith(".");
}

/** Reads a file of any size without holding it in memory. */
export async function hashFile(directory: string, path: string, signal: AbortSignal): Promise<HashedFile> {
  const sha256 = createHash("sha256");
  let bytes = 0;
  for await (const chunk of createReadStream(join(directory, path), { signal })) {
    sha256.update(chunk);
    bytes += chunk.length;
  }
  return { path, sha256: sha256.digest("hex"), bytes };
}

/** One digest for all files. Their order does not matter. */
export function digestOf(files: Iterable<HashedFile>): DirectoryDigest {
  const all = [...files];
  const lines = all.map(({ path, sha256 }) => `${path} ${sha256}`).sort();
  return {
    files: all.length,
    bytes: all.reduce((sum, file) => sum + file.bytes, 0),
    sha256: hash("sha256", lines.join("\n")),
  };
}

/** The same digest without tasks, servers or checkpoints, to compare the task's result with. */
export async function hashStraight(directory: string, signal: AbortSignal): Promise<DirectoryDigest> {
  const files: HashedFile[] = [];
  for (const path of await listFiles(directory)) files.push(await hashFile(directory, path, signal));
  return digestOf(files);
}

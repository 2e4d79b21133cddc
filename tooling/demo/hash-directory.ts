/**
 * `hash_directory`, a tool that runs as a durable task in the called server. If that server dies,
 * another one on the same store continues from the last checkpoint.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { TaskContext } from "@mcp-task-store/core";
import type { TasksExtension } from "@mcp-task-store/server";
import type { CallToolResult, McpServer } from "@modelcontextprotocol/server";
import { z } from "zod";
import { digestOf, hashFile, listFiles } from "./files.ts";

export const HASH_DIRECTORY = "hash_directory";

const Input = z.object({
  dir: z.string().describe("Absolute path of the directory"),
  pauseMs: z.number().min(0).default(0).describe("Pause before each file, to make short work watchable"),
});

/** Number of files hashed, by process id. */
const HashedBy = z.record(z.string(), z.number());

export const HashDirectoryResult = z.object({
  files: z.number(),
  bytes: z.number(),
  sha256: z.string(),
  attempt: z.number(),
  hashedBy: HashedBy,
});
export type HashDirectoryResult = z.infer<typeof HashDirectoryResult>;

/** The checkpoint, for the next run if this one is lost. */
const Checkpoint = z.object({
  hashed: z.array(z.object({ path: z.string(), sha256: z.string(), bytes: z.number() })),
  hashedBy: HashedBy,
});

/**
 * Milliseconds between checkpoints, and so the most work that can be lost. Each checkpoint holds
 * every digest so far.
 */
const CHECKPOINT_EVERY_MS = 100;

const HOUR_MS = 3_600_000;

export function registerHashDirectory(tasks: TasksExtension, server: McpServer): void {
  tasks.registerTool(
    server,
    HASH_DIRECTORY,
    {
      description: "SHA-256 over the SHA-256 of every file under a directory",
      inputSchema: Input,
      outputSchema: HashDirectoryResult,
      task: "required",
      ttl: HOUR_MS,
    },
    hashDirectory,
  );
}

/** Does the work, from the start or from a lost run's checkpoint. */
async function hashDirectory({ dir, pauseMs }: z.infer<typeof Input>, task: TaskContext): Promise<CallToolResult> {
  const saved = Checkpoint.parse(task.checkpoint ?? { hashed: [], hashedBy: {} });
  const before = new Map(saved.hashed.map((file) => [file.path, file]));

  const paths = await listFiles(dir);
  const hashed = paths.map((path) => before.get(path)).filter((file) => file !== undefined);
  const hashedBy = { ...saved.hashedBy };
  const message = () => `${hashed.length} of ${paths.length} files`;
  await task.progress(message());

  let savedAt = performance.now();
  for (const path of paths.filter((path) => !before.has(path))) {
    // The signal ends every wait when the task is cancelled, expires or is taken over.
    if (pauseMs > 0) await sleep(pauseMs, undefined, { signal: task.signal });
    hashed.push(await hashFile(dir, path, task.signal));
    hashedBy[process.pid] = (hashedBy[process.pid] ?? 0) + 1;
    if (performance.now() - savedAt < CHECKPOINT_EVERY_MS) continue;
    await task.progress(message(), { hashed, hashedBy });
    savedAt = performance.now();
  }
  await task.progress(message());

  const result: HashDirectoryResult = { ...digestOf(hashed), attempt: task.attempt, hashedBy };
  return { content: [{ type: "text", text: JSON.stringify(result) }], structuredContent: result };
}

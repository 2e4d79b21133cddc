/**
 * A server over stdio, as a process:
 * `node stdio-server.ts <path of the SQLite file> [<poll interval>]`.
 */
import { fileURLToPath } from "node:url";
import { TasksExtension } from "@mcp-task-store/server";
import { SqliteTaskStore } from "@mcp-task-store/sqlite";
import { storeOptions } from "./places.ts";
import { factoryOf } from "./tools.ts";

export const STDIO_SERVER = fileURLToPath(import.meta.url);

if (process.argv[1] === STDIO_SERVER) {
  const [, , path, pollInterval = storeOptions.pollInterval] = process.argv;
  const store = new SqliteTaskStore({ path, ...storeOptions, pollInterval: Number(pollInterval) });
  const tasks = new TasksExtension({ store, leaseMs: 5000, worker: { claimPollMs: 200 } });
  tasks.serveStdio(factoryOf(tasks));
  // The client ends the server by closing its input.
  process.stdin.once("end", async () => {
    await tasks.close();
    await store.close();
  });
}

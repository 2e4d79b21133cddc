/**
 * A server over stdio, as a process of one user:
 * `node stdio-server.ts <1 or 2, the SDK's generation> <path of the SQLite file> [<user>]`.
 */
import { fileURLToPath } from "node:url";
import { SqliteTaskStore } from "@mcp-task-store/sqlite";
import { StdioServerTransport } from "@modelcontextprotocol/sdk/server/stdio.js";
import { newServer as newServer1 } from "./sdk-1.ts";
import { extensionOn, newServer as newServer2 } from "./sdk-2.ts";

export const STDIO_SERVER = fileURLToPath(import.meta.url);

if (process.argv[1] === STDIO_SERVER) {
  const [, , sdk, path, user] = process.argv as [string, string, string, string, string?];
  // The file has the tasks, and the process has one user.
  if (sdk === "1")
    await newServer1(new SqliteTaskStore({ path, owner: () => user, isolation: "strict" })).connect(
      new StdioServerTransport(),
    );
  else {
    const tasks = extensionOn(new SqliteTaskStore({ path }), () => user);
    tasks.serveStdio(() => newServer2(tasks));
  }
  process.stdin.once("end", () => process.exit());
}

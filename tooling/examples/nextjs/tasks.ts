import { PostgresTaskStore } from "@mcp-task-store/postgres";
import { TasksExtension } from "@mcp-task-store/server";
import { McpServer } from "@modelcontextprotocol/server";
import { z } from "zod";

// Each instance of a function is a process of its own, so the tasks are in a database. No process
// stays, so none takes over tasks or listens: each call of `drain` runs those that wait.
const store = new PostgresTaskStore({ connectionString: process.env["DATABASE_URL"] ?? "", listen: false });
const tasks = new TasksExtension({ store, worker: false });

export function register(server: McpServer): void {
  const inputSchema = z.object({ frames: z.number().int().positive() });
  const config = { inputSchema, task: "required", runs: "worker", ttl: 3_600_000 } as const;
  tasks.registerTool(server, "render", config, async ({ frames }, task) => {
    for (let done = Number(task.checkpoint ?? 0); done < frames; done += 1) {
      task.signal.throwIfAborted();
      // ... render a frame ...
      await task.progress(`${done + 1} of ${frames}`, done + 1);
    }
    return { content: [{ type: "text", text: `${frames} rendered` }] };
  });
}

// So that an instance that has served no client yet knows the tools as well.
register(new McpServer({ name: "studio", version: "1.0.0" }));

/** Runs the tasks that wait, for 50 of the 60 seconds that the routes have (`maxDuration`). */
export function drain() {
  return tasks.drain({ maxMs: 50_000, concurrency: 4 });
}

/** What an MCP client does to call a tool as a task, and to find that task again later. */

import { setTimeout as sleep } from "node:timers/promises";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { CallToolResultSchema, CreateTaskResultSchema, type Task } from "@modelcontextprotocol/sdk/types.js";
import { HASH_DIRECTORY, HashDirectoryResult } from "./hash-directory.ts";

const HOUR_MS = 3_600_000;

/** A new session with a server. */
export async function connect(url: URL, token: string, signal: AbortSignal): Promise<Client> {
  const client = new Client({ name: "durable-demo-client", version: "1.0.0" });
  const headers = { authorization: `Bearer ${token}` };
  const transport = new StreamableHTTPClientTransport(url, { requestInit: { headers } });

  await client.connect(transport, { signal });
  return client;
}

/** Calls the tool as a task and returns at once, with nothing but the task. */
export async function callAsTask(client: Client, args: Record<string, unknown>, signal: AbortSignal): Promise<Task> {
  const call = { method: "tools/call" as const, params: { name: HASH_DIRECTORY, arguments: args } };
  const { task } = await client.request(call, CreateTaskResultSchema, { task: { ttl: HOUR_MS }, signal });
  return task;
}

/**
 * Polls the task, as often as the server wants, and yields each state it sees, and from whom; the last one is terminal.
 * @param clients Sessions of one user, whichever servers they are with. They take turns.
 * @throws Error when nothing has changed for `stallMs`
 */
export async function* follow(
  clients: readonly [Client, ...Client[]],
  taskId: string,
  { stallMs, signal }: { stallMs: number; signal: AbortSignal },
): AsyncGenerator<{ task: Task; client: Client }> {
  let changedAt = performance.now();
  let last = "";
  for (let poll = 0; ; poll++) {
    const client = clients[poll % clients.length] ?? clients[0];
    const task = await client.experimental.tasks.getTask(taskId, { signal });
    yield { task, client };
    if (task.status === "completed" || task.status === "failed" || task.status === "cancelled") return;
    const now = `${task.status} ${task.statusMessage}`;
    if (now !== last) changedAt = performance.now();
    else if (performance.now() - changedAt > stallMs) {
      throw new Error(`the task has been "${now}" for ${Math.round(stallMs / 1000)} s`);
    }
    last = now;
    await sleep(task.pollInterval ?? 1000, undefined, { signal });
  }
}

/** The result of a completed task. @throws McpError when the task failed with an error */
export async function resultOf(client: Client, taskId: string, signal: AbortSignal): Promise<HashDirectoryResult> {
  const result = await client.experimental.tasks.getTaskResult(taskId, CallToolResultSchema, { signal });
  return HashDirectoryResult.parse(result.structuredContent);
}

/** How far the task is, from its status message; nothing of nothing before it has one. */
export function progressOf(task: Task): { done: number; total: number } {
  const [, done = 0, total = 0] = /^(\d+) of (\d+) files$/.exec(task.statusMessage ?? "") ?? [];
  return { done: Number(done), total: Number(total) };
}

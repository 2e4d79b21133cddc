/**
 * An MCP client that calls a tool as a task and finds the task again later, under either protocol.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { rawDispatch } from "@mcp-task-store/server/client";
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import {
  createTaskSessionFromClient,
  resultFromTaskOutcome,
  type TaskEnabledSession,
  type TaskView,
} from "@modelcontextprotocol/ext-tasks/client";
import { taskId as asTaskId } from "@modelcontextprotocol/ext-tasks/core";
import { HASH_DIRECTORY, HashDirectoryResult } from "./hash-directory.ts";
import type { Protocol } from "./options.ts";

const clientInfo = { name: "durable-demo-client", version: "1.0.0" };
const clientCapabilities = { extensions: { "io.modelcontextprotocol/tasks": {} } };

/** A connection to one server. */
export interface Connection {
  readonly session: TaskEnabledSession;
  close(): Promise<void>;
}

export async function connect(url: URL, token: string, protocol: Protocol, signal: AbortSignal): Promise<Connection> {
  const headers = { authorization: `Bearer ${token}` };
  const mode = protocol === "2025-11-25" ? "legacy" : { pin: protocol };
  const client = new Client(clientInfo, { capabilities: clientCapabilities, versionNegotiation: { mode } });
  await client.connect(new StreamableHTTPClientTransport(url, { requestInit: { headers } }), { signal });
  const endpointId = url.href;
  const session =
    protocol === "2025-11-25"
      ? createTaskSessionFromClient(client, { endpointId })
      : createTaskSessionFromClient(client, {
          endpointId,
          rawDispatch: rawDispatch({ url, headers }),
          v2RequestFraming: { protocolVersion: protocol, clientInfo, clientCapabilities },
        });
  const close = async () => {
    await session.close();
    await client.close();
  };
  return { session, close };
}

/** Calls the tool as a task, and returns at once with only the task's id. */
export async function callAsTask(
  { session }: Connection,
  args: { dir: string; pauseMs: number },
  signal: AbortSignal,
): Promise<string> {
  // Clients of 2025-11-25 learn from `tools/list` that it may be called as a task.
  const declaration = { name: HASH_DIRECTORY, inputSchema: { type: "object" }, taskSupport: "required" as const };
  const execution = await session.callTool(HASH_DIRECTORY, args, {
    declaration,
    task: { preference: "require" },
    signal,
  });
  if (execution.kind !== "task") throw new Error("the server answered at once, without a task");
  await execution.detach();
  return execution.handle.taskId;
}

/**
 * Polls the task at the server's interval, and yields each state with its connection. The last
 * state is terminal.
 * @param connections One user's connections to any servers. They take turns.
 * @throws Error when nothing has changed for `stallMs`
 */
export async function* follow(
  connections: readonly [Connection, ...Connection[]],
  taskId: string,
  { stallMs, signal }: { stallMs: number; signal: AbortSignal },
): AsyncGenerator<{ task: TaskView; connection: Connection }> {
  let changedAt = performance.now();
  let last = "";
  for (let poll = 0; ; poll++) {
    const connection = connections[poll % connections.length] ?? connections[0];
    const task = await taskOf(connection, taskId, signal);
    yield { task, connection };
    if (task.status === "completed" || task.status === "failed" || task.status === "cancelled") return;
    const now = `${task.status} ${task.statusMessage}`;
    if (now !== last) changedAt = performance.now();
    else if (performance.now() - changedAt > stallMs) {
      throw new Error(`the task has been "${now}" for ${Math.round(stallMs / 1000)} s`);
    }
    last = now;
    await sleep(task.suggestedPollIntervalMs ?? 1000, undefined, { signal });
  }
}

/** The task as the server shows it. @throws Error when it shows none */
export function taskOf({ session }: Connection, taskId: string, signal: AbortSignal): Promise<TaskView> {
  return session.task(asTaskId(taskId)).snapshot(signal);
}

/** The result of a completed task. @throws Error when the task failed with an error */
export async function resultOf(
  { session }: Connection,
  taskId: string,
  signal: AbortSignal,
): Promise<HashDirectoryResult> {
  const result = resultFromTaskOutcome(await session.task(asTaskId(taskId)).result({ signal }));
  return HashDirectoryResult.parse(result.structuredContent);
}

/** The progress in the status message, or 0 of 0 before there is one. */
export function progressOf(task: TaskView): { done: number; total: number } {
  const [, done = 0, total = 0] = /^(\d+) of (\d+) files$/.exec(task.statusMessage ?? "") ?? [];
  return { done: Number(done), total: Number(total) };
}

/** What an MCP client does to call a tool as a task, and to find that task again later, under either protocol. */
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import {
  createTaskSessionFromClient,
  type RawClientDispatch,
  resultFromTaskOutcome,
  type TaskEnabledSession,
  type TaskView,
} from "@modelcontextprotocol/ext-tasks/client";
import { taskId as asTaskId, type JsonValue } from "@modelcontextprotocol/ext-tasks/core";
import type { ErrorV2 } from "@modelcontextprotocol/ext-tasks/core/v2";
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
          rawDispatch: dispatcher(url, headers, protocol),
          v2RequestFraming: { protocolVersion: protocol, clientInfo, clientCapabilities },
        });
  const close = async () => {
    await session.close();
    await client.close();
  };
  return { session, close };
}

/** The SDK's client refuses answers that are tasks: the extension's requests go out as they are. */
function dispatcher(url: URL, authorization: Record<string, string>, protocol: Protocol): RawClientDispatch {
  return async (request, options) => {
    const { method, params } = request as { method: string; params: { name?: string; taskId?: string } };
    const headers = new Headers({
      ...authorization,
      "content-type": "application/json",
      accept: "application/json, text/event-stream",
      "mcp-protocol-version": protocol,
      "mcp-method": method,
    });
    const name = params.name ?? params.taskId;
    if (name !== undefined) headers.set("mcp-name", name);
    const body = JSON.stringify({ jsonrpc: "2.0", id: randomUUID(), method, params });
    const response = await fetch(url, { method: "POST", headers, body, signal: options?.signal ?? null });
    const answer = (await response.json()) as { result: JsonValue } | { error: ErrorV2 };
    return "error" in answer ? { kind: "error", ...answer } : { kind: "result", ...answer };
  };
}

/** Calls the tool as a task and returns at once, with nothing but the id of the task. */
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
 * Polls the task, as often as the server wants, and yields each state it sees, and from whom; the last one is terminal.
 * @param connections Of one user, to whichever servers. They take turns.
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

/** How far the task is, from its status message; nothing of nothing before it has one. */
export function progressOf(task: TaskView): { done: number; total: number } {
  const [, done = 0, total = 0] = /^(\d+) of (\d+) files$/.exec(task.statusMessage ?? "") ?? [];
  return { done: Number(done), total: Number(total) };
}

import { RELATED_TASK_META_KEY } from "@mcp-task-store/core";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import type { ResponseMessage } from "@modelcontextprotocol/sdk/shared/responseMessage.js";
import type { Transport } from "@modelcontextprotocol/sdk/shared/transport.js";
import {
  CallToolResultSchema,
  CreateMessageRequestSchema,
  type CreateTaskResult,
  CreateTaskResultSchema,
  ElicitRequestSchema,
  type Result,
  type Task,
  TaskStatusNotificationSchema,
} from "@modelcontextprotocol/sdk/types.js";
import { STDIO_SERVER } from "./stdio-server.ts";

export interface LegacyClient extends AsyncDisposable {
  readonly client: Client;
  /** The questions to the application, in order, each with the id of its task. */
  readonly asked: readonly { method: string; taskId: unknown }[];
  /** The task of each `notifications/tasks/status`, in order. */
  readonly told: readonly Task[];
  /** Resolves once a notification has this status. */
  toldOf(taskId: string, status: Task["status"]): Promise<Task>;
}

export interface LegacyOptions {
  user?: string;
  /** Default: elicitation and sampling. */
  capabilities?: { elicitation?: { form?: Record<string, unknown> }; sampling?: Record<string, never> };
  /** The user's answer. Default: Ada. */
  name?: string;
  /** `false`: the user never answers. */
  answers?: boolean;
}

export function connectHttp(url: string, options: LegacyOptions = {}): Promise<LegacyClient> {
  const headers: Record<string, string> = options.user === undefined ? {} : { authorization: `Bearer ${options.user}` };
  const transport = new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers } });
  // The SDK's own types disagree under exactOptionalPropertyTypes.
  return connect(transport as Transport, options);
}

/** Starts a server for this client, which ends with it. */
export function connectStdio(path: string, options: LegacyOptions = {}): Promise<LegacyClient> {
  return connect(new StdioClientTransport({ command: process.execPath, args: [STDIO_SERVER, path] }), options);
}

/** The client of SDK 1.x, which speaks 2025-11-25. */
async function connect(
  transport: Transport,
  { capabilities = { elicitation: { form: {} }, sampling: {} }, name = "Ada", answers = true }: LegacyOptions,
): Promise<LegacyClient> {
  const client = new Client({ name: "sdk-1-client", version: "1.0.0" }, { capabilities });
  const asked: { method: string; taskId: unknown }[] = [];
  const told: Task[] = [];
  let wake = Promise.withResolvers<void>();
  const note = ({ method, params }: { method: string; params: { _meta?: Record<string, unknown> | undefined } }) => {
    const related = params._meta?.[RELATED_TASK_META_KEY] as { taskId: string } | undefined;
    asked.push({ method, taskId: related?.taskId });
  };
  if (capabilities.elicitation)
    client.setRequestHandler(ElicitRequestSchema, async (request) => {
      note(request);
      if (!answers) await new Promise<never>(() => undefined);
      return { action: "accept", content: { name } };
    });
  if (capabilities.sampling)
    client.setRequestHandler(CreateMessageRequestSchema, (request) => {
      note(request);
      return { model: "deep", role: "assistant", content: { type: "text", text: "42" } };
    });
  client.setNotificationHandler(TaskStatusNotificationSchema, ({ params }) => {
    told.push(params);
    wake.resolve();
    wake = Promise.withResolvers();
  });
  await client.connect(transport);
  return {
    client,
    asked,
    told,
    async toldOf(taskId, status) {
      while (true) {
        const found = told.find((task) => task.taskId === taskId && task.status === status);
        if (found) return found;
        await wake.promise;
      }
    },
    async [Symbol.asyncDispose]() {
      await client.close();
    },
  };
}

/** Calls the tool with a request for a task. */
export function callAsTask({ client }: LegacyClient, name: string, args = {}, task = {}): Promise<CreateTaskResult> {
  return client.request({ method: "tools/call", params: { name, arguments: args, task } }, CreateTaskResultSchema);
}

export function resultOf({ client }: LegacyClient, taskId: string): Promise<Result> {
  return client.experimental.tasks.getTaskResult(taskId, CallToolResultSchema);
}

/** All messages of `callToolStream`. */
export async function streamed({ client }: LegacyClient, name: string, args = {}): Promise<ResponseMessage<Result>[]> {
  const stream = client.experimental.tasks.callToolStream({ name, arguments: args }, CallToolResultSchema, {
    task: {},
  });
  const messages: ResponseMessage<Result>[] = [];
  for await (const message of stream) messages.push(message);
  return messages;
}

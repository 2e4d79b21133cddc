import type { RunTaskOptions, TaskContext, TaskStore, WorkerOptions } from "@mcp-task-store/core";
import type {
  CallToolResult,
  Icon,
  InputRequiredResult,
  ScopeChallengeHandler,
  ServerContext,
  StandardSchemaWithJSON,
  ToolAnnotations,
} from "@modelcontextprotocol/server";
import type { TaskCaller } from "./callers.ts";

export interface TasksExtensionOptions extends Pick<RunTaskOptions, "leaseMs" | "heartbeatMs"> {
  /** Any store. It outlives servers and requests; close it after the extension. */
  store: TaskStore;
  /**
   * Whose tasks a caller makes and sees; `undefined` = an anonymous caller's. Anonymous callers share what they know the ids of, and see no task of
   * an owner. Default: `authInfo.clientId` with `authInfo.extra.sub`, or else the 2025-11-25 session.
   */
  owner?: ((caller: TaskCaller) => string | undefined) | undefined;
  /**
   * The worker that takes over what a lost server ran, in each process in which a tool that runs on the server was registered: see `startWorker` of
   * core; here with `concurrency` 10 unless you say otherwise. `false` = this process takes over nothing.
   */
  worker?: WorkerOptions | false | undefined;
  /** Tasks that one `subscriptions/listen` may name; further ones are not acknowledged. Default 100. */
  maxTasksPerSubscription?: number | undefined;
  /** Told of failures that no answer can report. Default: a process warning. */
  onError?: ((error: Error) => void) | undefined;
}

/**
 * `never`: always answers at once. `optional`: a task if the client can have one. `required`: always a task, and an error for
 * clients that cannot have one.
 */
export type TaskMode = "never" | "optional" | "required";

type Awaitable<T> = T | Promise<T>;

/** The arguments of a tool, as its schema gives them. */
export type ToolArguments<Input> = Input extends StandardSchemaWithJSON
  ? StandardSchemaWithJSON.InferOutput<Input>
  : Record<string, unknown> | undefined;

/** How a tool that may run as a task is registered: what `McpServer.registerTool` takes, and how its tasks are made. */
export interface TaskToolConfig<
  Input extends StandardSchemaWithJSON | undefined = undefined,
  Output extends StandardSchemaWithJSON | undefined = undefined,
> {
  title?: string;
  description?: string;
  inputSchema?: Input;
  outputSchema?: Output;
  annotations?: ToolAnnotations;
  icons?: Icon[];
  scopeChallenge?: ScopeChallengeHandler;
  _meta?: Record<string, unknown>;
  /** Whether calls become tasks; a function decides for each call. Default `optional`. */
  task?: TaskMode | ((args: ToolArguments<Input>, ctx: ServerContext) => Awaitable<TaskMode>) | undefined;
  /**
   * Runs in the request, before there is a task. Returns an `inputRequired(...)` result to ask the client first, who then calls again (the
   * answers are in `ctx.mcpReq.inputResponses`); or JSON for the handler, which finds it in `task.context`, in whichever process it runs.
   */
  prepare?:
    | ((args: ToolArguments<Input>, ctx: ServerContext) => Awaitable<InputRequiredResult | Context | undefined>)
    | undefined;
  /**
   * Milliseconds in which a call may end without a task, for clients of 2026-07-28: only a call that takes longer, or asks something, makes one. Until
   * then nothing is stored, and a call whose server dies is lost. Default: the task is made first.
   */
  answerWithinMs?: number | undefined;
  /**
   * What becomes of a task whose server was lost: `rerun`, in another process and up to the worker's `maxAttempts`, so that the handler may run
   * more than once; `fail`, with an error. Default `rerun`.
   */
  onLost?: "rerun" | "fail" | undefined;
  /** `server`: in the process that answers the call. `worker`: only in processes that called `startWorker`. Default `server`. */
  runs?: "server" | "worker" | undefined;
  /** Milliseconds to keep a task; `null` = for ever. Clients of 2025-11-25 may ask for another. Default: the store's. Clamped to the store's `limits.ttl`. */
  ttl?: number | null | undefined;
  /** Milliseconds that clients should leave between two polls. Default: the store's. */
  pollInterval?: number | undefined;
  /** The task fails when the handler takes longer than that many milliseconds. Default: no deadline. */
  timeoutMs?: number | undefined;
  /** How long `task.elicit` and `task.sample` wait for an answer, in milliseconds. Default: as long as the task lives. */
  inputTimeoutMs?: number | undefined;
}

/** What `prepare` leaves for the handler. JSON. */
export type Context = Record<string, unknown>;

/**
 * Does the work of a call, as a task or at once; the `task` that it is given works alike. A result with `isError` and an error that
 * is thrown end the call as they do in any tool; a `ProtocolError` that is thrown is the JSON-RPC error of the call.
 */
export type TaskToolHandler<Input extends StandardSchemaWithJSON | undefined = undefined> = (
  args: ToolArguments<Input>,
  task: TaskContext,
) => Awaitable<CallToolResult>;

/** What `tasks.create` takes. */
export interface CreateOptions {
  /** For whoever runs the task. JSON. */
  context?: Context | undefined;
  /** As in `TaskToolConfig`. */
  ttl?: number | null | undefined;
  /** As in `TaskToolConfig`. */
  pollInterval?: number | undefined;
  /** As in `createTask` of core. Default 0: a worker may take it at once. */
  claimAfterMs?: number | undefined;
  /** As in `createTask` of core. */
  taskId?: string | undefined;
}

/** What `tasks.create` resolves to: return it from the tool. The client is sent the task instead of it. */
export interface CreatedTask extends CallToolResult {
  taskId: string;
}

export type OnError = (error: Error) => void;

import type {
  ConcurrencyLimits,
  RetryOptions,
  RunTaskOptions,
  TaskContext,
  TaskStore,
  WorkerOptions,
} from "@mcp-task-store/core";
import type {
  AuthInfo,
  CallToolResult,
  Icon,
  InputRequiredResult,
  ScopeChallengeHandler,
  ServerContext,
  StandardSchemaWithJSON,
  ToolAnnotations,
} from "@modelcontextprotocol/server";

/** The sender of a request. */
export interface TaskCaller {
  /** The result of the server's authentication. The extension never takes it from the request. */
  authInfo?: AuthInfo | undefined;
  /** The id of a 2025-11-25 session over Streamable HTTP. */
  sessionId?: string | undefined;
  /** The HTTP request, if it came by HTTP. */
  request?: globalThis.Request | undefined;
}

/**
 * How much may be open at a time in this process. The server refuses further requests with -32000,
 * and `data.code` is `LIMIT_EXCEEDED`. All anonymous callers count as one owner.
 */
export interface OpenLimits {
  /**
   * Streams of `subscriptions/listen`, with tasks or without.
   * @default 1_024
   */
  maxSubscriptions?: number | undefined;
  /**
   * Streams of one owner.
   * @default 64
   */
  maxSubscriptionsPerOwner?: number | undefined;
  /**
   * Requests that wait for a task: `tasks/result`, and calls that a worker answers at once. As many
   * `tasks/get` may wait with `getWaitMs`, and calls of fallback tools with `waitMs`; the server
   * answers others at once. A task that a
   * connection of 2025-11-25 made counts as well, while the connection gets notifications of it.
   * Beyond the limit the server still makes such a task, and its client polls.
   * @default 10_000
   */
  maxWaits?: number | undefined;
  /**
   * Waits of one owner.
   * @default 1_000
   */
  maxWaitsPerOwner?: number | undefined;
  /**
   * Calls of tools that are being answered: until the result, or until the task is made.
   * @default 20_000
   */
  maxCalls?: number | undefined;
  /**
   * Calls of one owner.
   * @default 2_000
   */
  maxCallsPerOwner?: number | undefined;
  /**
   * Bytes of the bodies of HTTP requests, from their arrival until their answer begins. A request
   * beyond it gets the HTTP status 503 with `Retry-After`. One body has the limit
   * `maxRequestBodySize` of `createMcpHandler` (4 MiB).
   * @default 268_435_456 (256 MiB)
   */
  maxBodyBytes?: number | undefined;
  /**
   * Bytes of one owner. A request beyond it gets the HTTP status 429 with `Retry-After`.
   * @default 67_108_864 (64 MiB)
   */
  maxBodyBytesPerOwner?: number | undefined;
}

/** What is open in this process now: see `OpenLimits`. */
export interface OpenNow {
  /** Streams of `subscriptions/listen`. */
  readonly subscriptions: number;
  /** Requests that wait for a task, and tasks that connections of 2025-11-25 follow. */
  readonly waits: number;
  /** Calls of tools that are being answered. */
  readonly calls: number;
  /** Bytes of request bodies over HTTP. */
  readonly bodyBytes: number;
}

export interface TasksExtensionOptions extends Pick<RunTaskOptions, "leaseMs" | "heartbeatMs">, OpenLimits {
  /** Any store. It outlives servers and requests. Close it after the extension. */
  store: TaskStore;
  /**
   * Maps a caller to the owner of the tasks that it makes and sees. Return `undefined` for
   * anonymous callers. They share one owner: each can reach any anonymous task whose id it knows,
   * and none that has an owner.
   * @default `authInfo.clientId` with `authInfo.extra.sub`, or else the 2025-11-25 session
   * @example owner: ({ authInfo }) => authInfo?.extra?.["sub"] as string | undefined
   */
  owner?: ((caller: TaskCaller) => string | undefined) | undefined;
  /**
   * Options of the worker that takes over the tasks of lost servers (see `startWorker` of core). It
   * starts in each process that registers a tool which runs on the server. Another one with these
   * options runs the tasks of tools with `concurrency`. `false`: this process takes over nothing.
   * @default { concurrency: 10 }
   */
  worker?: WorkerOptions | false | undefined;
  /**
   * Milliseconds that the answer to `tasks/get` of 2026-07-28 may wait for a change while the task
   * works. A client that polls then hears of the change at once, with fewer requests. Stay below
   * the time after which clients and proxies give up a request (the SDK's clients: 60 s). When the
   * extension closes, it answers those that wait.
   * @default 0: the answer is the present state
   */
  getWaitMs?: number | undefined;
  /**
   * How tools answer clients that cannot have a task. A tool may have its own `withoutTasks`.
   * @default "refuse" for `task: "required"`, "inline" for `task: "optional"`
   */
  withoutTasks?: WithoutTasks | undefined;
  /**
   * Tasks that one `subscriptions/listen` may name. Further ones are not acknowledged.
   * @default 100
   */
  maxTasksPerSubscription?: number | undefined;
  /**
   * Called with failures that no answer can report.
   * @default a process warning
   */
  onError?: ((error: Error) => void) | undefined;
}

/**
 * - `never`: every call is answered at once.
 * - `optional`: a call becomes a task if its client can have one.
 * - `required`: every call becomes a task. Clients that cannot have one get an error, or what
 *   `withoutTasks` says.
 */
export type TaskMode = "never" | "optional" | "required";

/**
 * How a tool answers a client that cannot have a task:
 * - `inline`: with its result, as a tool without tasks does.
 * - `tools`: a task is made, and the answer names it and the tools of `registerFallbackTools`.
 * - `refuse`: with the JSON-RPC error -32021, under 2025-11-25 with -32601.
 */
export type WithoutTasks = "inline" | "tools" | "refuse";

type Awaitable<T> = T | Promise<T>;

/** The arguments of a tool, as its schema returns them. */
export type ToolArguments<Input> = Input extends StandardSchemaWithJSON
  ? StandardSchemaWithJSON.InferOutput<Input>
  : Record<string, unknown> | undefined;

/** A task mode, or a function that decides for each call. */
type Decision<Input, Mode extends TaskMode = TaskMode> =
  | Mode
  | ((args: ToolArguments<Input>, ctx: ServerContext) => Awaitable<TaskMode>);

/**
 * Registers a tool that may run as a task: what `McpServer.registerTool` takes, and how the tasks
 * are made.
 */
export type TaskToolConfig<
  Input extends StandardSchemaWithJSON | undefined = undefined,
  Output extends StandardSchemaWithJSON | undefined = undefined,
  Prepared extends object | undefined = Context | undefined,
> = TaskToolOptions<Input, Output, Prepared> &
  // A tool whose calls never become tasks answers all clients alike.
  (
    | { withoutTasks?: undefined }
    | { withoutTasks: WithoutTasks; task?: Decision<Input, "optional" | "required"> | undefined }
  );

/** The options of a tool, which `TaskToolConfig` restricts. */
export interface TaskToolOptions<
  Input extends StandardSchemaWithJSON | undefined,
  Output extends StandardSchemaWithJSON | undefined,
  Prepared extends object | undefined,
> {
  title?: string;
  description?: string;
  inputSchema?: Input;
  outputSchema?: Output;
  annotations?: ToolAnnotations;
  icons?: Icon[];
  scopeChallenge?: ScopeChallengeHandler;
  _meta?: Record<string, unknown>;
  /**
   * Which calls become tasks. A function decides for each call.
   * @default "optional"
   */
  task?: Decision<Input> | undefined;
  /**
   * How the tool answers clients that cannot have a task. `tools` needs `registerFallbackTools` on
   * the server before the tool. The `outputSchema` is then not listed, because the answer that
   * names a task does not fit it.
   * @default the extension's `withoutTasks`
   */
  withoutTasks?: WithoutTasks | undefined;
  /**
   * Runs in the request, before there is a task. Returns `inputRequired(...)` to ask the client,
   * which then calls again with its answers in `ctx.mcpReq.inputResponses`. Any other object (JSON)
   * reaches the handler as `task.context`, in any process.
   */
  prepare?: ((args: ToolArguments<Input>, ctx: ServerContext) => Awaitable<InputRequiredResult | Prepared>) | undefined;
  /**
   * A key under which a call may be repeated: of one owner, calls of this tool with the same key
   * get the same task while it is kept, in any process. A client that lost the answer of a call can
   * then call again. A call with the same key and other arguments gets the error -32602. Runs after
   * `prepare`. `undefined`: this call makes a task of its own. A call that is answered at once in
   * this process makes no task, and `answerWithinMs` does not hold for a call with a key.
   * @default each call makes a task
   * @example dedupe: ({ orderId }) => orderId
   * @example dedupe: (_, ctx) => ctx.mcpReq._meta?.["claudecode/toolUseId"] as string | undefined
   */
  dedupe?: ((args: ToolArguments<Input>, ctx: ServerContext) => Awaitable<string | undefined>) | undefined;
  /**
   * Milliseconds in which a call of 2026-07-28 may end without a task. A call that takes longer, or
   * asks a question, becomes a task then. Until then nothing is stored, and a call whose server
   * dies is lost.
   * @default the task is made first
   */
  answerWithinMs?: number | undefined;
  /**
   * What happens to a task whose server was lost. `rerun`: another process runs the handler again,
   * up to the worker's `maxAttempts`, so the handler may run more than once. `fail`: the task fails
   * with a JSON-RPC error.
   * @default "rerun"
   */
  onLost?: "rerun" | "fail" | undefined;
  /**
   * Repeats the task of a handler that throws: see `retry` of core's runs. Further attempts need a
   * worker, as the extension has by default. The error of the last attempt is the tool's result.
   * `answerWithinMs` does not hold for such a tool, and a call that is answered at once is not
   * repeated.
   * @default the first failure is the result
   */
  retry?: RetryOptions | undefined;
  /**
   * Where the handler runs. `server`: in the process that answers the call. `worker`: only in
   * processes that called `startWorker`. A call that is answered at once then waits for a worker,
   * and is cancelled with its request.
   * @default "server"
   */
  runs?: "server" | "worker" | undefined;
  /**
   * How many calls of this tool may run at once in all processes together, and for each owner. What
   * is over a limit waits, as a task or, if it is answered at once, in its request. Waiting owners
   * take turns. The handler then runs in a worker that this process starts (see the
   * extension's `worker`), unless `runs` is `worker`. Give the same limits in every process.
   * @default no limits
   * @example concurrency: { running: 10, runningPerOwner: 2 }
   */
  concurrency?: ConcurrencyLimits | undefined;
  /**
   * Milliseconds to keep a task, within the store's `limits.ttl`; `null`: for ever. A client of
   * 2025-11-25 may ask for another time.
   * @default the store's
   */
  ttl?: number | null | undefined;
  /**
   * Milliseconds that clients should leave between two polls. `"auto"`: a quarter of the time that
   * the handler took in this process lately, from 100 ms to 10 s; the store's until then.
   * @default the store's
   */
  pollInterval?: number | "auto" | undefined;
  /**
   * The task fails when the handler takes longer than this many milliseconds.
   * @default no deadline
   */
  timeoutMs?: number | undefined;
  /**
   * Milliseconds that `task.elicit` and `task.sample` wait for an answer.
   * @default as long as the task lives
   */
  inputTimeoutMs?: number | undefined;
}

/** The context that the creator of a task leaves for its handler. JSON. */
export type Context = Record<string, unknown>;

/**
 * Does the work of a call, as a task or at once. `task` works the same in both. `task.context` is
 * the value that `prepare` returned. The extension has checked the answers of `task.elicit` against
 * their `requestedSchema`.
 *
 * A result with `isError` and a thrown error end the call as in any tool. A thrown `ProtocolError`
 * is the JSON-RPC error of the call.
 */
export type TaskToolHandler<
  Input extends StandardSchemaWithJSON | undefined = undefined,
  Prepared = Context | undefined,
> = (args: ToolArguments<Input>, task: TaskContext<unknown, Prepared>) => Awaitable<CallToolResult>;

/** One of the tools of `registerFallbackTools`. */
export interface FallbackTool {
  /** @default `task_status`, `task_result`, `task_cancel` or `task_answer` */
  name?: string | undefined;
  title?: string | undefined;
  /** What the model reads about the tool. */
  description?: string | undefined;
}

/** The options of `tasks.registerFallbackTools`. */
export interface FallbackToolsOptions {
  status?: FallbackTool | undefined;
  result?: FallbackTool | undefined;
  cancel?: FallbackTool | undefined;
  answer?: FallbackTool | undefined;
  /**
   * Longest `waitMs` that a call gets, in milliseconds, and the wait of a call for a result without
   * `waitMs`. Stay below the time after which clients and proxies give up a request (the SDK's
   * clients: 60 s).
   * @default 30_000
   */
  maxWaitMs?: number | undefined;
}

/** The options of `tasks.create`. */
export interface CreateOptions {
  /** The context for the handler, as `task.context`. JSON. */
  context?: Context | undefined;
  /**
   * As in `TaskToolConfig`.
   * @default the `ttl` that the client asked for, or else the store's
   */
  ttl?: number | null | undefined;
  /**
   * Milliseconds that clients should leave between two polls.
   * @default the store's
   */
  pollInterval?: number | undefined;
  /**
   * As in `createTask` of core.
   * @default 0: a worker may take the task at once
   */
  claimAfterMs?: number | undefined;
  /**
   * As in `createTask` of core.
   * @default `generateTaskId()`
   */
  taskId?: string | undefined;
  /**
   * As in `createTask` of core: a repetition of the call gets the task that this one made.
   * @default each call makes a task
   */
  dedupeKey?: string | undefined;
}

/** The value of `tasks.create`. Return it from the tool: the client gets the task instead. */
export interface CreatedTask extends CallToolResult {
  taskId: string;
}

export type OnError = (error: Error) => void;

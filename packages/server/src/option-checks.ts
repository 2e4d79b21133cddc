import { TaskStoreError } from "@mcp-task-store/core";
import {
  checkBeside,
  checkOptions,
  checks,
  concurrencyCheck,
  type OptionCheck,
  type OptionTable,
  WORKER_OPTIONS,
} from "@mcp-task-store/core/backend";
import type {
  CreateOptions,
  FallbackTool,
  FallbackToolsOptions,
  TaskMode,
  TasksExtensionOptions,
  TaskToolConfig,
  WithoutTasks,
} from "./options.ts";

const storeCheck: OptionCheck = (value) =>
  typeof (value as { acquireLease?: unknown } | null)?.acquireLease === "function" ? undefined : "a task store";

const withoutTasks = checks.oneOf("inline", "tools", "refuse");

const EXTENSION_OPTIONS: OptionTable<TasksExtensionOptions> = {
  store: storeCheck,
  owner: checks.callable,
  leaseMs: WORKER_OPTIONS.leaseMs,
  heartbeatMs: WORKER_OPTIONS.heartbeatMs,
  worker: checks.or(checks.options(WORKER_OPTIONS), false),
  getWaitMs: checks.number(0),
  withoutTasks,
  maxTasksPerSubscription: checks.number(0),
  maxSubscriptions: checks.number(0),
  maxSubscriptionsPerOwner: checks.number(0),
  maxWaits: checks.number(0),
  maxWaitsPerOwner: checks.number(0),
  maxCalls: checks.number(0),
  maxCallsPerOwner: checks.number(0),
  maxBodyBytes: checks.number(0),
  maxBodyBytesPerOwner: checks.number(0),
  onError: checks.callable,
};

const ttl = checks.or(checks.number(0), null);

/** The fields that `McpServer.registerTool` takes are checked there. */
const TOOL_OPTIONS: OptionTable<TaskToolConfig> = {
  title: checks.anything,
  description: checks.anything,
  inputSchema: checks.anything,
  outputSchema: checks.anything,
  annotations: checks.anything,
  icons: checks.anything,
  scopeChallenge: checks.anything,
  _meta: checks.anything,
  task: (value) =>
    typeof value === "function" ? undefined : checks.oneOf("never", "optional", "required")(value, "", "") && MODES,
  withoutTasks,
  prepare: checks.callable,
  dedupe: checks.callable,
  answerWithinMs: WORKER_OPTIONS.timeoutMs,
  onLost: checks.oneOf("rerun", "fail"),
  retry: WORKER_OPTIONS.retry,
  runs: checks.oneOf("server", "worker"),
  concurrency: concurrencyCheck,
  ttl,
  pollInterval: (value, ...where) =>
    value === "auto" ? undefined : checks.number(0)(value, ...where) && '"auto" or a number of milliseconds',
  timeoutMs: WORKER_OPTIONS.timeoutMs,
  inputTimeoutMs: WORKER_OPTIONS.inputTimeoutMs,
};
const MODES = '"never", "optional", "required" or a function';

const FALLBACK_TOOL: OptionTable<FallbackTool> = {
  name: checks.text,
  title: checks.text,
  description: checks.text,
};

export const FALLBACK_OPTIONS: OptionTable<FallbackToolsOptions> = {
  status: checks.options(FALLBACK_TOOL),
  result: checks.options(FALLBACK_TOOL),
  cancel: checks.options(FALLBACK_TOOL),
  answer: checks.options(FALLBACK_TOOL),
  maxWaitMs: checks.milliseconds(0),
};

export const CREATE_OPTIONS: OptionTable<CreateOptions> = {
  context: checks.object,
  ttl,
  pollInterval: checks.number(0),
  claimAfterMs: checks.number(0),
  taskId: checks.text,
  dedupeKey: checks.text,
};

/** @throws TaskStoreError `INVALID_ARGUMENT` */
export function checkExtension(options: TasksExtensionOptions): void {
  checkOptions("TasksExtension", options, EXTENSION_OPTIONS);
  if (options.store === undefined) throw new TaskStoreError("INVALID_ARGUMENT", "TasksExtension needs a store");
}

/** @throws TaskStoreError `INVALID_ARGUMENT` */
export function checkTool(
  name: string,
  config: TaskToolConfig,
  handler: unknown,
  worker: TasksExtensionOptions["worker"],
): void {
  checkOptions("registerTool", config, TOOL_OPTIONS);
  // Work that begins before its task would not count.
  checkBeside(config, "concurrency", ["answerWithinMs"]);
  if (config.concurrency !== undefined && config.runs !== "worker" && worker === false)
    throw new TaskStoreError(
      "INVALID_ARGUMENT",
      `Tool ${JSON.stringify(name)} has concurrency, so its tasks run in a worker: give it runs: "worker", or leave out the extension's worker: false`,
    );
  if (config.withoutTasks !== undefined && (config.task as TaskMode) === "never")
    throw new TaskStoreError(
      "INVALID_ARGUMENT",
      'withoutTasks has no effect beside task: "never", whose calls never become tasks: leave it out',
    );
  const missing = handler === undefined && config.runs !== "worker";
  if (missing || (handler !== undefined && typeof handler !== "function"))
    throw new TaskStoreError(
      "INVALID_ARGUMENT",
      `Tool ${JSON.stringify(name)} needs a handler that is a function, or runs: "worker"`,
    );
}

/**
 * Refuses a tool whose answers would name tools that its server does not have.
 * @throws TaskStoreError `INVALID_ARGUMENT`
 */
export function checkFallback(
  name: string,
  withoutTasks: WithoutTasks | undefined,
  fallback: object | undefined,
): void {
  if (withoutTasks === "tools" && !fallback)
    throw new TaskStoreError(
      "INVALID_ARGUMENT",
      `Call registerFallbackTools on the server before you register the tool ${JSON.stringify(name)}, whose withoutTasks is "tools"`,
    );
}

/**
 * Refuses the SDK's own limit of subscriptions, which would count all owners together.
 * @throws TaskStoreError `INVALID_ARGUMENT`
 */
export function refuseLimit(options: object): void {
  if ("maxSubscriptions" in options && options.maxSubscriptions !== undefined)
    throw new TaskStoreError(
      "INVALID_ARGUMENT",
      "maxSubscriptions is an option of TasksExtension: pass it to the constructor",
    );
}

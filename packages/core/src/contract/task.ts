import { randomFillSync } from "node:crypto";

/**
 * Status of a task.
 * @see MCP 2025-11-25, Tasks, "Task Status Lifecycle"; SEP-2663, "Task status"
 */
export type TaskStatus = "working" | "input_required" | "completed" | "failed" | "cancelled";

/** A status in which a task can still change. */
export type ActiveStatus = "working" | "input_required";

/** A status in which a task never changes again. */
export type TerminalStatus = "completed" | "failed" | "cancelled";

/**
 * A task as it goes over the wire, with these fields and no other.
 * @see MCP 2025-11-25, schema `Task`
 */
export interface Task {
  taskId: string;
  status: TaskStatus;
  /**
   * Milliseconds the task is kept; `null` = for ever. This is the value in force, not the one asked
   * for.
   */
  ttl: number | null;
  /** ISO 8601, UTC. */
  createdAt: string;
  /** ISO 8601, UTC: when the status, the message, the inputs or the outcome last changed. */
  lastUpdatedAt: string;
  /** Milliseconds a requestor should leave between two polls. */
  pollInterval?: number | undefined;
  statusMessage?: string | undefined;
}

/** A task that was created under a `dedupeKey`. */
export interface CreatedTask extends Task {
  /** `false`: the key has made this task before. */
  created: boolean;
}

/**
 * `_meta` key that ties a message to its task. @see MCP 2025-11-25, Tasks, "Related Task Metadata"
 */
export const RELATED_TASK_META_KEY = "io.modelcontextprotocol/related-task";

/**
 * `_meta` key of a `CreateTaskResult`: text that the host may hand to the model while the task
 * runs.
 * @see MCP 2025-11-25, Tasks, "Creating Tasks"
 */
export const MODEL_IMMEDIATE_RESPONSE_META_KEY = "io.modelcontextprotocol/model-immediate-response";

/** `_meta` of a request or a result. */
export interface Meta {
  progressToken?: string | number | undefined;
  [RELATED_TASK_META_KEY]?: { taskId: string } | undefined;
  [key: string]: unknown;
}

/**
 * The result of a request, for instance a `CallToolResult`. @see MCP 2025-11-25, schema `Result`
 */
export interface Result {
  _meta?: Meta | undefined;
  [key: string]: unknown;
}

/** A request without its JSON-RPC envelope. @see MCP 2025-11-25, schema `Request` */
export interface Request {
  method: string;
  params?: { _meta?: Meta | undefined; [key: string]: unknown } | undefined;
}

/** @see JSON-RPC 2.0, section 4 */
export type RequestId = string | number;

/** @see JSON-RPC 2.0, section 5.1 */
export interface ErrorObject {
  code: number;
  message: string;
  data?: unknown;
}

const ACTIVE: readonly ActiveStatus[] = Object.freeze(["working", "input_required"]);
const ALL: readonly TaskStatus[] = Object.freeze([...ACTIVE, "completed", "failed", "cancelled"]);
const NONE: readonly TaskStatus[] = Object.freeze([]);

/**
 * The statuses that may follow each status. Any active status may go to any status, itself included
 * (`working` to `working` is progress); nothing follows a terminal one.
 * @see MCP 2025-11-25, Tasks, "Task Status Lifecycle"
 */
export const TRANSITIONS: Readonly<Record<TaskStatus, readonly TaskStatus[]>> = Object.freeze({
  working: ALL,
  input_required: ALL,
  completed: NONE,
  failed: NONE,
  cancelled: NONE,
});

/** True when `value` is one of the five task statuses. */
export function isTaskStatus(value: unknown): value is TaskStatus {
  return typeof value === "string" && Object.hasOwn(TRANSITIONS, value);
}

/** True when a task in this status never changes again. */
export function isTerminal(status: TaskStatus): status is TerminalStatus {
  return TRANSITIONS[status].length === 0;
}

/** True when a task may go from one status to the other. */
export function isValidTransition(from: TaskStatus, to: TaskStatus): boolean {
  return TRANSITIONS[from].includes(to);
}

/**
 * Random bytes for many ids, drawn at once, because one draw per id is slow (in memory, a fifth of
 * a whole lifecycle).
 */
const random = Buffer.alloc(16 * 256);
let used = random.length;

/**
 * A new task id: 32 hexadecimal digits, 128 bits from the system's cryptographic generator.
 * @see MCP 2025-11-25, Tasks, "Task ID Requirements" and "Security Considerations"
 */
export function generateTaskId(): string {
  if (used === random.length) {
    randomFillSync(random);
    used = 0;
  }
  used += 16;
  return random.toString("hex", used - 16, used);
}

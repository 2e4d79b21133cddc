import type {
  BulkOutcome,
  Capabilities,
  HistoryEntry,
  Holder,
  InputRequest,
  StuckReason,
  TaskStats,
  TaskStatus,
} from "@mcp-task-store/core";
import type { Action } from "./access.ts";

// What the JSON API answers: tooling/docs/reference/dashboard-api.md describes it.

/** `GET api/v1/session` */
export interface SessionAnswer {
  user?: string;
  stores: { name: string; capabilities: Capabilities }[];
  /** What this visitor may do. */
  actions: Action[];
  /** The owners whose tasks the visitor sees; absent = all. */
  owners?: readonly (string | null)[];
  payloads: boolean;
  /** The words of the filter language, each with a line of help. */
  words: Readonly<Record<string, string>>;
}

export interface TaskRow {
  taskId: string;
  name: string;
  owner: string | null;
  status: TaskStatus;
  statusMessage?: string;
  revision: number;
  createdAt: string;
  changedAt: string;
  endedAt?: string;
  expiresAt?: string;
  /** From then on a worker may take the task. */
  claimableAt?: string;
  attempt: number;
  holder?: Holder;
  stuck?: StuckReason;
}

/** `GET .../tasks` */
export interface TasksAnswer {
  tasks: TaskRow[];
  nextCursor?: string;
  /** How many tasks the store looked at for this page. */
  scanned: number;
  /** The store's time, or the server's. */
  at: string;
}

/** `GET .../tasks/{id}` */
export interface TaskAnswer extends TaskRow, Unreadable {
  ttl: number | null;
  pollInterval?: number;
  history: readonly HistoryEntry[];
  /** Open questions, by key. */
  questions: Record<string, InputRequest>;
  rerunOf?: string;
  at: string;
}

/** Of a task or its payloads: what the server has no key for. */
export interface Unreadable {
  unreadable?: readonly string[];
}

/** `GET .../tasks/{id}/payloads` */
export interface PayloadsAnswer extends Unreadable {
  requestId?: string | number;
  request?: unknown;
  context?: unknown;
  result?: unknown;
  error?: unknown;
  checkpoint?: unknown;
}

/** `GET .../stats` */
export type StatsAnswer = TaskStats;

export interface WorkerRow extends Holder {
  tasks: {
    taskId: string;
    name: string;
    owner: string | null;
    since: string;
    attempt: number;
    statusMessage?: string;
  }[];
}

/** `GET .../workers` */
export interface WorkersAnswer {
  workers: WorkerRow[];
  /** Whether these are all. */
  complete: boolean;
  at: string;
}

/** A line of the answer to an act on a filter. The last line has an outcome or an error. */
export type BulkLine =
  | { progress: BulkOutcome }
  | { outcome: BulkOutcome; dryRun: boolean }
  | { error: { code: string; message: string } };

export interface ErrorAnswer {
  error: { code: string; message: string };
}

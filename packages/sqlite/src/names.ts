/** The default prefix of the table names. */
export const DEFAULT_TABLE_PREFIX = "mcp_";

/**
 * The columns of a task under core's names. Statements take the names from here and not from
 * drizzle's tables, whose modules take half a second to load.
 */
export const COLUMNS = {
  position: "position",
  taskId: "task_id",
  owner: "owner",
  name: "name",
  status: "status",
  createdAt: "created_at",
  updatedAt: "updated_at",
  ttl: "ttl",
  expiresAt: "expires_at",
  pollInterval: "poll_interval",
  revision: "revision",
  attempt: "attempt",
  leaseToken: "lease_token",
  leaseExpiresAt: "lease_expires_at",
  statusMessage: "status_message",
  request: "request",
  inputs: "inputs",
  checkpoint: "checkpoint",
  outcome: "outcome",
  history: "history",
  placeToken: "place_token",
} as const;

const TABLES = [
  "tasks",
  "payloads",
  "listeners",
  "changes",
  "messages",
  "paused",
  "turns",
  "notifiers",
  "events",
  "store",
  "migrations",
] as const;

/** The names of the tables. */
export function namesOf(tablePrefix: string): Record<(typeof TABLES)[number], string> {
  return Object.fromEntries(TABLES.map((table) => [table, `${tablePrefix}${table}`])) as ReturnType<typeof namesOf>;
}

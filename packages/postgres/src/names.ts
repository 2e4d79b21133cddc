/** The default database schema. */
export const DEFAULT_SCHEMA = "mcp_tasks";

/**
 * The columns of a task under core's names. Statements take the names from here and not from
 * drizzle's tables, whose modules take a second to load.
 */
export const COLUMNS = {
  position: "position",
  createdAt: "created_at",
  updatedAt: "updated_at",
  changedSecond: "changed_second",
  ttl: "ttl",
  expiresAt: "expires_at",
  leaseExpiresAt: "lease_expires_at",
  leaseToken: "lease_token",
  pollInterval: "poll_interval",
  revision: "revision",
  attempt: "attempt",
  taskId: "task_id",
  owner: "owner",
  name: "name",
  status: "status",
  statusMessage: "status_message",
  request: "request",
  inputs: "inputs",
  checkpoint: "checkpoint",
  outcome: "outcome",
  history: "history",
  placeToken: "place_token",
} as const;

export const TABLES = {
  tasks: "tasks",
  messages: "task_messages",
  store: "task_store",
  pauses: "task_pauses",
  steps: "task_steps",
  turns: "task_turns",
  notifiers: "task_notifiers",
  events: "task_events",
  migrations: "task_store_migrations",
} as const;

/** The names of the tables, qualified and quoted, for the statements. */
export function namesOf(schemaName: string): Record<keyof typeof TABLES, string> {
  const name = (table: keyof typeof TABLES) => `${quoted(schemaName)}.${TABLES[table]}`;
  return {
    tasks: name("tasks"),
    messages: name("messages"),
    store: name("store"),
    pauses: name("pauses"),
    steps: name("steps"),
    turns: name("turns"),
    notifiers: name("notifiers"),
    events: name("events"),
    migrations: name("migrations"),
  };
}

export function quoted(identifier: string): string {
  return `"${identifier.replaceAll('"', '""')}"`;
}

export type { Access, AccessGrant, Action } from "./access.ts";
export type { AuditEntry, AuditTarget } from "./audit.ts";
export { createDashboard, type Dashboard } from "./dashboard.ts";
export type { DashboardOptions } from "./options.ts";
export { type PayloadPlace, redactSecrets } from "./redact.ts";
export type {
  BulkLine,
  ErrorAnswer,
  PayloadsAnswer,
  SessionAnswer,
  StatsAnswer,
  TaskAnswer,
  TaskRow,
  TasksAnswer,
  WorkerRow,
  WorkersAnswer,
} from "./wire.ts";

import type { TaskStore } from "@mcp-task-store/core";
import { checkOptions, checks, type OptionTable } from "@mcp-task-store/core/backend";
import type { Access } from "./access.ts";
import type { AuditEntry } from "./audit.ts";
import type { PayloadPlace } from "./redact.ts";

export interface DashboardOptions {
  /** The stores to show, by the names that the pages and the addresses have. */
  stores: Readonly<Record<string, TaskStore>>;
  /**
   * Says what the sender of a request may see and do. It is asked for every request except
   * `/healthz` and `/readyz`. If it throws, the request is refused.
   */
  access: (request: Request) => Access | Promise<Access>;
  /**
   * The path below which the dashboard is served, such as `/ops`.
   * @default "/"
   */
  basePath?: string | undefined;
  /**
   * Changes what the browser gets of a payload, a question or a status message. The value is JSON,
   * and a copy that it may change. The schema of a form (`requestedSchema`) is shown as it is.
   * @default `redactSecrets`
   */
  redact?: ((value: unknown, place: PayloadPlace) => unknown) | undefined;
  /**
   * Called before and after each act. If the call before it throws or rejects, the act is not done.
   * @default none
   */
  onAudit?: ((entry: AuditEntry) => void | Promise<void>) | undefined;
  /**
   * Hosts that requests may name, with the port, such as `localhost:3000`. Name them for a
   * dashboard that trusts everybody who reaches it: a page of another host could reach it by DNS
   * rebinding.
   * @default any host
   */
  allowedHosts?: readonly string[] | undefined;
  /**
   * Origins beside the dashboard's own whose pages may send acts, for a proxy that changes the
   * host.
   * @default none
   */
  allowedOrigins?: readonly string[] | undefined;
  /**
   * Most tasks that a page of a search, or the statistics, may look at.
   * @default 100_000
   */
  scan?: number | undefined;
  /**
   * Streams of events and acts on filters that may be open at a time. Beyond it, a request gets the
   * status 503.
   * @default 500
   */
  maxStreams?: number | undefined;
  /**
   * Streams of one `user`. Visitors without `user` count as one. Beyond it, a request gets the
   * status 429.
   * @default 100
   */
  maxStreamsPerUser?: number | undefined;
  /**
   * Called with failures that the browser gets only as "failed".
   * @default a process warning
   */
  onError?: ((error: unknown) => void) | undefined;
}

const texts = (value: unknown) =>
  Array.isArray(value) && value.every((each) => typeof each === "string") ? undefined : "an array of strings";

const OPTIONS: OptionTable<DashboardOptions> = {
  stores: (value) =>
    checks.object(value) ??
    (Object.keys(value as object).length > 0 && Object.values(value as object).every(isStore)
      ? undefined
      : "an object with at least one store"),
  access: checks.callable,
  basePath: (value) =>
    typeof value === "string" && isPath(value) ? undefined : "a path that begins with /, percent-encoded",
  redact: checks.callable,
  onAudit: checks.callable,
  allowedHosts: texts,
  allowedOrigins: texts,
  scan: checks.whole(1),
  maxStreams: checks.whole(0),
  maxStreamsPerUser: checks.whole(0),
  onError: checks.callable,
};

/** Whether addresses have this path as it is written. */
function isPath(value: string): boolean {
  return value.startsWith("/") && !value.includes("//") && new URL(value, "http://localhost").pathname === value;
}

function isStore(value: unknown): boolean {
  return typeof value === "object" && value !== null && "operations" in value;
}

/** @throws TaskStoreError `INVALID_ARGUMENT` */
export function checkDashboardOptions(options: DashboardOptions): void {
  checkOptions("createDashboard", options, OPTIONS);
  for (const name of ["stores", "access"] as const)
    checkOptions("createDashboard", { [name]: options[name] ?? null }, OPTIONS);
}

import { type AuditEntry, createDashboard, type Dashboard, type DashboardOptions } from "@mcp-task-store/dashboard";
import { MemoryTaskStore, type TaskStore } from "@mcp-task-store/memory";
import { onTestFinished } from "vitest";

export const BASE = "http://localhost/ops";

export interface Scene {
  readonly store: TaskStore;
  readonly dashboard: Dashboard;
  readonly audit: AuditEntry[];
  /** A call of the API, below `api/v1/`. */
  get<Answer>(path: string, headers?: Record<string, string>): Promise<Answer>;
  post<Answer>(path: string, body: unknown): Promise<Answer>;
  /** Like these, but with the answer as it came. */
  raw(path: string, init?: RequestInit): Promise<Response>;
}

/** A dashboard of a memory store, whose visitor may do everything. */
export function scene(options: Partial<DashboardOptions> = {}): Scene {
  const store = new MemoryTaskStore({ claimAfterMs: 0 });
  const audit: AuditEntry[] = [];
  const dashboard = createDashboard({
    stores: { main: store },
    access: () => ({ may: "all", user: "ada" }),
    basePath: "/ops",
    onAudit: (entry) => void audit.push(entry),
    ...options,
  });
  onTestFinished(async () => {
    await dashboard.close();
    await store.close();
  });
  const raw = (path: string, init?: RequestInit) => dashboard.fetch(new Request(`${BASE}/${path}`, init));
  const read = async <Answer>(response: Response): Promise<Answer> => {
    if (!response.ok)
      throw Object.assign(new Error(`${response.status} ${await response.clone().text()}`), { response });
    return (await response.json()) as Answer;
  };
  return {
    store,
    dashboard,
    audit,
    raw,
    get: async (path, headers = {}) => read(await raw(`api/v1/${path}`, { headers })),
    post: async (path, body) => read(await raw(`api/v1/${path}`, posted(body))),
  };
}

export function posted(body: unknown, headers: Record<string, string> = {}): RequestInit {
  return { method: "POST", headers: { "content-type": "application/json", ...headers }, body: JSON.stringify(body) };
}

/** The lines of an answer of JSON lines. */
export async function linesOf<Line>(response: Response): Promise<Line[]> {
  return (await response.text())
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
}

import type {
  BulkLine,
  ErrorAnswer,
  PayloadsAnswer,
  SessionAnswer,
  StatsAnswer,
  TaskAnswer,
  TasksAnswer,
  WorkersAnswer,
} from "../src/wire.ts";

// Calls of the JSON API. Addresses are relative to the page's base.

/** A refusal of the API, with its words. */
export class ApiError extends Error {
  readonly status: number;
  readonly code: string;

  constructor(status: number, code: string, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

export type BulkAction = "cancel" | "remove" | "rerun";
export type TaskAction = "cancel" | "requeue" | "rerun" | "remove" | "answer";

const address = (...parts: readonly string[]) => `api/v1/${parts.map(encodeURIComponent).join("/")}`;

async function answered<Answer>(response: Response): Promise<Answer> {
  // A login page in place of an answer.
  const lost = response.type === "opaqueredirect" || response.status === 401;
  if (lost) throw new ApiError(401, "LOGGED_OUT", "Your session has ended: reload the page to log in again");
  if (response.ok) return response.json();
  throw await errorOf(response);
}

async function errorOf(response: Response): Promise<ApiError> {
  const { error } = await response.json().catch((): Partial<ErrorAnswer> => ({}));
  return new ApiError(
    response.status,
    error?.code ?? "FAILED",
    error?.message ?? `The server answered ${response.status}`,
  );
}

async function get<Answer>(url: string, signal?: AbortSignal): Promise<Answer> {
  return answered(await fetch(url, { redirect: "manual", ...(signal ? { signal } : {}) }));
}

function post(url: string, body: unknown, signal?: AbortSignal): Promise<Response> {
  const headers = { "content-type": "application/json" };
  const init = { method: "POST", headers, body: JSON.stringify(body), redirect: "manual" } as const;
  return fetch(url, { ...init, ...(signal ? { signal } : {}) });
}

export interface ListQuery {
  readonly q: string;
  readonly order: "newest" | "oldest";
  readonly limit?: number;
}

export const api = {
  session: (): Promise<SessionAnswer> => get(address("session")),
  stats: (store: string, signal?: AbortSignal): Promise<StatsAnswer> => get(address("stores", store, "stats"), signal),
  workers: (store: string, signal?: AbortSignal): Promise<WorkersAnswer> =>
    get(address("stores", store, "workers"), signal),

  tasks(store: string, { q, order, limit }: ListQuery, cursor?: string, signal?: AbortSignal): Promise<TasksAnswer> {
    const query = new URLSearchParams({ q, order, limit: String(limit ?? 100) });
    if (cursor !== undefined) query.set("cursor", cursor);
    return get(`${address("stores", store, "tasks")}?${query}`, signal);
  },

  task: (store: string, id: string, signal?: AbortSignal): Promise<TaskAnswer> =>
    get(address("stores", store, "tasks", id), signal),
  payloads: (store: string, id: string): Promise<PayloadsAnswer> =>
    get(address("stores", store, "tasks", id, "payloads")),
  act: async (store: string, id: string, action: TaskAction, body: unknown = {}): Promise<{ taskId: string }> =>
    answered(await post(address("stores", store, "tasks", id, action), body)),
  pause: async (store: string, name: string, paused: boolean): Promise<unknown> =>
    answered(await post(address("stores", store, "pauses"), { name, paused })),

  /** Calls `onLine` with each step of an act on a filter. */
  async bulk(
    store: string,
    action: BulkAction,
    body: { q: string; dryRun: boolean },
    onLine: (line: BulkLine) => void,
    signal: AbortSignal,
  ): Promise<void> {
    const response = await post(address("stores", store, "bulk", action), body, signal);
    if (!response.ok || !response.body) return answered(response);
    const reader = response.body.getReader();
    const decoder = new TextDecoder();
    let rest = "";
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      const lines = (rest + decoder.decode(value, { stream: true })).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) onLine(JSON.parse(line) as BulkLine);
    }
  },

  events: (store: string, id?: string): EventSource =>
    new EventSource(address("stores", store, "events") + (id === undefined ? "" : `?task=${encodeURIComponent(id)}`)),
};

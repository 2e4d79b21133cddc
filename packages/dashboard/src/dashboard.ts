import { ANY_OWNER, prometheusText } from "@mcp-task-store/core";
import { reporter } from "@mcp-task-store/core/backend";
import { type Viewer, viewerOf } from "./access.ts";
import { answer, json, refusal } from "./answers.ts";
import { Call, type StoreRoom } from "./api/call.ts";
import { route, session } from "./api/routes.ts";
import { Audit } from "./audit.ts";
import { isOwnFailure, nothingHere, Refusal } from "./failures.ts";
import { Readiness } from "./health.ts";
import { checkDashboardOptions, type DashboardOptions } from "./options.ts";
import { checkHost, checkOrigin, type OriginRules } from "./origin.ts";
import { file, page } from "./pages.ts";
import { redactSecrets } from "./redact.ts";
import { StatsCache } from "./stats-cache.ts";
import { Streams } from "./streams.ts";
import { Watch } from "./watch.ts";

/** What any server that speaks `fetch` can serve. */
export interface Dashboard extends AsyncDisposable {
  /** Answers a request. It never rejects. */
  fetch(request: Request): Promise<Response>;
  /** Ends live streams and bulk acts. Requests that come later get 503. The stores stay open. */
  close(): Promise<void>;
}

/**
 * A dashboard over stores, with a JSON API beneath it.
 * @throws TaskStoreError `INVALID_ARGUMENT` for options that do not exist or are of the wrong kind
 * @example
 * const dashboard = createDashboard({ stores: { main: store }, access: () => "read-only" });
 * const response = await dashboard.fetch(new Request("http://localhost/"));
 */
export function createDashboard(options: DashboardOptions): Dashboard {
  checkDashboardOptions(options);
  return new TaskDashboard(options);
}

class TaskDashboard implements Dashboard {
  readonly #options: DashboardOptions;
  readonly #base: string;
  readonly #origins: OriginRules;
  readonly #rooms = new Map<string, StoreRoom>();
  readonly #readiness: Readiness;
  readonly #report: (error: unknown) => void;
  #closed = false;

  constructor(options: DashboardOptions) {
    this.#options = options;
    this.#base = (options.basePath ?? "/").replace(/\/+$/, "");
    this.#origins = { allowedHosts: options.allowedHosts, allowedOrigins: options.allowedOrigins ?? [] };
    const { onError = warn, redact = redactSecrets, scan = 100_000 } = options;
    this.#report = reporter(onError);
    const audit = new Audit(options.onAudit, this.#report);
    const streams = new Streams(options.maxStreams ?? 500, options.maxStreamsPerUser ?? 100);
    for (const [name, store] of Object.entries(options.stores)) {
      const stats = new StatsCache(store.operations, scan);
      const watch: Watch = new Watch(() => store.subscribe(() => watch.tell(), { owner: ANY_OWNER }));
      this.#rooms.set(name, {
        name,
        store,
        stats,
        watch,
        streams,
        scan,
        audit,
        work: new Set(),
        redact,
        report: this.#report,
      });
    }
    this.#readiness = new Readiness(Object.values(options.stores));
    this.fetch = this.fetch.bind(this);
  }

  async fetch(request: Request): Promise<Response> {
    try {
      return await this.#answer(request, new URL(request.url));
    } catch (error) {
      if (isOwnFailure(error)) this.#report(error);
      return refusal(error);
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    const rooms = [...this.#rooms.values()];
    for (const { watch } of rooms) watch.close();
    // They end at their next step, and the store has to stay open for so long.
    await Promise.allSettled(rooms.flatMap(({ work }) => [...work]));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #answer(request: Request, url: URL): Promise<Response> {
    const { pathname } = url;
    if (pathname !== this.#base && !pathname.startsWith(`${this.#base}/`)) throw nothingHere();
    const path = pathname.slice(this.#base.length + 1);
    if (this.#closed) throw new Refusal(503, "CLOSED", "The dashboard is closed");
    if (path === "healthz") return json({ ok: true });
    if (path === "readyz") return this.#readiness.answer();
    checkHost(url, this.#origins);
    const viewer = await this.#viewer(request);
    if (viewer instanceof Response) return viewer;
    if (path === "metrics") return this.#metrics(viewer);
    if (path.startsWith("api/")) return this.#api(request, url, path, viewer);
    if (request.method !== "GET" && request.method !== "HEAD")
      throw new Refusal(405, "WRONG_METHOD", "Pages are read with GET");
    // Links in the page are relative to the base, which needs its slash.
    if (pathname === this.#base)
      return answer(null, "text/plain", { status: 308, headers: { location: `${pathname}/` } });
    const found = await file(request, path);
    if (found) return found;
    if (path.startsWith("assets/")) throw nothingHere();
    return page(request, this.#base);
  }

  /** Counts are of every owner's tasks, so a visitor who sees only some owners gets none. */
  async #metrics({ owners }: Viewer): Promise<Response> {
    if (owners !== undefined) throw new Refusal(403, "FORBIDDEN", "Metrics are for visitors who may see every owner");
    return answer(await prometheusText(this.#options.stores), "text/plain; version=0.0.4; charset=utf-8");
  }

  async #viewer(request: Request): Promise<Viewer | Response> {
    const access = await this.#options.access(request);
    if (access instanceof Response) return access;
    const viewer = viewerOf(access);
    if (!viewer) throw new Refusal(403, "FORBIDDEN", "You may not see this dashboard");
    return viewer;
  }

  async #api(request: Request, url: URL, path: string, viewer: Viewer): Promise<Response> {
    if (request.method === "POST") checkOrigin(request, url, this.#origins);
    else if (request.method !== "GET") throw new Refusal(405, "WRONG_METHOD", "The API is called with GET or POST");
    const [, version, kind, name = "", ...rest] = path.split("/").map(decoded);
    if (version !== "v1") throw nothingHere();
    if (kind === "session" && name === "" && request.method === "GET")
      return session(viewer, [...this.#rooms.values()]);
    const room = kind === "stores" ? this.#rooms.get(name) : undefined;
    if (!room) throw nothingHere("There is no such store");
    return route(new Call(request, url, viewer, room), rest);
  }
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw nothingHere();
  }
}

function warn(error: unknown): void {
  process.emitWarning(error instanceof Error ? error : String(error));
}

import type { TaskStore } from "@mcp-task-store/core";
import type { Action, Viewer } from "../access.ts";
import { bodyOf } from "../answers.ts";
import type { Audit, AuditTarget } from "../audit.ts";
import { badRequest, Refusal } from "../failures.ts";
import type { PayloadPlace } from "../redact.ts";
import type { StatsCache } from "../stats-cache.ts";
import type { Streams } from "../streams.ts";
import type { Watch } from "../watch.ts";

/** What all calls of the API to one store share. */
export interface StoreRoom {
  readonly name: string;
  readonly store: TaskStore;
  readonly stats: StatsCache;
  readonly watch: Watch;
  readonly streams: Streams;
  readonly scan: number;
  readonly audit: Audit;
  /** Acts on filters that are being done. */
  readonly work: Set<Promise<void>>;
  redact(value: unknown, place: PayloadPlace): unknown;
  report(error: unknown): void;
}

/** A call of the API to one store. */
export class Call {
  readonly request: Request;
  readonly query: URLSearchParams;
  readonly viewer: Viewer;
  readonly room: StoreRoom;

  constructor(request: Request, url: URL, viewer: Viewer, room: StoreRoom) {
    this.request = request;
    this.query = url.searchParams;
    this.viewer = viewer;
    this.room = room;
  }

  get operations() {
    return this.room.store.operations;
  }

  /** The body of a request, which may have these fields and no others. */
  async body(...fields: readonly string[]): Promise<Record<string, unknown>> {
    const body = await bodyOf(this.request);
    const unknown = Object.keys(body).find((key) => !fields.includes(key));
    if (unknown !== undefined)
      throw badRequest(`The request takes ${fields.length > 0 ? fields.join(", ") : "no fields"}, and no other field`);
    return body;
  }

  /** A whole number in the query. */
  number(name: string, fallback: number, min: number, max: number): number {
    const text = this.query.get(name);
    if (text === null) return fallback;
    const value = Number(text);
    if (!/^\d+$/.test(text) || value < min || value > max)
      throw badRequest(`${name} must be a whole number from ${min} to ${max}`);
    return value;
  }

  /** Refuses the act unless the viewer may do it. */
  async allow(action: Action, target: AuditTarget): Promise<void> {
    if (this.viewer.actions.has(action)) return;
    await this.room.audit.refused({ user: this.viewer.user, store: this.room.name, action, target });
    throw new Refusal(403, "FORBIDDEN", "You may not do this");
  }
}

/** The text in a field of a body. */
export function textIn(body: Record<string, unknown>, field: string): string | undefined {
  const value = body[field];
  if (value !== undefined && typeof value !== "string") throw badRequest(`${field} must be a string`);
  return value;
}

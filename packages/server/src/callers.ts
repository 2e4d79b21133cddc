import {
  type AuthInfo,
  CLIENT_CAPABILITIES_META_KEY,
  type ClientCapabilities,
  MissingRequiredClientCapabilityError,
  type ServerContext,
} from "@modelcontextprotocol/server";
import { TASKS_EXTENSION_ID } from "./wire.ts";

/** Who sends a request. */
export interface TaskCaller {
  /** What the server's authentication found out; never taken from the request itself. */
  authInfo?: AuthInfo | undefined;
  /** Of a 2025-11-25 session over Streamable HTTP. */
  sessionId?: string | undefined;
  /** The HTTP request, if it came by HTTP. */
  request?: globalThis.Request | undefined;
}

/**
 * Owns the tasks of callers that nobody knows. No other owner can have this name: those made here are JSON, and one of the
 * application's is refused.
 */
export const ANONYMOUS = "(anonymous)";

/** The client and, if the token says it (`extra.sub`), the user; otherwise the session. */
export function defaultOwner({ authInfo, sessionId }: TaskCaller): string | undefined {
  if (authInfo) return JSON.stringify([authInfo.clientId, authInfo.extra?.["sub"] ?? null]);
  return sessionId === undefined ? undefined : JSON.stringify({ session: sessionId });
}

export function callerOf(ctx: ServerContext): TaskCaller {
  return { authInfo: ctx.http?.authInfo, sessionId: ctx.sessionId, request: ctx.http?.req };
}

/** Whether the request came under 2026-07-28, whose requests carry an envelope. */
export function isModern(ctx: ServerContext): boolean {
  return ctx.mcpReq.envelope !== undefined;
}

/** What the client of a 2026-07-28 request declared with it. */
export function declaredCapabilities(ctx: ServerContext): ClientCapabilities | undefined {
  const envelope = ctx.mcpReq.envelope as { [CLIENT_CAPABILITIES_META_KEY]?: ClientCapabilities } | undefined;
  return envelope?.[CLIENT_CAPABILITIES_META_KEY];
}

export function declaresTasks(capabilities: unknown): boolean {
  const { extensions } = (capabilities ?? {}) as { extensions?: Record<string, unknown> };
  return extensions?.[TASKS_EXTENSION_ID] !== undefined;
}

/** @see SEP-2663, "Capability Negotiation" */
export function missingTasksCapability(): MissingRequiredClientCapabilityError {
  return new MissingRequiredClientCapabilityError({
    requiredCapabilities: { extensions: { [TASKS_EXTENSION_ID]: {} } },
  });
}

import {
  CLIENT_CAPABILITIES_META_KEY,
  type ClientCapabilities,
  MissingRequiredClientCapabilityError,
  type ServerContext,
} from "@modelcontextprotocol/server";
import type { TaskCaller } from "../options.ts";
import { TASKS_EXTENSION_ID } from "./wire.ts";

/**
 * The owner of all anonymous callers. No other owner can have this name: default owners are JSON,
 * and the extension refuses this name from the `owner` option.
 */
export const ANONYMOUS = "(anonymous)";

/** The client with the user, if the token names one (`extra.sub`), or else the session. */
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

/** The capabilities that the client declared with a 2026-07-28 request. */
export function declaredCapabilities(ctx: ServerContext): ClientCapabilities | undefined {
  const envelope = ctx.mcpReq.envelope as { [CLIENT_CAPABILITIES_META_KEY]?: ClientCapabilities } | undefined;
  return envelope?.[CLIENT_CAPABILITIES_META_KEY];
}

export function declaresTasks(capabilities: unknown): boolean {
  const { extensions } = (capabilities ?? {}) as { extensions?: Record<string, unknown> };
  return extensions?.[TASKS_EXTENSION_ID] !== undefined;
}

/**
 * @param what The method, or the tool, that needs the extension.
 * @see SEP-2663, "Capability Negotiation"
 */
export function missingTasksCapability(what: string): MissingRequiredClientCapabilityError {
  return new MissingRequiredClientCapabilityError(
    { requiredCapabilities: { extensions: { [TASKS_EXTENSION_ID]: {} } } },
    `${what} needs tasks: the client did not declare the extension ${TASKS_EXTENSION_ID} among its capabilities`,
  );
}

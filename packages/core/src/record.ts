import type { StoredTask } from "./backend.ts";
import type { TaskRecord } from "./contract.ts";
import { toSnapshot } from "./engine.ts";
import { openRequests } from "./inputs.ts";
import { decodeJson } from "./json.ts";
import type { ErrorObject, Request, RequestId, Result } from "./task.ts";

/** All that is known of a task that was read with its payloads. */
export function toRecord(stored: StoredTask): TaskRecord {
  const { requestId, request, context } = decodeJson<{
    requestId: RequestId;
    request: Request;
    context?: Record<string, unknown>;
  }>(stored.request ?? "{}");
  return {
    ...toSnapshot(stored),
    owner: stored.owner ?? undefined,
    name: stored.name,
    requestId,
    request,
    context,
    inputRequests: openRequests(stored),
    ...(stored.outcome == null ? {} : decodeJson<{ result: Result } | { error: ErrorObject }>(stored.outcome)),
    checkpoint: stored.checkpoint == null ? undefined : decodeJson(stored.checkpoint),
    attempt: stored.attempt,
    claimableAt: stored.leaseExpiresAt === null ? undefined : new Date(stored.leaseExpiresAt).toISOString(),
  };
}

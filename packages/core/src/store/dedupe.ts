import { createHmac } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import type { StoredTask } from "../backend/stored-task.ts";
import type { NewTask } from "../backend/task-backend.ts";
import { isStorableKey } from "../contract/checks.ts";
import { dedupeConflict, exists, invalid } from "../contract/errors.ts";
import { decodePayload } from "../contract/json.ts";
import type { CreateTaskOptions } from "../contract/options.ts";
import type { Request } from "../contract/task.ts";
import type { BackendGateway } from "./backend-gateway.ts";
import { inserted, nameOf } from "./new-task.ts";

// A creation that may be repeated: the key decides the task's id, so the check for an id that
// exists, which every backend makes in the inserting step, is the check for the key.

/** Most attempts while tasks of the key expire between insert and read. */
const ATTEMPTS = 10;

/**
 * The id of the task that this key stands for. The store's id is random and no peer sees it, so an
 * id is as hard to guess as one of `generateTaskId`.
 */
function idOfKey(storeId: string, owner: string | null, name: string, key: string): string {
  return createHmac("sha256", storeId)
    .update(JSON.stringify(["mcp-task-store dedupe", owner, name, key]))
    .digest("base64url");
}

/**
 * Inserts the task of a key, or finds the one that was made before.
 * @throws `DEDUPE_CONFLICT` if that one has another request
 */
export async function createOnce(
  gateway: BackendGateway,
  { dedupeKey, taskId }: CreateTaskOptions,
  owner: string | null,
  request: Request,
  make: (taskId: string) => NewTask,
): Promise<{ task: StoredTask; created: boolean }> {
  if (taskId !== undefined) throw invalid("createTask takes either taskId or dedupeKey: the key decides the id");
  if (typeof dedupeKey !== "string" || dedupeKey === "" || !isStorableKey(dedupeKey))
    throw invalid("dedupeKey must be a well-formed string of 1 to 512 characters");
  const { storeId } = await gateway.open();
  const wanted = make(idOfKey(storeId, owner, nameOf(request), dedupeKey));
  const { limits } = gateway.settings;
  for (let attempt = 1; ; attempt += 1) {
    const outcome = await gateway.call((backend) => backend.insert(wanted, limits));
    if (!("refused" in outcome) || outcome.refused !== "duplicate")
      return { task: inserted(wanted.taskId, outcome, limits), created: true };
    const task = await gateway.read(wanted.taskId, null, ["request"]);
    // It may have expired between the two steps.
    if (!task && attempt < ATTEMPTS) continue;
    if (!task) throw exists(wanted.taskId);
    if (!isDeepStrictEqual(requestIn(task.request), requestIn(wanted.request))) throw dedupeConflict(wanted.taskId);
    return { task, created: false };
  }
}

/** The stored request without `_meta`, which differs from one repetition to the next. */
function requestIn(payload: string | undefined): Request {
  const { method, params = {} } = decodePayload<{ request: Request }>(payload as string).request;
  const { _meta: _, ...rest } = params;
  return { method, params: rest };
}

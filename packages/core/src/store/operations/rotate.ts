import { inSteps } from "../../backend/in-steps.ts";
import { lastPosition } from "../../backend/search.ts";
import type { TaskBackend } from "../../backend/task-backend.ts";
import type { Codec } from "../../codec/codec.ts";
import { oldEvents, rotateStep } from "../../codec/rotation.ts";
import { invalid } from "../../contract/errors.ts";
import type { RotateOptions, RotationOutcome } from "../../contract/operations.ts";
import { setImmediate } from "../../process/real-time.ts";
import type { BackendGateway } from "../backend-gateway.ts";
import { decodeCursor, encodeCursor } from "../cursor.ts";

/** The codec of a store, and the backend that keeps what it makes. */
export interface Coded {
  readonly backend: TaskBackend;
  readonly codec: Codec;
}

/** Another scope than that of any list, so that no cursor of a list opens here. */
const SCOPE = { owner: "rotation", orUnowned: true };

const MOST_REASONS = 10;

/** Encrypts payloads anew, step by step: see `TaskOperations`. */
export function rotate(
  gateway: BackendGateway,
  coded: Coded | undefined,
  options: RotateOptions,
): Promise<RotationOutcome> {
  return inSteps((wrote) => rotateInSteps(gateway, coded, options, wrote));
}

async function rotateInSteps(
  gateway: BackendGateway,
  coded: Coded | undefined,
  { dryRun = false, cursor, signal, onProgress }: RotateOptions,
  wrote: () => void,
): Promise<RotationOutcome> {
  if (!coded?.codec.encrypts)
    throw invalid("rotatePayloads needs a store with keys: give it the option codec with a stage that encrypts");
  const { backend, codec } = coded;
  const { storeId } = await gateway.open();
  let after = cursor === undefined ? null : decodeCursor(storeId, SCOPE, cursor);
  const last = await gateway.call(() => lastPosition(backend));
  const outcome = { tasks: 0, current: 0, rotated: 0, unreadable: 0, reasons: [] as string[], changed: 0 };
  let first: number | undefined;
  for (;;) {
    signal?.throwIfAborted();
    const step = await gateway.call(() => rotateStep(backend, codec, after, dryRun, wrote));
    outcome.tasks += step.tasks;
    for (const count of ["current", "rotated", "unreadable", "changed"] as const) outcome[count] += step.counts[count];
    outcome.reasons = [...new Set([...outcome.reasons, ...step.reasons])].slice(0, MOST_REASONS);
    if (!step.walked) break;
    after = step.walked.last;
    first ??= step.walked.first - 1;
    const portion = step.more ? Math.min(1, (after - first) / Math.max(1, last - first)) : 1;
    onProgress?.({ ...outcome, portion, cursor: encodeCursor(storeId, SCOPE, after) });
    if (!step.more) break;
    // A backend in this process answers without a turn of the event loop.
    await new Promise((resolve) => setImmediate(resolve));
  }
  return { ...outcome, events: await gateway.call(() => oldEvents(backend, codec)) };
}

import { inSteps } from "../../backend/in-steps.ts";
import { lastPosition } from "../../backend/search.ts";
import type { StoredTask } from "../../backend/stored-task.ts";
import type { RestoredTask, Step } from "../../backend/task-backend.ts";
import { isTaskStoreError, naming, notSupported } from "../../contract/errors.ts";
import { decodePayload } from "../../contract/json.ts";
import type { ExportedTask, ExportOptions, ImportOptions, ImportOutcome } from "../../contract/operations.ts";
import { onAbort } from "../../process/aborts.ts";
import { clearTimeout, setTimeout } from "../../process/real-time.ts";
import type { BackendGateway } from "../backend-gateway.ts";
import { search } from "./bulk.ts";
import { conditionOf } from "./filter.ts";
import { sizeOf, toRestored } from "./restored.ts";

/** Tasks that are read or written at once. */
const STEP = 100;
const SCAN_STEP = 10_000;
/** Characters of payloads that are written at once, if there is more than one task. */
const STEP_SIZE = 16 * 2 ** 20;
const EVERYTHING = ["request", "inputs", "checkpoint", "outcome", "history"] as const;

/** The tasks that match, oldest first. With `follow`, each new one comes once it is there. */
export async function* exportTasks(gateway: BackendGateway, options: ExportOptions): AsyncGenerator<ExportedTask> {
  const { where = {}, follow = false, pollMs = 1000, signal } = options;
  const condition = conditionOf(where, "exportTasks");
  let after: number | null = null;
  for (;;) {
    signal?.throwIfAborted();
    // Asked before the walk, which then sees every task up to there.
    const settled = follow ? await settledPosition(gateway) : Number.POSITIVE_INFINITY;
    const page = { order: "oldest", after, limit: STEP, scan: SCAN_STEP, payloads: EVERYTHING } as const;
    const found: Awaited<ReturnType<typeof search>> = await search(gateway, condition, page);
    const tasks = found.tasks.filter(({ position }) => position <= settled);
    const messages = await messagesOf(gateway, tasks);
    const steps = await stepsOf(gateway, tasks);
    for (const task of tasks) yield readable(task, messages.get(task.taskId) ?? [], steps.get(task.taskId) ?? []);
    if (found.next !== null && found.next < settled) after = found.next;
    else if (!follow) return;
    else {
      after = Math.max(after ?? 0, settled);
      await pause(pollMs, signal);
    }
  }
}

/** Writes tasks as they were exported. A task whose id exists stays as it is. */
export function importTasks(
  gateway: BackendGateway,
  tasks: AsyncIterable<ExportedTask> | Iterable<ExportedTask>,
  options: ImportOptions,
): Promise<ImportOutcome> {
  return inSteps((wrote) => importInSteps(gateway, tasks, options, wrote));
}

async function importInSteps(
  gateway: BackendGateway,
  tasks: AsyncIterable<ExportedTask> | Iterable<ExportedTask>,
  { signal, onProgress }: ImportOptions,
  wrote: () => void,
): Promise<ImportOutcome> {
  const outcome: ImportOutcome = { imported: 0, existing: 0 };
  let step: RestoredTask[] = [];
  let size = 0;
  const flush = async () => {
    signal?.throwIfAborted();
    const written = await gateway.call((backend) => {
      if (!backend.restore) throw notSupported("import tasks", "restore");
      if (!backend.stepsOf && step.some(({ steps }) => steps.length > 0)) throw notSupported("keep steps", "stepsOf");
      return backend.restore(step);
    });
    if (written.length > 0) wrote();
    outcome.imported += written.length;
    outcome.existing += step.length - written.length;
    step = [];
    size = 0;
    onProgress?.({ ...outcome });
  };
  for await (const task of tasks) {
    const restored = toRestored(task, gateway.settings.limits.payloadBytes);
    size += sizeOf(restored);
    if (step.push(restored) === STEP || size >= STEP_SIZE) await flush();
  }
  if (step.length > 0) await flush();
  return outcome;
}

async function settledPosition(gateway: BackendGateway): Promise<number> {
  return gateway.call((backend) => backend.settled?.() ?? lastPosition(backend));
}

async function messagesOf(gateway: BackendGateway, tasks: readonly StoredTask[]) {
  const ids = tasks.map(({ taskId }) => taskId);
  const found = ids.length > 0 ? await gateway.call(async (backend) => (await backend.messagesOf?.(ids)) ?? []) : [];
  return Map.groupBy(found, ({ taskId }) => taskId);
}

async function stepsOf(gateway: BackendGateway, tasks: readonly StoredTask[]) {
  const ids = tasks.map(({ taskId }) => taskId);
  const found = ids.length > 0 ? await gateway.call(async (backend) => (await backend.stepsOf?.(ids)) ?? []) : [];
  return Map.groupBy(found, ({ taskId }) => taskId);
}

function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms);
  const forget = onAbort(signal, () => resolve());
  return promise.finally(() => {
    clearTimeout(timer);
    forget();
  });
}

const jsonOf = (text: string | null | undefined): unknown => (text == null ? null : decodePayload(text));
const isoOf = (time: number | null) => (time === null ? null : new Date(time).toISOString());

/** An error about a payload names its task: the export may be of many. */
function readable(...exported: Parameters<typeof toExported>): ExportedTask {
  try {
    return toExported(...exported);
  } catch (error) {
    throw isTaskStoreError(error, "PAYLOAD_UNREADABLE") ? naming(exported[0].taskId, error) : error;
  }
}

function toExported(
  task: StoredTask,
  messages: readonly { message: string; expiresAt: number }[],
  steps: readonly Step[],
): ExportedTask {
  const { taskId, owner, name, status, ttl, pollInterval, revision, attempt, leaseToken } = task;
  return {
    format: 1,
    taskId,
    owner,
    name,
    status,
    statusMessage: jsonOf(task.statusMessage) as string | null,
    createdAt: isoOf(task.createdAt) as string,
    updatedAt: isoOf(task.updatedAt) as string,
    ttl,
    expiresAt: isoOf(task.expiresAt),
    pollInterval,
    revision,
    attempt,
    leaseToken,
    leaseExpiresAt: isoOf(task.leaseExpiresAt),
    request: jsonOf(task.request),
    inputs: jsonOf(task.inputs),
    checkpoint: jsonOf(task.checkpoint),
    outcome: jsonOf(task.outcome),
    history: task.history ?? null,
    messages: messages.map(({ message, expiresAt }) => ({
      message: jsonOf(message),
      expiresAt: isoOf(expiresAt) as string,
    })),
    steps: steps.map(({ name, body }) => ({ name, body: jsonOf(body) })),
  };
}

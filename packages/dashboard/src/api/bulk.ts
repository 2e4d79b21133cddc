import type { BulkOptions, BulkOutcome, TaskFilter } from "@mcp-task-store/core";
import { answer } from "../answers.ts";
import { badRequest, failureOf, isOwnFailure } from "../failures.ts";
import { filterFor, scannedFor } from "../scope.ts";
import type { BulkLine } from "../wire.ts";
import { type Call, textIn } from "./call.ts";
import { rerunTasks } from "./rerun-tasks.ts";

const PROGRESS_MS = 500;

/** Acts on everything that a filter takes. */
export const BULK_ACTS = ["cancel", "remove", "rerun"] as const;

/**
 * Answers with a line of JSON for each step, so that no proxy takes the work for a request that
 * hangs. The work ends when the caller goes away.
 */
export async function bulkAct(call: Call, action: (typeof BULK_ACTS)[number]): Promise<Response> {
  const body = await call.body("q", "dryRun", "statusMessage");
  const { dryRun } = body;
  const text = textIn(body, "q");
  const statusMessage = textIn(body, "statusMessage");
  if (text === undefined || typeof dryRun !== "boolean")
    throw badRequest("An act on a filter has q, which may be empty, and dryRun");
  if (statusMessage !== undefined && action !== "cancel") throw badRequest("Only a cancel takes statusMessage");
  const target = { filter: text };
  await call.allow(action, target);
  const where = filterFor(call.viewer, text);
  // Tasks made from now on were not meant.
  const fixed = where && { ...where, created: { ...where.created, before: earlier(where.created?.before) } };
  const operations = call.operations;
  const work = async (options: BulkOptions): Promise<BulkOutcome> => {
    if (fixed === undefined) return { done: 0, skipped: {}, scanned: 0 };
    if (action === "cancel") return operations.cancelTasks(fixed, { ...options, statusMessage });
    return action === "remove" ? operations.removeTasks(fixed, options) : rerunTasks(operations, fixed, options);
  };
  const details = statusMessage === undefined ? {} : { statusMessage };
  const act = { user: call.viewer.user, store: call.room.name, action, target, details } as const;
  return streamed(call, dryRun, (options) =>
    dryRun
      ? work(options)
      : call.room.audit.around(
          act,
          () => work(options),
          (outcome) => outcome,
        ),
  );
}

function earlier(before: NonNullable<TaskFilter["created"]>["before"]): Date {
  const now = Date.now() + 1;
  return new Date(before === undefined ? now : Math.min(now, new Date(before).getTime()));
}

function streamed(call: Call, dryRun: boolean, work: (options: BulkOptions) => Promise<BulkOutcome>): Response {
  const free = call.room.streams.take(call.viewer.user);
  const gone = new AbortController();
  const signal = AbortSignal.any([gone.signal, call.request.signal, call.room.watch.closed]);
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      const encoder = new TextEncoder();
      const write = (line: BulkLine) => {
        if (!gone.signal.aborted) controller.enqueue(encoder.encode(`${JSON.stringify(line)}\n`));
      };
      const run = async () => {
        write(await lastLine(call, () => work({ dryRun, signal, onProgress: paced(call, write) }), dryRun));
        call.room.stats.forget();
        if (!gone.signal.aborted) controller.close();
      };
      const running = run().finally(() => {
        call.room.work.delete(running);
        free();
      });
      call.room.work.add(running);
    },
    cancel() {
      gone.abort();
    },
  });
  return answer(body, "application/x-ndjson", { headers: { "x-accel-buffering": "no" } });
}

/** Tells of progress at most every half second. */
function paced(call: Call, write: (line: BulkLine) => void): (progress: BulkOutcome) => void {
  let told = performance.now();
  return (progress) => {
    if (performance.now() - told < PROGRESS_MS) return;
    told = performance.now();
    write({ progress: shown(call, progress) });
  };
}

async function lastLine(call: Call, work: () => Promise<BulkOutcome>, dryRun: boolean): Promise<BulkLine> {
  try {
    return { outcome: shown(call, await work()), dryRun };
  } catch (error) {
    if (isOwnFailure(error)) call.room.report(error);
    const { code, message } = failureOf(error);
    return { error: { code, message } };
  }
}

function shown({ viewer }: Call, outcome: BulkOutcome): BulkOutcome {
  const { done, skipped, scanned } = outcome;
  const found = Object.values(skipped).reduce((sum, count) => sum + count, done);
  return { ...outcome, scanned: scannedFor(viewer, scanned, found) };
}

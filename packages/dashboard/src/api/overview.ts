import type { TaskStats } from "@mcp-task-store/core";
import { json } from "../answers.ts";
import { filterFor, scannedFor } from "../scope.ts";
import type { WorkerRow, WorkersAnswer } from "../wire.ts";
import type { Call } from "./call.ts";

export async function getStats(call: Call): Promise<Response> {
  const stats = await call.room.stats.read(call.viewer.owners);
  if (call.viewer.owners === undefined) return json(stats);
  // Names of which this viewer sees no task stay out: they are there because they are paused.
  const names = Object.entries(stats.names).filter(([, { counts }]) =>
    Object.values(counts).some((count) => count > 0),
  );
  const found = Object.values(stats.counts).reduce((sum, count) => sum + count, 0);
  const scanned = scannedFor(call.viewer, stats.scanned, found);
  return json({ ...stats, names: Object.fromEntries(names), scanned } satisfies TaskStats);
}

/** Runners that hold tasks now, those that hold most first. */
export async function getWorkers(call: Call): Promise<Response> {
  const where = filterFor(call.viewer, "status=active");
  const workers = new Map<string, WorkerRow>();
  let complete = true;
  if (where !== undefined) {
    const held = { ...where, holder: {} };
    const page = await call.operations.listRecords({ where: held, limit: 1000, scan: call.room.scan });
    complete = page.nextCursor === undefined;
    for (const { task, name, owner, attempt, holder, history } of page.records) {
      if (holder === undefined) continue;
      const key = JSON.stringify([holder.host, holder.pid, holder.worker, holder.version]);
      const row = workers.get(key) ?? { ...holder, tasks: [] };
      workers.set(key, row);
      const since = history.findLast(({ event }) => event === "taken")?.at ?? task.createdAt;
      row.tasks.push({ taskId: task.taskId, name, owner: owner ?? null, since, attempt });
    }
  }
  const answer: WorkersAnswer = {
    workers: [...workers.values()].toSorted((one, other) => other.tasks.length - one.tasks.length),
    complete,
    at: new Date().toISOString(),
  };
  return json(answer);
}

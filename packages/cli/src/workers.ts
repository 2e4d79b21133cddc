import type { Holder, OperatorRecordWith, TaskStore } from "@mcp-task-store/core";
import { pagesOf } from "./tasks.ts";

/** A process, or a worker in it, that holds tasks. */
export interface WorkerJson {
  host: string;
  pid: number;
  worker: string | null;
  version: string | null;
  running: number;
  /** Held tasks by name. */
  names: Record<string, number>;
  /** When the task was taken that it has held for longest. */
  oldestRunAt: string | null;
}

/** Who holds active tasks now. A worker without a task leaves no trace in the store. */
export async function workersOf(
  store: TaskStore,
  signal: AbortSignal,
  onProgress?: (scanned: number) => void,
): Promise<{ workers: WorkerJson[]; scanned: number }> {
  const workers = new Map<string, WorkerJson>();
  let scanned = 0;
  for await (const page of pagesOf(store, { where: { status: "active" } }, Number.POSITIVE_INFINITY, signal)) {
    scanned += page.scanned;
    for (const record of page.records) if (record.holder) add(workers, record, record.holder);
    onProgress?.(scanned);
  }
  return { workers: [...workers.values()].toSorted((one, other) => other.running - one.running), scanned };
}

function add(workers: Map<string, WorkerJson>, { name, history }: OperatorRecordWith<never>, holder: Holder): void {
  const { host, pid, worker = null, version = null } = holder;
  const key = JSON.stringify([host, pid, worker, version]);
  let found = workers.get(key);
  if (!found) {
    found = { host, pid, worker, version, running: 0, names: {}, oldestRunAt: null };
    workers.set(key, found);
  }
  found.running += 1;
  found.names[name] = (Object.hasOwn(found.names, name) ? (found.names[name] ?? 0) : 0) + 1;
  const taken = history.findLast(({ event }) => event === "taken")?.at ?? null;
  if (taken !== null && (found.oldestRunAt === null || taken < found.oldestRunAt)) found.oldestRunAt = taken;
}

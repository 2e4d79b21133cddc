import type { OperatorRecord, OperatorRecordWith, TaskRecord } from "@mcp-task-store/core";

/** A task as JSON, without payloads. A field without a value is null. */
export function taskJson(record: OperatorRecordWith<never>) {
  const { task, holder, history } = record;
  return {
    taskId: task.taskId,
    name: record.name,
    owner: record.owner ?? null,
    status: task.status,
    statusMessage: task.statusMessage ?? null,
    createdAt: task.createdAt,
    changedAt: task.lastUpdatedAt,
    endedAt: record.endedAt ?? null,
    expiresAt: record.expiresAt ?? null,
    claimableAt: record.claimableAt ?? null,
    ttl: task.ttl,
    revision: record.revision,
    attempt: record.attempt,
    stuck: record.stuck ?? null,
    holder: holder
      ? { host: holder.host, pid: holder.pid, worker: holder.worker ?? null, version: holder.version ?? null }
      : null,
    history: history.map((entry) => ({ ...entry })),
  };
}

/** The payloads of a task as JSON. */
export function payloadsJson(record: OperatorRecord & Partial<TaskRecord>) {
  return {
    request: record.request ?? null,
    context: record.context ?? null,
    inputRequests: record.inputRequests ?? {},
    result: record.result ?? null,
    error: record.error ?? null,
    checkpoint: record.checkpoint ?? null,
  };
}

/** Who holds the task: `mill@web-3:4711`. */
export function holderText({ holder }: Pick<OperatorRecord, "holder">): string {
  if (!holder) return "-";
  return `${holder.worker === undefined ? "" : `${holder.worker}@`}${holder.host}:${holder.pid}`;
}

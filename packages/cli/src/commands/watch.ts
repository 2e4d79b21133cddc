import {
  ANY_OWNER,
  isTaskStatus,
  isTaskStoreError,
  isTerminal,
  type TaskStatus,
  type TaskStore,
} from "@mcp-task-store/core";
import { defineCommand } from "../command.ts";
import { EXIT, UsageError } from "../exit.ts";
import type { Output } from "../output/output.ts";
import { payloadsJson } from "../output/records.ts";
import { parseDuration } from "../output/text.ts";
import { taskIdOf } from "../tasks.ts";
import { followAll, printWatched, type Watched, watchedJson } from "../watching.ts";

const CODES: Readonly<Partial<Record<TaskStatus, number>>> = {
  completed: EXIT.ok,
  failed: EXIT.bad,
  cancelled: EXIT.cancelled,
};

export default defineCommand({
  usage: "[<id>]",
  arity: [0, 1],
  writes: false,
  options: {
    timeout: {
      type: "string",
      short: "t",
      value: "DURATION",
      help: "with an id: stop after so long, such as 90s or 5m",
    },
    payloads: { type: "boolean", short: "p", help: "with an id: print the result or the error at the end" },
    name: {
      type: "string",
      multiple: true,
      value: "NAME",
      help: "without an id: only tasks of this name; may be repeated",
    },
    status: {
      type: "string",
      multiple: true,
      value: "STATUS",
      help: "without an id: only states with this status; may be repeated",
    },
  },
  details:
    "With an id, follows the task to its end, and the exit code says how it ended: 0 completed, 3 failed, 4 cancelled, 5 expired, 6 not yet. Without one, follows all tasks until it is interrupted. With --json, each state is a line of JSON.",
  async run({ values, arguments: [given], output, signal, open }) {
    const { timeout, payloads, name, status } = values;
    if (given === undefined) {
      if (timeout !== undefined || payloads) throw new UsageError("--timeout and --payloads take an id beside them");
      const filter = { names: name, statuses: status?.map(statusOf) };
      const { store } = await open();
      return followAll(store, filter, signal, output);
    }
    if (name !== undefined || status !== undefined) throw new UsageError("--name and --status take no id beside them");
    const timeoutMs = timeout === undefined ? undefined : parseDuration(timeout);
    if (timeout !== undefined && timeoutMs === undefined)
      throw new UsageError("--timeout takes a duration such as 90s");
    const { store } = await open();
    const taskId = await taskIdOf(store, given);
    return followOne(store, taskId, { output, signal, timeoutMs, payloads: payloads ?? false });
  },
});

function statusOf(text: string): TaskStatus {
  if (!isTaskStatus(text)) throw new UsageError(`${JSON.stringify(text)} is no status of a task`);
  return text;
}

interface Following {
  readonly output: Output;
  readonly signal: AbortSignal;
  readonly timeoutMs: number | undefined;
  readonly payloads: boolean;
}

async function followOne(store: TaskStore, taskId: string, following: Following): Promise<number> {
  const { output, signal, timeoutMs, payloads } = following;
  const over = timeoutMs === undefined ? undefined : performance.now() + timeoutMs;
  let after = 0;
  for (;;) {
    let record: Watched;
    try {
      const left = over === undefined ? undefined : Math.max(0, over - performance.now());
      record = await store.waitForTask(taskId, { owner: ANY_OWNER, until: "change", after, signal, timeoutMs: left });
    } catch (error) {
      return endCode(error, signal, output, taskId);
    }
    after = record.revision;
    const ended = isTerminal(record.task.status);
    const full = ended && payloads ? await store.operations.getRecord(taskId) : null;
    if (output.json) output.record({ task: watchedJson(record), ...(full ? { payloads: payloadsJson(full) } : {}) });
    else {
      printWatched(output, record, false);
      if (full?.unreadable) output.note("the outcome is encrypted: --codec has the keys");
      else if (full) output.line(JSON.stringify(full.error ?? full.result ?? null, null, 2));
    }
    if (ended) return CODES[record.task.status] ?? EXIT.ok;
  }
}

/** The exit code of a wait that ended without an end of the task. */
function endCode(error: unknown, signal: AbortSignal, output: Output, taskId: string): number {
  if (signal.aborted) throw error;
  if (isTaskStoreError(error, "TASK_EXPIRED") || isTaskStoreError(error, "TASK_NOT_FOUND")) {
    output.error(`task ${taskId} expired, or was deleted`);
    return EXIT.expired;
  }
  if (error instanceof Error && error.name === "TimeoutError") {
    output.error(`task ${taskId} has not ended in this time`);
    return EXIT.timeout;
  }
  throw error;
}

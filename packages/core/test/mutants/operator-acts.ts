import type { Caps, Guard, NewTask, Patch, StoredTask } from "@mcp-task-store/core/backend";
import { MutableBackend, type Mutant } from "./mutant.ts";

/** A backend that changes more of an ended task than its history. */
function afterTheEnd(change: (stored: StoredTask, now: number) => Partial<StoredTask>): typeof MutableBackend {
  return class extends MutableBackend {
    override async update(taskId: string, guard: Guard, patch: Patch) {
      const written = await super.update(taskId, guard, patch);
      if (!written.applied || !guard.ended) return written;
      return { applied: true, task: this.mend(written.task, (stored) => change(stored, this.now())) } as const;
    }
  };
}

/** A task's payloads are kept by its id, and its end leaves them. */
class LeavesPayloads extends MutableBackend {
  readonly #left = new Map<string, StoredTask>();
  protected leave(taskIds: readonly string[]) {
    for (const taskId of taskIds) {
      const task = this.peek(taskId);
      if (task) this.#left.set(taskId, task);
    }
  }
  override async remove(taskIds: readonly string[]) {
    this.leave(taskIds);
    return super.remove(taskIds);
  }
  override async insert(task: NewTask, caps: Caps) {
    const outcome = await super.insert(task, caps);
    const left = this.#left.get(task.taskId);
    if ("inserted" in outcome && left)
      this.mend(outcome.inserted, () => ({ history: left.history ?? null, outcome: left.outcome ?? null }));
    return outcome;
  }
}

class ExpiryLeavesPayloads extends LeavesPayloads {
  override async insert(task: NewTask, caps: Caps) {
    this.leave([task.taskId]);
    return super.insert(task, caps);
  }
}

export const operatorActMutants: Mutant[] = [
  {
    id: "dry-runs-are-real",
    breaks: "A dry run does what it counts",
    kills: ["operators/cancel-tasks", "operators/remove-tasks"],
    store: ({ operations }) => ({
      operations: {
        cancelTasks: (where, options) => operations.cancelTasks(where, { ...options, dryRun: false }),
        removeTasks: (where, options) => operations.removeTasks(where, { ...options, dryRun: false }),
      },
    }),
  },
  {
    id: "removal-leaves-messages",
    breaks: "The messages of a removed task stay",
    kills: ["operators/remove-tasks"],
    backend: class extends MutableBackend {
      override async remove(taskIds: readonly string[]) {
        const removed = taskIds.filter((taskId) => this.peek(taskId)?.leaseExpiresAt === null);
        for (const taskId of removed) this.raw.prepare("delete from tasks where task_id = ?").run(taskId);
        return removed;
      }
    },
  },
  {
    id: "removal-takes-all-messages",
    breaks: "A removal empties the queues of other tasks",
    kills: ["operators/remove-tasks"],
    backend: class extends MutableBackend {
      override async remove(taskIds: readonly string[]) {
        const removed = await super.remove(taskIds);
        this.raw.exec("delete from messages");
        return removed;
      }
    },
  },
  {
    id: "removal-leaves-payloads",
    breaks: "The payloads of a removed task are those of the next one with its id",
    kills: ["operators/remove-tasks"],
    backend: LeavesPayloads,
  },
  {
    id: "expiry-leaves-payloads",
    breaks: "The payloads of an expired task are those of the next one with its id",
    kills: ["operators/next-task"],
    backend: ExpiryLeavesPayloads,
  },
  {
    id: "removal-counts-the-gone",
    breaks: "A removal counts tasks that another one has removed",
    kills: ["operators/many-tasks"],
    backend: class extends MutableBackend {
      override async remove(taskIds: readonly string[]) {
        await super.remove(taskIds);
        return [...taskIds];
      }
    },
  },
  {
    id: "removal-of-a-few",
    breaks: "A removal leaves what it cannot delete in one step",
    kills: ["operators/many-tasks"],
    backend: class extends MutableBackend {
      override async remove(taskIds: readonly string[]) {
        return super.remove(taskIds.slice(0, 50));
      }
    },
  },
  {
    id: "requeue-keeps-the-token",
    breaks: "The runner whose task was requeued can still write",
    kills: ["operators/requeue"],
    backend: class extends MutableBackend {
      override async update(taskId: string, guard: Guard, patch: Patch) {
        const { leaseToken } = this.peek(taskId) ?? {};
        const written = await super.update(taskId, guard, patch);
        if (!written.applied || patch.lease?.action !== "release" || leaseToken === undefined) return written;
        return { applied: true, task: this.mend(written.task, () => ({ leaseToken })) } as const;
      }
    },
  },
  {
    id: "requeue-of-the-taken-only",
    breaks: "A task that no runner has taken cannot be requeued",
    kills: ["operators/requeue"],
    backend: class extends MutableBackend {
      override async update(taskId: string, guard: Guard, patch: Patch) {
        const task = guard.leaseToken === 0 ? await super.read(taskId, guard.scope, []) : undefined;
        return task ? ({ applied: true, task } as const) : super.update(taskId, guard, patch);
      }
    },
  },
  {
    id: "rerun-without-owner",
    breaks: "The task of a rerun has no owner",
    kills: ["operators/rerun"],
    store: (store) => ({
      operations: {
        async rerunTask(taskId, options) {
          const record = await store.operations.getRecord(taskId);
          if (!record || record.endedAt === undefined) return store.operations.rerunTask(taskId, options);
          const { context, requestId, request } = record;
          return store.createTask({ context, claimAfterMs: 0 }, requestId, request);
        },
      },
    }),
  },
  {
    id: "ended-tasks-have-no-news",
    breaks: "An ended task's history refuses entries",
    kills: ["operators/rerun"],
    backend: class extends MutableBackend {
      override async update(taskId: string, { ended: _, ...guard }: Guard, patch: Patch) {
        return super.update(taskId, guard, patch);
      }
    },
  },
  {
    id: "news-are-changes",
    breaks: "An entry in an ended task's history is a change to requestors",
    kills: ["operators/rerun"],
    backend: afterTheEnd(({ revision }, now) => ({ revision: revision + 1, updatedAt: now })),
  },
  {
    id: "news-revive",
    breaks: "An ended task can be claimed after an entry in its history",
    kills: ["operators/rerun"],
    backend: afterTheEnd((_, now) => ({ leaseExpiresAt: now })),
  },
  {
    id: "answers-to-anything",
    breaks: "An answer to no question is taken and dropped",
    kills: ["operators/answer-input"],
    store: ({ operations }) => ({
      operations: { answerInput: (...args) => operations.answerInput(...args).catch(() => undefined) },
    }),
  },
];

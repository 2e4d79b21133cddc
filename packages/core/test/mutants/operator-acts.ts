import {
  appendHistory,
  type Caps,
  type ClaimQuery,
  type Guard,
  HISTORY_LENGTH,
  type NewTask,
  type Patch,
  type StoredTask,
  withPayloads,
} from "@mcp-task-store/core/backend";
import { MutableBackend, type Mutant } from "./mutant.ts";

type Pauses = Parameters<MutableBackend["pauses"]>[0];

/** A backend that keeps another history than it should. */
function keeping(change: (before: string, line: string, now: number) => string): typeof MutableBackend {
  return class extends MutableBackend {
    override async update(taskId: string, guard: Guard, patch: Patch) {
      const before = this.peek(taskId)?.history ?? "";
      const written = await super.update(taskId, guard, patch);
      if (!written.applied || patch.history === undefined) return written;
      const history = change(before, patch.history, this.now());
      return { applied: true, task: this.mend(written.task, () => ({ history })) } as const;
    }
  };
}

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

/** A backend with pauses of its own, each in the set that `pausedOf` gives. */
function pausing(pausedOf: (backend: MutableBackend) => Set<string>): typeof MutableBackend {
  return class extends MutableBackend {
    override async pauses({ pause, resume }: Pauses) {
      const paused = pausedOf(this);
      for (const name of pause) paused.add(name);
      for (const name of resume) paused.delete(name);
      return [...paused];
    }
    override async claim(query: ClaimQuery) {
      const names = query.names.filter((name) => !pausedOf(this).has(name));
      return names.length === 0 ? [] : super.claim({ ...query, names });
    }
  };
}

const ofHandles = new WeakMap<object, Set<string>>();
const ofFiles = new Map<string, Set<string>>();

function setOf<Key>(
  sets: { get(key: Key): Set<string> | undefined; set(key: Key, set: Set<string>): unknown },
  key: Key,
) {
  const known = sets.get(key);
  if (known) return known;
  const made = new Set<string>();
  sets.set(key, made);
  return made;
}

class PausesEnd extends MutableBackend {
  readonly #own = new Set<string>();
  override async pauses(change: Pauses) {
    for (const name of change.pause) this.#own.add(name);
    return super.pauses(change);
  }
  override async close() {
    if (this.#own.size > 0) await super.pauses({ pause: [], resume: [...this.#own] });
    await super.close();
  }
}

class PausesOnce extends MutableBackend {
  override async pauses(change: Pauses) {
    const paused = await super.pauses({ pause: [], resume: [] });
    if (change.pause.some((name) => paused.includes(name))) throw new Error("UNIQUE constraint failed: paused.name");
    return super.pauses(change);
  }
}

class PausesStopRunners extends MutableBackend {
  override async update(taskId: string, guard: Guard, patch: Patch) {
    const task = this.peek(taskId);
    const paused = await this.pauses({ pause: [], resume: [] });
    if (task && patch.lease?.action === "take" && paused.includes(task.name))
      return { applied: false, task: withPayloads(task) } as const;
    return super.update(taskId, guard, patch);
  }
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
    id: "claims-keep-no-history",
    breaks: "A claim does not say who took the task",
    kills: ["operators/holder"],
    backend: class extends MutableBackend {
      override async claim({ history: _, ...query }: ClaimQuery) {
        return super.claim(query);
      }
    },
  },
  {
    id: "one-holder-for-all-claims",
    breaks: "All claims of a process have the first one's holder",
    kills: ["operators/holder"],
    backend: class extends MutableBackend {
      #first: string | undefined;
      override async claim(query: ClaimQuery) {
        this.#first ??= JSON.stringify({ event: "taken", holder: { host: "here", pid: process.pid } });
        return super.claim({ ...query, history: this.#first });
      }
    },
  },
  {
    id: "refused-takes-count",
    breaks: "The history names a runner that did not get the lease",
    kills: ["operators/holder"],
    backend: class extends MutableBackend {
      override async update(taskId: string, guard: Guard, patch: Patch) {
        const written = await super.update(taskId, guard, patch);
        const { history: entry } = patch;
        if (written.applied || !written.task || entry === undefined) return written;
        this.mend(written.task, ({ history }) => ({ history: appendHistory(history, this.now(), entry) }));
        return written;
      }
    },
  },
  {
    id: "claims-together-share-a-holder",
    breaks: "Claims that are made at once have the first one's holder",
    kills: ["operators/holders-together"],
    backend: class extends MutableBackend {
      #together: string | undefined;
      override async claim(query: ClaimQuery) {
        this.#together ??= query.history;
        setImmediate(() => {
          this.#together = undefined;
        });
        return super.claim({ ...query, history: this.#together });
      }
    },
  },
  {
    id: "release-forgets",
    breaks: "The history is lost when a lease is given back",
    kills: ["operators/holder", "operators/history-bound"],
    backend: class extends MutableBackend {
      override async update(taskId: string, guard: Guard, patch: Patch) {
        const written = await super.update(taskId, guard, patch);
        if (!written.applied || patch.lease?.action !== "release") return written;
        return { applied: true, task: this.mend(written.task, () => ({ history: null })) } as const;
      }
    },
  },
  {
    id: "the-end-forgets",
    breaks: "The history is lost when a task ends",
    kills: ["operators/holder"],
    backend: class extends MutableBackend {
      override async update(taskId: string, guard: Guard, patch: Patch) {
        const written = await super.update(taskId, guard, patch);
        if (!written.applied || patch.outcome === undefined) return written;
        return { applied: true, task: this.mend(written.task, () => ({ history: null })) } as const;
      }
    },
  },
  {
    id: "history-of-one",
    breaks: "Each entry of a history replaces the last",
    kills: ["operators/holder", "operators/history-bound"],
    backend: keeping((_, line, now) => `${now} ${line}\n`),
  },
  {
    id: "endless-history",
    breaks: "A history grows without end",
    kills: ["operators/history-bound"],
    backend: keeping((before, line, now) => `${before}${now} ${line}\n`),
  },
  {
    id: "history-of-the-first",
    breaks: "A history keeps its first entries",
    kills: ["operators/history-bound"],
    backend: keeping((before, line, now) => `${before}${now} ${line}\n`.slice(0, HISTORY_LENGTH)),
  },
  {
    id: "holders-for-everyone",
    breaks: "A requestor sees what operators see",
    kills: ["operators/holder"],
    store: (store) => ({
      async getTask(taskId, ...rest) {
        const task = await store.getTask(taskId, ...rest);
        return task && { ...task, history: (await store.operations.getRecord(taskId))?.history };
      },
    }),
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
  {
    id: "pauses-of-a-handle",
    breaks: "Only the handle that paused a name claims none of its tasks",
    kills: ["operators/pause", "operators/pause-of-processes"],
    backend: pausing((backend) => setOf(ofHandles, backend)),
  },
  {
    id: "pauses-of-a-process",
    breaks: "Only the process that paused a name claims none of its tasks",
    kills: ["operators/pause-of-processes"],
    backend: pausing((backend) => setOf(ofFiles, backend.file)),
  },
  {
    id: "pauses-are-notes",
    breaks: "Names are paused, and claimed",
    kills: ["operators/pause", "operators/pause-of-processes"],
    backend: class extends MutableBackend {
      override async claim(query: ClaimQuery) {
        const paused = this.raw.prepare("select name from paused").all();
        this.raw.exec("delete from paused");
        const claimed = await super.claim(query);
        for (const { name } of paused) this.raw.prepare("insert into paused values (?)").run(name as string);
        return claimed;
      }
    },
  },
  {
    id: "pauses-of-whole-claims",
    breaks: "A claim of several names finds nothing while one of them is paused",
    kills: ["operators/pause"],
    backend: class extends MutableBackend {
      override async claim(query: ClaimQuery) {
        const paused = await this.pauses({ pause: [], resume: [] });
        return query.names.some((name) => paused.includes(name)) ? [] : super.claim(query);
      }
    },
  },
  {
    id: "pauses-stop-runners",
    breaks: "No runner can take a task of a paused name by its id",
    kills: ["operators/pause"],
    backend: PausesStopRunners,
  },
  {
    id: "pauses-end-with-their-handle",
    breaks: "A pause ends when the handle that made it closes",
    kills: ["operators/pause"],
    backend: PausesEnd,
  },
  {
    id: "pauses-once",
    breaks: "A name that is paused cannot be paused again",
    kills: ["operators/pause"],
    backend: PausesOnce,
  },
  {
    id: "resumes-all",
    breaks: "One name that is resumed resumes all",
    kills: ["operators/pause"],
    backend: class extends MutableBackend {
      override async pauses({ pause, resume }: Pauses) {
        const all = resume.length > 0 ? await super.pauses({ pause: [], resume: [] }) : [];
        return super.pauses({ pause, resume: [...resume, ...all] });
      }
    },
  },
];

import {
  type ListQuery,
  type RestoredTask,
  type SearchQuery,
  type StoredTask,
  searchByList,
} from "@mcp-task-store/core/backend";
import { MutableBackend, type Mutant } from "./mutant.ts";

/** A backend that changes tasks before it restores them. */
function restoring(change: (task: RestoredTask) => RestoredTask): typeof MutableBackend {
  return class extends MutableBackend {
    override restore(tasks: readonly RestoredTask[]) {
      return super.restore(tasks.map(change));
    }
  };
}

class Overwrites extends MutableBackend {
  override async restore(tasks: readonly RestoredTask[]) {
    for (const { taskId } of tasks) this.raw.prepare("delete from tasks where task_id = ?").run(taskId);
    return super.restore(tasks);
  }
}

class Refuses extends MutableBackend {
  override async restore(tasks: readonly RestoredTask[]) {
    const written = await super.restore(tasks);
    if (written.length < tasks.length) throw new Error("UNIQUE constraint failed: tasks.task_id");
    return written;
  }
}

class TakesMessages extends MutableBackend {
  override async messagesOf(taskIds: readonly string[]) {
    const found = await super.messagesOf(taskIds);
    for (const taskId of taskIds) await this.shift(taskId, null);
    return found;
  }
}

class LastFirst extends MutableBackend {
  override async messagesOf(taskIds: readonly string[]) {
    return (await super.messagesOf(taskIds)).toReversed();
  }
}

/** Every second task is visible only at the second look, as one that commits late. */
class CommitsLate extends MutableBackend {
  readonly #seen = new Set<string>();
  override async list(query: ListQuery): Promise<StoredTask[]> {
    return (await super.list(query)).filter(({ taskId, position }) => {
      const known = position % 4 < 2 || this.#seen.has(taskId);
      this.#seen.add(taskId);
      return known;
    });
  }
}

/** A search that knows the tasks which were created in the store. */
class SearchesItsOwn extends MutableBackend {
  readonly #restored = new Set<string>();
  override async restore(tasks: readonly RestoredTask[]) {
    for (const { taskId } of tasks) this.#restored.add(taskId);
    return super.restore(tasks);
  }
  async search(query: SearchQuery) {
    const page = await searchByList(this, query);
    const { statuses } = query.filter;
    const isMissed = ({ taskId }: StoredTask) => statuses?.length === 1 && this.#restored.has(taskId);
    return { ...page, tasks: page.tasks.filter((task) => !isMissed(task)) };
  }
}

export const operatorTransferMutants: Mutant[] = [
  {
    id: "import-anew",
    breaks: "An imported task is as new",
    kills: ["operators/export-and-import"],
    backend: restoring((task) => ({ ...task, revision: 1, attempt: 0, leaseToken: 0 })),
  },
  {
    id: "import-without-checkpoint",
    breaks: "An imported task has lost its checkpoint",
    kills: ["operators/export-and-import", "operators/copy"],
    backend: restoring((task) => ({ ...task, checkpoint: null })),
  },
  {
    id: "import-without-messages",
    breaks: "An imported task has lost its messages",
    kills: ["operators/export-and-import"],
    backend: restoring((task) => ({ ...task, messages: [] })),
  },
  {
    id: "messages-turned",
    breaks: "Exported messages are in the wrong order",
    kills: ["operators/export-and-import"],
    backend: LastFirst,
  },
  {
    id: "export-takes-messages",
    breaks: "An export takes the messages out of their queues",
    kills: ["operators/export-and-import"],
    backend: TakesMessages,
  },
  {
    id: "import-overwrites",
    breaks: "An import overwrites tasks that are there",
    kills: ["operators/import-again", "operators/copy"],
    backend: Overwrites,
  },
  {
    id: "import-once",
    breaks: "An import fails at a task that is there",
    kills: ["operators/import-again", "operators/copy"],
    backend: Refuses,
  },
  {
    id: "follow-skips",
    breaks: "A task may become visible after a later one, and the backend says nothing of it",
    kills: ["operators/follow"],
    backend: CommitsLate,
  },
  {
    id: "expired-ids-are-taken",
    breaks: "An import leaves out the tasks whose ids expired ones had",
    kills: ["operators/import-over-expired"],
    backend: class extends MutableBackend {
      override async restore(tasks: readonly RestoredTask[]) {
        return super.restore(tasks.filter(({ taskId }) => !this.peek(taskId)));
      }
    },
  },
  {
    id: "imports-are-not-found",
    breaks: "A search for failed tasks knows only those that were created in the store",
    kills: ["operators/import-in-use"],
    backend: SearchesItsOwn,
  },
  {
    id: "import-without-token",
    breaks: "The runner of an imported task has no lease there",
    kills: ["operators/export-and-import"],
    backend: restoring((task) => ({ ...task, leaseToken: 0 })),
  },
  {
    id: "import-of-small-payloads",
    breaks: "Payloads that have no place in the row are not imported",
    kills: ["operators/export-and-import"],
    backend: restoring((task) => ({ ...task, outcome: (task.outcome?.length ?? 0) > 1024 ? null : task.outcome })),
  },
  {
    id: "import-turns-around",
    breaks: "Imported tasks are in reverse order",
    kills: ["operators/export-and-import"],
    backend: class extends MutableBackend {
      override async restore(tasks: readonly RestoredTask[]) {
        return super.restore(tasks.toReversed());
      }
    },
  },
  {
    id: "import-without-claims",
    breaks: "Claims do not find imported tasks",
    kills: ["operators/export-and-import", "operators/copy"],
    backend: class extends MutableBackend {
      override async restore(tasks: readonly RestoredTask[]) {
        const written = await super.restore(tasks);
        const hide = this.raw.prepare("update tasks set claimable_at = null where task_id = ?");
        for (const taskId of written) hide.run(taskId);
        return written;
      }
    },
  },
  {
    id: "export-expired-messages",
    breaks: "An export has messages that have expired",
    kills: ["operators/export-messages"],
    backend: class extends MutableBackend {
      override async messagesOf(taskIds: readonly string[]) {
        const select = "select task_id as taskId, body as message, expires_at as expiresAt from messages order by seq";
        const rows = this.raw.prepare(select).all() as { taskId: string; message: string; expiresAt: number }[];
        return rows.filter(({ taskId }) => taskIds.includes(taskId));
      }
    },
  },
  {
    id: "import-counts-all",
    breaks: "An import counts tasks that were there before",
    kills: ["operators/import-again"],
    backend: class extends MutableBackend {
      override async restore(tasks: readonly RestoredTask[]) {
        await super.restore(tasks);
        return tasks.map(({ taskId }) => taskId);
      }
    },
  },
  {
    id: "settled-too-early",
    breaks: "Positions that tasks may still take count as settled",
    kills: ["operators/follow"],
    backend: class extends MutableBackend {
      async settled() {
        return 1e15;
      }
    },
  },
];

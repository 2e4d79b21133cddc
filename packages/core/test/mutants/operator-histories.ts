import { appendHistory, type ClaimQuery, type Guard, HISTORY_LENGTH, type Patch } from "@mcp-task-store/core/backend";
import { MutableBackend, type Mutant } from "./mutant.ts";

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

export const operatorHistoryMutants: Mutant[] = [
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
    id: "renewals-tell-nothing",
    breaks: "A renewal does not keep its line of the history",
    kills: ["operators/traced-runs"],
    backend: class extends MutableBackend {
      override async update(taskId: string, guard: Guard, { history, ...patch }: Patch) {
        return super.update(taskId, guard, patch.lease?.action === "renew" ? patch : { ...patch, history });
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
];

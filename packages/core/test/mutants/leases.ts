import { type Lease, TaskStoreError } from "@mcp-task-store/core";
import {
  applyPatch,
  type ClaimQuery,
  type Guard,
  type NewTask,
  type Patch,
  type StoredTask,
  withPayloads,
} from "@mcp-task-store/core/backend";
import { MutableBackend, type Mutant, pause } from "./mutant.ts";

/** A backend that corrupts the task whenever a lease is taken, renewed or released. */
function onLease(change: (stored: StoredTask) => Partial<StoredTask>): typeof MutableBackend {
  return class extends MutableBackend {
    override async update(taskId: string, guard: Guard, patch: Patch) {
      const written = await super.update(taskId, guard, patch);
      if (!written.applied || !patch.lease) return written;
      return { applied: true, task: this.mend(written.task, change) } as const;
    }
    override async claim(query: ClaimQuery) {
      return (await super.claim(query)).map((task) => this.mend(task, change));
    }
  };
}

/** A backend that changes each guard and patch. */
function onUpdate(change: (guard: Guard, patch: Patch) => { guard?: Guard; patch?: Patch }): typeof MutableBackend {
  return class extends MutableBackend {
    override async update(taskId: string, guard: Guard, patch: Patch) {
      const changed = change(guard, patch);
      return super.update(taskId, changed.guard ?? guard, changed.patch ?? patch);
    }
  };
}

class Eternal extends MutableBackend {
  override async update(taskId: string, guard: Guard, patch: Patch) {
    const task = this.peek(taskId);
    if (guard.leaseFree && task && task.leaseToken > 0) return { applied: false, task: withPayloads(task) } as const;
    return super.update(taskId, guard, patch);
  }
  override async claim(query: ClaimQuery) {
    const held = this.raw
      .prepare("select task_id from tasks where json_extract(record, '$.leaseToken') > 0 and active")
      .all();
    for (const { task_id } of held)
      this.raw.prepare("update tasks set claimable_at = null where task_id = ?").run(task_id as string);
    return super.claim(query);
  }
}

class FencingEveryone extends MutableBackend {
  override async update(taskId: string, guard: Guard, patch: Patch) {
    const task = this.peek(taskId);
    const fenced = task && task.leaseToken > 0 && guard.leaseToken === undefined && !guard.leaseFree;
    if (fenced) throw new TaskStoreError("LEASE_LOST", "Another runner holds the task", { taskId });
    return super.update(taskId, guard, patch);
  }
}

/** Reads a task first and claims it later. */
class RacyClaim extends MutableBackend {
  protected choose({ names }: ClaimQuery): string | undefined {
    const due = this.raw
      .prepare("select task_id, name from tasks where active and claimable_at <= ? order by claimable_at")
      .all(this.now());
    return due.find(({ name }) => names.includes(name as string))?.["task_id"] as string | undefined;
  }
  override async claim(query: ClaimQuery) {
    const taskId = this.choose(query);
    await pause();
    const task = taskId === undefined ? undefined : this.peek(taskId);
    const lease = { action: "take", leaseMs: query.leaseMs } as const;
    return task ? [this.put(applyPatch(task, { lease }, this.now()))] : [];
  }
}

class NewestFirst extends RacyClaim {
  protected override choose() {
    const sql = "select task_id from tasks where active and claimable_at <= ? order by claimable_at desc limit 1";
    return this.raw.prepare(sql).get(this.now())?.["task_id"] as string | undefined;
  }
}

class AnyName extends MutableBackend {
  override async claim(query: ClaimQuery) {
    const names = this.raw.prepare("select distinct name from tasks").all();
    return super.claim({ ...query, names: names.map(({ name }) => name as string) });
  }
}

class AtOnce extends MutableBackend {
  override async insert(task: NewTask, caps: Parameters<MutableBackend["insert"]>[1]) {
    return super.insert({ ...task, claimAfterMs: 0 }, caps);
  }
}

class CountedTokens extends MutableBackend {
  override async update(taskId: string, guard: Guard, patch: Patch) {
    const before = this.peek(taskId)?.leaseToken ?? 0;
    const written = await super.update(taskId, guard, patch);
    if (!written.applied || patch.lease?.action !== "take") return written;
    const task = this.mend(written.task, () => ({ leaseToken: before + 1 + (before % 2) }));
    return { applied: true, task } as const;
  }
}

export const leaseMutants: Mutant[] = [
  {
    id: "one-token",
    breaks: "Every lease has the same token",
    kills: [
      "leases/lapse",
      "leases/fencing",
      "leases/release",
      "leases/claim-of-the-dead",
      "running/lost-lease-aborts",
      "crash/take-over",
    ],
    backend: onLease(() => ({ leaseToken: 1 })),
  },
  {
    id: "counted-tokens",
    breaks: "Tokens are counted, so the first runner of each task has the same one",
    kills: ["leases/reused-id"],
    backend: CountedTokens,
  },
  {
    id: "no-attempts",
    breaks: "Attempts are not counted",
    kills: ["leases/acquire", "leases/lapse", "leases/claim", "leases/claim-of-the-dead", "running/stores-the-result"],
    backend: onLease(() => ({ attempt: 0 })),
  },
  {
    id: "stealing",
    breaks: "A lease that is held can be taken",
    kills: ["leases/held", "leases/heartbeat", "races/one-lease", "processes/one-lease"],
    backend: onUpdate(({ leaseFree: _, ...guard }) => ({ guard })),
  },
  {
    id: "vain-heartbeat",
    breaks: "A heartbeat renews nothing",
    kills: ["leases/heartbeat", "running/heartbeats", "expiry/heartbeats-keep"],
    backend: class extends MutableBackend {
      override async update(taskId: string, guard: Guard, patch: Patch) {
        const task = patch.lease?.action === "renew" ? await super.read(taskId, null, []) : undefined;
        return task ? ({ applied: true, task } as const) : super.update(taskId, guard, patch);
      }
    },
  },
  {
    id: "eternal-leases",
    breaks: "A lease never lapses",
    kills: ["leases/lapse", "leases/claim-of-the-dead", "leases/fencing", "leases/checkpoint", "crash/take-over"],
    backend: Eternal,
  },
  {
    id: "unfenced",
    breaks: "Tokens are ignored",
    kills: ["leases/fencing", "leases/release", "running/lost-lease-aborts", "crash/take-over"],
    backend: onUpdate(({ leaseToken: _, ...guard }) => ({ guard })),
  },
  {
    id: "fences-everyone",
    breaks: "Writers without a token are refused while a runner has the task",
    kills: ["leases/unfenced-writers", "waiting/cancel-reaches-the-runner"],
    backend: FencingEveryone,
  },
  {
    id: "release-does-nothing",
    breaks: "A lease that was given back still counts",
    kills: ["leases/release", "expiry/released-late", "running/input-survives"],
    store: (store) => ({
      async releaseLease(lease) {
        await store.renewLease(lease);
      },
    }),
  },
  {
    id: "leases-on-the-dead",
    breaks: "A terminal task can be leased",
    kills: ["leases/terminal", "terminal/is-immutable"],
    store: (store) => ({
      acquireLease: (taskId, options) =>
        store.acquireLease(taskId, options).catch((error): Lease => {
          if (error.code === "TASK_TERMINAL") return { taskId, token: 1, attempt: 1, leaseMs: 1000 };
          throw error;
        }),
    }),
  },
  {
    id: "any-lease-will-do",
    breaks: "A lease of another task is accepted",
    kills: ["leases/of-another-task"],
    store: (store) => ({
      updateTask: (taskId, change, { lease, ...options } = {}) =>
        store.updateTask(taskId, change, lease?.taskId === taskId ? { lease, ...options } : options),
    }),
  },
  {
    id: "loud-heartbeats",
    breaks: "A heartbeat counts as a change",
    kills: ["leases/are-not-changes"],
    backend: onLease(({ revision }) => ({ revision: revision + 1 })),
  },
  {
    id: "no-checkpoints",
    breaks: "Checkpoints are not kept",
    kills: ["leases/checkpoint", "running/stores-the-result", "crash/take-over"],
    backend: onUpdate((_, { checkpoint, ...patch }) => ({ patch })),
  },
  {
    id: "no-claimable-at",
    breaks: "The record does not say when the task may be claimed",
    kills: ["leases/claimable-at"],
    store: (store) => ({
      async getRecord(...args) {
        const record = await store.getRecord(...args);
        return record && { ...record, claimableAt: undefined };
      },
    }),
  },
  {
    id: "thin-claims",
    breaks: "A claim lacks the request",
    kills: ["leases/claim"],
    backend: class extends MutableBackend {
      override async claim(query: ClaimQuery) {
        return (await super.claim(query)).map((task) => withPayloads(task));
      }
    },
  },
  {
    id: "claims-without-checkpoint",
    breaks: "A claim lacks the last runner's checkpoint and answers",
    kills: ["leases/claim"],
    backend: class extends MutableBackend {
      override async claim(query: ClaimQuery) {
        return (await super.claim(query)).map((task) => withPayloads(task, ["request", "inputs"]));
      }
    },
  },
  {
    id: "greedy-claims",
    breaks: "A claim takes more tasks than its limit",
    kills: ["leases/claim-several"],
    backend: class extends MutableBackend {
      override async claim(query: ClaimQuery) {
        return super.claim({ ...query, limit: query.limit > 1 ? query.limit + 1 : 1 });
      }
    },
  },
  {
    id: "claims-one",
    breaks: "A claim of several tasks takes one",
    kills: ["leases/claim-several"],
    backend: class extends MutableBackend {
      override async claim(query: ClaimQuery) {
        return super.claim({ ...query, limit: 1 });
      }
    },
  },
  {
    id: "claims-any-name",
    breaks: "A claim ignores names",
    kills: ["leases/claim-by-name"],
    backend: AnyName,
  },
  {
    id: "claims-at-once",
    breaks: "`claimAfterMs` is an option that nothing reads",
    kills: ["leases/claim-after", "leases/claimable-at"],
    backend: AtOnce,
  },
  {
    id: "claims-the-newest",
    breaks: "The task that has waited least is claimed first",
    kills: ["leases/claim-longest-waiting"],
    backend: NewestFirst,
  },
  {
    id: "racy-claims",
    breaks: "A claim reads first and writes later",
    kills: ["races/one-claim-per-task", "processes/one-claim-per-task"],
    backend: RacyClaim,
  },
  {
    id: "errors-are-results",
    breaks: "A JSON-RPC error is stored as a result",
    kills: ["running/deadline", "running/keeps-the-error", "errors/json-rpc"],
    store: (store) => ({
      finishTask: (taskId, outcome, options) =>
        store.finishTask(
          taskId,
          "error" in outcome ? { status: "failed", result: { ...outcome.error } } : outcome,
          options,
        ),
    }),
  },
];

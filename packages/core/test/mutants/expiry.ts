import { isTerminal, TaskStoreError } from "@mcp-task-store/core";
import type {
  Caps,
  ClaimQuery,
  Guard,
  NewTask,
  OwnerScope,
  Patch,
  PayloadField,
  StoredTask,
} from "@mcp-task-store/core/backend";
import { SqliteBackend } from "../../examples/sqlite-backend.ts";
import { MutableBackend, type Mutant, never, pause } from "./mutant.ts";

/** A backend that corrupts the task after each update. */
function after(change: (stored: StoredTask, patch: Patch, now: number, before: StoredTask) => Partial<StoredTask>) {
  return class extends MutableBackend {
    override async update(taskId: string, guard: Guard, patch: Patch) {
      const before = this.peek(taskId);
      const written = await super.update(taskId, guard, patch);
      if (!written.applied || !before) return written;
      return {
        applied: true,
        task: this.mend(written.task, (stored) => change(stored, patch, this.now(), before)),
      } as const;
    }
    override async claim(query: ClaimQuery) {
      const patch = { lease: { action: "take", leaseMs: query.leaseMs } } as const;
      const tasks = await super.claim(query);
      return tasks.map((task) => this.mend(task, (stored) => change(stored, patch, this.now(), stored)));
    }
  };
}

const fromCreation = ({ createdAt, ttl }: StoredTask) => (ttl === null ? null : createdAt + ttl);

/** Expired tasks stay visible until they are deleted. */
class Lingering extends MutableBackend {
  readonly #timeless: SqliteBackend;
  constructor(file: string, now: () => number) {
    super(file, now);
    this.#timeless = new SqliteBackend(file, () => 0);
  }
  override async open() {
    await this.#timeless.open();
    return super.open();
  }
  override async read(taskId: string, scope: OwnerScope, payloads: readonly PayloadField[]) {
    return this.#timeless.read(taskId, scope, payloads);
  }
  override async readMany(taskIds: readonly string[], payloads: readonly PayloadField[]) {
    return this.#timeless.readMany(taskIds, payloads);
  }
  override async list(query: Parameters<SqliteBackend["list"]>[0]) {
    return this.#timeless.list(query);
  }
  override async close() {
    await this.#timeless.close();
    await super.close();
  }
}

class Int32 extends MutableBackend {
  override async insert(task: NewTask, caps: Caps) {
    return super.insert({ ...task, ttl: task.ttl === null ? null : task.ttl | 0 }, caps);
  }
}

class Remembering extends MutableBackend {
  override async insert(task: NewTask, caps: Caps) {
    return this.peek(task.taskId) ? ({ refused: "duplicate" } as const) : super.insert(task, caps);
  }
}

class Unbounded extends MutableBackend {
  override async deleteExpired() {
    return super.deleteExpired(1e9);
  }
}

class FullSteps extends MutableBackend {
  override async deleteExpired() {
    const { deleted } = await super.deleteExpired(100);
    return { deleted, more: deleted === 100 };
  }
}

class Hoarding extends MutableBackend {
  override async deleteExpired() {
    return { deleted: 0, more: false };
  }
}

class Merciless extends MutableBackend {
  override async deleteExpired(limit: number) {
    this.raw.exec("delete from tasks where not active");
    return super.deleteExpired(limit);
  }
}

class ClaimingGhosts extends MutableBackend {
  override async claim(query: ClaimQuery) {
    this.raw
      .prepare(
        "update tasks set expires_at = null, record = json_set(record, '$.expiresAt', null) where expires_at <= ?",
      )
      .run(this.now());
    return super.claim(query);
  }
}

/** Hides expiry times from waits. */
class Timeless extends MutableBackend {
  override async readMany(taskIds: readonly string[], payloads: readonly PayloadField[]) {
    return (await super.readMany(taskIds, payloads)).map((task) => ({ ...task, expiresAt: null }));
  }
}

export const expiryMutants: Mutant[] = [
  {
    id: "expiry-by-polls",
    breaks: "Only the next fallback poll notices an expiry",
    kills: ["expiry/wakes-in-time"],
    backend: Timeless,
  },
  {
    id: "null-is-short",
    breaks: "A task without ttl expires",
    kills: ["expiry/null-is-forever"],
    options: (options) => ({
      ...options,
      limits: { ...options.limits, ttl: { default: 500, max: 5000, ...options.limits?.ttl } },
    }),
  },
  {
    id: "lingering",
    breaks: "Reads show expired tasks until a sweep",
    kills: [
      "expiry/gone-after-ttl",
      "expiry/gone-for-every-call",
      "expiry/terminal-goes-too",
      "expiry/wakes-wait-for-task",
      "expiry/wakes-wait-for-result",
      "expiry/wakes-await-input",
      "running/expiry-aborts",
    ],
    backend: Lingering,
  },
  {
    id: "no-new-ttl",
    breaks: "A terminal task expires `ttl` ms after its creation",
    kills: ["expiry/restarts-with-a-result", "expiry/restarts-with-a-status", "expiry/restarts-with-a-cancel"],
    backend: after((task) => (isTerminal(task.status) ? { expiresAt: fromCreation(task) } : {})),
  },
  {
    id: "ttl-dropped",
    breaks: "An update drops the ttl",
    kills: [
      "expiry/updates-keep-the-ttl",
      "expiry/terminal-goes-too",
      "expiry/released-late",
      "expiry/heartbeats-keep",
    ],
    backend: after(() => ({ expiresAt: null })),
  },
  {
    id: "ttl-restarted",
    breaks: "Every update restarts the ttl",
    kills: ["expiry/updates-keep-the-ttl"],
    backend: after(({ ttl }, _, now) => ({ expiresAt: ttl === null ? null : now + ttl })),
  },
  {
    id: "lease-shortens",
    breaks: "A task does not outlive a lease",
    kills: ["expiry/updates-never-shorten"],
    backend: after(({ ttl, expiresAt }, { lease }, now) => ({
      expiresAt: lease && ttl !== null ? now + lease.leaseMs : expiresAt,
    })),
  },
  {
    id: "live-work-expires",
    breaks: "A task expires `ttl` ms after its creation, even while its runner is alive",
    kills: ["expiry/live-lease-keeps", "expiry/heartbeats-keep", "expiry/claimed-task-is-kept", "running/heartbeats"],
    backend: after((task) => (isTerminal(task.status) ? {} : { expiresAt: fromCreation(task) })),
  },
  {
    id: "released-stays",
    breaks: "A task given back after its ttl stays until its lease would have lapsed",
    kills: ["expiry/released-late"],
    backend: after(({ expiresAt }, { lease }, _, before) => ({
      expiresAt: lease?.action === "release" ? before.expiresAt : expiresAt,
    })),
  },
  {
    id: "ttl-unlimited",
    breaks: "`limits.ttl` is an option that nothing reads",
    kills: ["expiry/ttl-limits"],
    options: ({ limits: { ttl: _, ...limits } = {}, ...options }) => ({ ...options, limits }),
  },
  {
    id: "int32-ttl",
    breaks: "A ttl has 32 bits",
    kills: ["expiry/long-ttl"],
    backend: Int32,
  },
  {
    id: "fake-cancel",
    breaks: "A wait for a task that expires ends as if the task were cancelled",
    kills: ["expiry/wakes-wait-for-task"],
    store: (store) => ({
      waitForTask: (taskId, options) =>
        store.waitForTask(taskId, options).catch((error) => {
          if (error.code !== "TASK_EXPIRED") throw error;
          const now = new Date().toISOString();
          return { task: { taskId, status: "cancelled", ttl: 0, createdAt: now, lastUpdatedAt: now }, revision: 9 };
        }),
    }),
  },
  {
    id: "expiry-is-not-told",
    breaks: "Waits for a task that expires go on for ever",
    kills: [
      "expiry/wakes-wait-for-task",
      "expiry/wakes-wait-for-result",
      "expiry/wakes-await-input",
      "running/expiry-aborts",
    ],
    store(store) {
      const sleepOn = (error: { code?: string }) => {
        if (error.code === "TASK_EXPIRED") return never;
        throw error;
      };
      return {
        waitForTask: (...args) => store.waitForTask(...args).catch(sleepOn),
        waitForResult: (...args) => store.waitForResult(...args).catch(sleepOn),
        awaitInput: (...args) => store.awaitInput(...args).catch(sleepOn),
      };
    },
  },
  {
    id: "ids-stay-taken",
    breaks: "The id of an expired task cannot be used again",
    kills: ["expiry/takes-everything", "expiry/frees-its-key"],
    backend: Remembering,
  },
  {
    id: "unbounded-sweep",
    breaks: "A sweep deletes everything at once",
    kills: ["expiry/sweep-is-bounded"],
    backend: Unbounded,
  },
  {
    id: "full-steps",
    breaks: "The last step of a sweep deletes as much as the others",
    kills: ["expiry/sweep-in-steps"],
    backend: FullSteps,
  },
  {
    id: "hoarding",
    breaks: "Nothing is ever deleted",
    kills: [
      "expiry/sweep-is-bounded",
      "expiry/sweep-spares-the-living",
      "expiry/terminal-goes-too",
      "expiry/sweep-beside-writers",
      "expiry/sweeps-by-itself",
    ],
    backend: Hoarding,
  },
  {
    id: "merciless-sweep",
    breaks: "A sweep takes finished tasks that have not expired",
    kills: ["expiry/sweep-spares-the-living"],
    backend: Merciless,
  },
  {
    id: "no-sweep",
    breaks: "A store never sweeps",
    kills: ["expiry/sweeps-by-itself"],
    options: (options) => ({ ...options, sweepIntervalMs: false }),
  },
  {
    id: "locking-sweep",
    breaks: "A sweep locks out writers",
    kills: ["expiry/sweep-beside-writers"],
    store(store, { file }) {
      return {
        async deleteExpired(options) {
          locked.add(file);
          await pause();
          return store.deleteExpired(options).finally(() => locked.delete(file));
        },
        async createTask(...args) {
          if (locked.has(file)) throw new TaskStoreError("BACKEND_UNAVAILABLE", "The database is locked");
          return store.createTask(...args);
        },
      };
    },
  },
  {
    id: "claims-ghosts",
    breaks: "A claim hands out expired tasks",
    kills: ["expiry/no-claim-after-expiry"],
    backend: ClaimingGhosts,
  },
];

const locked = new Set<string>();

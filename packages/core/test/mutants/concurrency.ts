import type { Caps, Guard, LimitedClaimQuery, NewTask, Patch, StoredTask } from "@mcp-task-store/core/backend";
import { MutableBackend, type Mutant, pause } from "./mutant.ts";

/** A backend that does this before or instead of each claim with limits. */
function limiting(
  claim: (
    backend: MutableBackend,
    query: LimitedClaimQuery,
    next: (changed: LimitedClaimQuery) => Promise<StoredTask[]>,
  ) => Promise<StoredTask[]>,
): typeof MutableBackend {
  return class extends MutableBackend {
    override claimLimited(query: LimitedClaimQuery) {
      return claim(this, query, (changed) => super.claimLimited(changed));
    }
  };
}

const taken = new WeakMap<MutableBackend, Set<number>>();

/** Hides the places of tasks that this handle did not take. */
const limitsOfAHandle = limiting(async (backend, query, next) => {
  const own = taken.get(backend) ?? new Set();
  taken.set(backend, own);
  for (const { position } of backend.raw.prepare("select position from places").all())
    if (!own.has(position as number)) forget(backend, position as number);
  const claimed = await next(query);
  for (const { position } of claimed) own.add(position);
  return claimed;
});

function forget({ raw }: MutableBackend, position: number): void {
  raw.prepare("delete from places where position = ?").run(position);
}

class PlacesForEver extends MutableBackend {
  readonly #taken = new Map<string | null, number>();
  override async claimLimited(query: LimitedClaimQuery) {
    const all = [...this.#taken.values()].reduce((sum, count) => sum + count, 0);
    const room = query.running === null ? query.limit : query.running - all;
    if (room <= 0) return [];
    const claimed = await super.claimLimited({ ...query, limit: Math.min(query.limit, room) });
    for (const { owner } of claimed) this.#taken.set(owner, (this.#taken.get(owner) ?? 0) + 1);
    return claimed;
  }
}

/** Counts first and claims later. */
const racing = limiting(async (backend, query, next) => {
  const counted = backend.raw.prepare("select count(*) as count from running where claimable_at > ?");
  const { count } = counted.get(backend.now()) as { count: number };
  await pause();
  const limit = Math.min(query.limit, (query.running ?? Number.POSITIVE_INFINITY) - count);
  return limit > 0 ? next({ ...query, limit, running: null, runningPerOwner: null }) : [];
});

class PlacesOfTheFirstLease extends MutableBackend {
  readonly #ends = new Map<number, number>();
  override async claimLimited(query: LimitedClaimQuery) {
    for (const [position, end] of this.#endsOfFile()) if (end <= this.now()) forget(this, position);
    const claimed = await super.claimLimited(query);
    for (const { position, leaseExpiresAt } of claimed) this.#endsOfFile().set(position, leaseExpiresAt as number);
    return claimed;
  }
  #endsOfFile(): Map<number, number> {
    const ends = endsOfFiles.get(this.file) ?? this.#ends;
    endsOfFiles.set(this.file, ends);
    return ends;
  }
}
const endsOfFiles = new Map<string, Map<number, number>>();

class SeesNewTasks extends MutableBackend {
  #from: number | undefined;
  override async claimLimited(query: LimitedClaimQuery) {
    const last = this.raw.prepare("select ifnull(max(position), 0) as position from tasks").get();
    this.#from ??= last?.["position"] as number;
    this.raw.prepare("update tasks set claimable_at = null where position <= ?").run(this.#from);
    return super.claimLimited(query);
  }
}

class PlacesById extends MutableBackend {
  override async insert(task: NewTask, caps: Caps) {
    const before = this.peek(task.taskId)?.position;
    const outcome = await super.insert(task, caps);
    if (before !== undefined && "inserted" in outcome)
      this.raw.prepare("update places set position = ? where position = ?").run(outcome.inserted.position, before);
    return outcome;
  }
  override async update(taskId: string, guard: Guard, patch: Patch) {
    const written = await super.update(taskId, guard, patch);
    if (written.applied && patch.lease?.action === "take")
      this.raw
        .prepare("update places set token = ? where position = ?")
        .run(written.task.leaseToken, written.task.position);
    return written;
  }
}

class SweepsOwners extends MutableBackend {
  override async deleteExpired(limit: number) {
    const hide = "update tasks set claimable_at = null where active and json_extract(record, '$.owner') is ?";
    const owners = this.raw.prepare(
      "select distinct json_extract(record, '$.owner') as owner from tasks where expires_at <= ?",
    );
    for (const { owner } of owners.all(this.now())) this.raw.prepare(hide).run(owner as string | null);
    return super.deleteExpired(limit);
  }
}

export const concurrencyMutants: Mutant[] = [
  {
    id: "limits-of-a-handle",
    breaks: "Only the tasks that this handle took count for a limit",
    kills: ["concurrency/per-name", "concurrency/per-owner", "processes/claims-at-the-limit"],
    backend: limitsOfAHandle,
  },
  {
    id: "limit-of-a-name-ignored",
    breaks: "`running` is an option that nothing reads",
    kills: ["concurrency/per-name", "processes/claims-at-the-limit"],
    backend: limiting((_, query, next) => next({ ...query, running: null })),
  },
  {
    id: "limit-of-an-owner-ignored",
    breaks: "`runningPerOwner` is an option that nothing reads",
    kills: ["concurrency/per-owner", "concurrency/begins-later"],
    backend: limiting((_, query, next) => next({ ...query, runningPerOwner: null })),
  },
  {
    id: "limit-of-no-owner-ignored",
    breaks: "Tasks without owner have no limit",
    kills: ["concurrency/per-owner"],
    backend: limiting(async ({ raw }, query, next) => {
      raw.exec("delete from places where (select owner from tasks where tasks.position = places.position) is null");
      return next(query);
    }),
  },
  {
    id: "limit-of-all-names",
    breaks: "A name at its limit stops the claims of other names",
    kills: ["concurrency/per-name"],
    backend: class extends MutableBackend {
      override async claim(query: Parameters<MutableBackend["claim"]>[0]) {
        const running = this.raw.prepare("select count(*) as count from running").get();
        return (running?.["count"] as number) >= 3 ? [] : super.claim(query);
      }
    },
  },
  {
    id: "owners-by-age",
    breaks: "The oldest task comes first, of any owner",
    kills: ["concurrency/in-turn"],
    backend: limiting(async ({ raw }, query, next) => {
      raw.exec("delete from turns");
      return next(query);
    }),
  },
  {
    id: "turns-of-a-batch",
    breaks: "One owner gets all tasks of a claim",
    kills: ["concurrency/in-turn"],
    backend: limiting(async ({ raw }, query, next) => {
      const claimed = await next({ ...query, limit: 1 });
      while (claimed.length > 0 && claimed.length < query.limit) {
        raw.prepare("update turns set turn = 0 where owner is ?").run((claimed[0] as StoredTask).owner);
        const more = await next({ ...query, limit: 1 });
        if (more.length === 0) break;
        claimed.push(...more);
      }
      return claimed;
    }),
  },
  {
    id: "names-in-their-order",
    breaks: "A claim takes tasks of the first name for as long as there are some",
    kills: ["concurrency/names-in-turn"],
    store: (store) => ({
      async claimTask(options) {
        for (const name of options.names) {
          const limits = options.concurrency?.[name];
          const claimed = await store.claimTask({
            ...options,
            names: [name],
            concurrency: limits ? { [name]: limits } : undefined,
          });
          if (claimed) return claimed;
        }
        return null;
      },
    }),
  },
  {
    id: "places-for-ever",
    breaks: "A task keeps its place after its end",
    kills: ["concurrency/frees-places"],
    backend: PlacesForEver,
  },
  {
    id: "place-of-the-first-lease",
    breaks: "A task loses its place when its first lease would have lapsed",
    kills: ["concurrency/renewed"],
    backend: PlacesOfTheFirstLease,
  },
  {
    id: "places-by-id",
    breaks: "A task with the id of an expired one has the place of that one",
    kills: ["concurrency/reused-id"],
    backend: PlacesById,
  },
  {
    id: "limits-let-expire",
    breaks: "A claim with limits does not keep a task beyond its ttl",
    kills: ["concurrency/outlives-ttl"],
    backend: limiting(async (backend, query, next) => {
      const claimed = await next(query);
      return claimed.map((task) =>
        backend.mend(task, ({ createdAt, ttl }) => ({ expiresAt: ttl === null ? null : createdAt + ttl })),
      );
    }),
  },
  {
    id: "every-lease-counts",
    breaks: "A task that was taken without limits fills a place",
    kills: ["concurrency/free-claims"],
    backend: limiting(async ({ raw }, query, next) => {
      raw.exec("replace into places select position, json_extract(record, '$.leaseToken') from tasks where active");
      return next(query);
    }),
  },
  {
    id: "limits-from-now-on",
    breaks: "Claims with limits do not see the tasks made before the first one",
    kills: ["concurrency/begins-later"],
    backend: SeesNewTasks,
  },
  {
    id: "claims-with-limits-at-once",
    breaks: "A claim with limits takes tasks before their `claimAfterMs`",
    kills: ["concurrency/claim-after"],
    backend: limiting(async (backend, query, next) => {
      backend.raw
        .prepare(
          "update tasks set claimable_at = ? where active and claimable_at > ? and json_extract(record, '$.leaseToken') = 0",
        )
        .run(backend.now(), backend.now());
      return next(query);
    }),
  },
  {
    id: "limits-before-pauses",
    breaks: "A claim with limits takes tasks of a paused name",
    kills: ["concurrency/pauses"],
    backend: limiting(async ({ raw }, query, next) => {
      const paused = raw.prepare("select name from paused").all();
      raw.exec("delete from paused");
      const claimed = await next(query);
      for (const { name } of paused) raw.prepare("insert into paused values (?)").run(name as string);
      return claimed;
    }),
  },
  {
    id: "wrong-limits-are-none",
    breaks: "Limits that cannot be read are no limits",
    kills: ["concurrency/arguments"],
    store: (store) => ({
      claimTasks: (options) =>
        store.claimTasks(options).catch(() => store.claimTasks({ ...options, concurrency: undefined })),
    }),
  },
  {
    id: "owners-end-with-a-task",
    breaks: "The sweep of one task takes all tasks of its owner from the claims",
    kills: ["concurrency/beside-removed"],
    backend: SweepsOwners,
  },
  {
    id: "racy-limits",
    breaks: "A claim counts in one step and takes in another",
    kills: ["races/claims-at-the-limit", "processes/claims-at-the-limit"],
    backend: racing,
  },
];

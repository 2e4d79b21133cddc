import { type Caps, isExpired, type NewTask } from "@mcp-task-store/core/backend";
import { MutableBackend, type Mutant, pause } from "./mutant.ts";

const NO_CAPS: Caps = { activeTasks: null, activeTasksPerOwner: null };

class Uncapped extends MutableBackend {
  override async insert(task: NewTask) {
    return super.insert(task, NO_CAPS);
  }
}

/** Counts before the insert, in a separate step. */
class Counting extends MutableBackend {
  protected readonly counted: string = "active and (expires_at is null or expires_at > ?1)";
  protected isFull(task: NewTask, caps: Caps): boolean {
    const sql = `select count(*) as total, count(*) filter (where owner is ?2) as own from tasks where (${this.counted}) or ?1 < 0`;
    const row = this.raw.prepare(sql).get(this.now(), task.owner);
    const { total, own } = row as { total: number; own: number };
    return (
      total >= (caps.activeTasks ?? Number.POSITIVE_INFINITY) ||
      own >= (caps.activeTasksPerOwner ?? Number.POSITIVE_INFINITY)
    );
  }
  override async insert(task: NewTask, caps: Caps) {
    if (this.isFull(task, caps)) return { refused: "activeTasks" } as const;
    await pause();
    return super.insert(task, NO_CAPS);
  }
}

class CountingAll extends Counting {
  protected override readonly counted: string = "true";
}

class CountingWorking extends Counting {
  protected override readonly counted: string =
    "json_extract(record, '$.status') = 'working' and (expires_at is null or expires_at > ?1)";
}

/** Marks tasks made under a cap, and counts only those. */
class CountingMarked extends Counting {
  protected override readonly counted: string =
    "active and (expires_at is null or expires_at > ?1) and task_id in (select task_id from marked)";
  override async insert(task: NewTask, caps: Caps) {
    this.raw.exec("create table if not exists marked (task_id text)");
    if (caps.activeTasks === null && caps.activeTasksPerOwner === null) return super.insert(task, caps);
    const outcome = await super.insert(task, caps);
    if ("inserted" in outcome) this.raw.prepare("insert into marked values (?)").run(task.taskId);
    return outcome;
  }
}

class InsertingFirst extends Counting {
  override async insert(task: NewTask, caps: Caps) {
    const full = this.isFull(task, caps);
    const old = this.peek(task.taskId);
    if (old && !isExpired(old, this.now())) return { refused: "duplicate" } as const;
    const outcome = await MutableBackend.prototype.insert.call(this, task, NO_CAPS);
    return full ? ({ refused: "activeTasks" } as const) : outcome;
  }
}

export const limitMutants: Mutant[] = [
  {
    id: "no-caps",
    breaks: "Caps on tasks are options that nothing reads",
    kills: [
      "limits/active-tasks",
      "limits/active-tasks-per-owner",
      "limits/active-includes-asking",
      "limits/ended-tasks-do-not-count",
      "limits/refused-leaves-nothing",
      "races/create-at-the-cap",
      "races/create-at-the-owners-cap",
      "processes/create-at-the-cap",
    ],
    backend: Uncapped,
  },
  {
    id: "racy-caps",
    breaks: "A creation counts first and inserts later",
    kills: ["races/create-at-the-cap", "races/create-at-the-owners-cap", "processes/create-at-the-cap"],
    backend: Counting,
  },
  {
    id: "counts-everything",
    breaks: "Ended tasks count towards caps",
    kills: ["limits/ended-tasks-do-not-count"],
    backend: CountingAll,
  },
  {
    id: "counts-from-the-first-cap",
    breaks: "Tasks made without a cap do not count",
    kills: ["limits/opened-later"],
    backend: CountingMarked,
  },
  {
    id: "counts-working",
    breaks: "Tasks that wait for input do not count",
    kills: ["limits/active-includes-asking"],
    backend: CountingWorking,
  },
  {
    id: "inserts-first",
    breaks: "A refused creation leaves its task",
    kills: ["limits/refused-leaves-nothing", "limits/active-tasks"],
    backend: InsertingFirst,
  },
  {
    id: "any-size",
    breaks: "`limits.payloadBytes` is an option that nothing reads",
    kills: ["limits/payload-bytes", "limits/inputs-count-together", "limits/bytes-are-utf-8"],
    options: ({ limits: { payloadBytes, ...limits } = {}, ...options }) => ({
      ...options,
      limits: payloadBytes === 0 ? { payloadBytes } : limits,
    }),
  },
  {
    id: "counts-characters",
    breaks: "Payloads are measured in characters",
    kills: ["limits/bytes-are-utf-8"],
    store(store, { options, twin }) {
      const { payloadBytes = Number.MAX_SAFE_INTEGER, ...limits } = options.limits ?? {};
      const unlimited = twin({ ...options, limits });
      return {
        storeTaskResult: (taskId, status, result, sessionId) =>
          (JSON.stringify(result)?.length <= payloadBytes ? unlimited : store).storeTaskResult(
            taskId,
            status,
            result,
            sessionId,
          ),
      };
    },
  },
  {
    id: "capped-by-default",
    breaks: "A cap applies without the option",
    kills: ["limits/none-by-default"],
    options: (options) => ({ ...options, limits: { activeTasks: 50, ...options.limits } }),
  },
];

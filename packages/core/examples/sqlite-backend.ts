import { randomUUID } from "node:crypto";
import { DatabaseSync, type SQLInputValue } from "node:sqlite";
import {
  applyPatch,
  type Caps,
  type ClaimQuery,
  type Guard,
  guardHolds,
  initialTask,
  isActive,
  isExpired,
  isInScope,
  isStepText,
  type LimitedClaimQuery,
  type ListQuery,
  type NewTask,
  type OwnerScope,
  type Patch,
  type PayloadField,
  type RestoredTask,
  type Rewrite,
  type Step,
  type StoredTask,
  stepOf,
  type TaskBackend,
  withPayloads,
} from "@mcp-task-store/core/backend";

const SCHEMA = `
  create table if not exists store (id text not null, counter integer not null);
  create table if not exists tasks (
    task_id text primary key, position integer not null unique, changed integer not null unique, owner text,
    name text not null, active integer not null, expires_at real, claimable_at real, record text not null);
  create index if not exists tasks_expiry on tasks (expires_at) where expires_at is not null;
  create index if not exists tasks_claim on tasks (claimable_at) where claimable_at is not null;
  create index if not exists tasks_owner on tasks (owner, position);
  create index if not exists tasks_active on tasks (owner) where active;
  create table if not exists messages (
    seq integer primary key, task_id text not null, expires_at real not null, body text not null);
  create table if not exists paused (name text primary key);
  create table if not exists steps (task_id text not null, name text not null, body text not null, primary key (task_id, name));
  create trigger if not exists steps_end after delete on tasks begin delete from steps where task_id = old.task_id; end;
  create table if not exists places (position integer primary key, token integer not null);
  create table if not exists turns (name text not null, owner text, turn integer not null, unique (name, owner));
  create view if not exists running as select t.name, t.owner, t.claimable_at from tasks t join places p
    on p.position = t.position and p.token = json_extract(t.record, '$.leaseToken') where t.active;
  create index if not exists messages_queue on messages (task_id, seq);
  create index if not exists messages_expiry on messages (expires_at);`;

/**
 * Tasks in a SQLite file: a task is a row with its record as JSON, and columns for what queries
 * look at.
 */
export class SqliteBackend implements TaskBackend {
  readonly capabilities = Object.freeze({ durable: true, multiProcess: true });
  readonly #file: string;
  readonly #now: () => number;
  readonly #timers = new Set<NodeJS.Timeout>();
  #connection: DatabaseSync | undefined;

  constructor(file: string, now: () => number = Date.now) {
    this.#file = file;
    this.#now = now;
  }

  async open() {
    this.#connection ??= new DatabaseSync(this.#file);
    this.#connection.exec("pragma busy_timeout = 5000");
    return this.#transaction(() => {
      this.#db.exec(SCHEMA);
      this.#run("insert into store select ?, 0 where not exists (select * from store)", randomUUID());
      const [storeId = ""] = this.#texts("select id as value from store");
      return { storeId };
    });
  }

  async insert(task: NewTask, caps: Caps) {
    return this.#transaction(() => {
      const now = this.#now();
      const active = "select count(*) as value from tasks where active and (expires_at is null or expires_at > ?)";
      const isFull = (cap: number | null, count: number) => cap !== null && count >= cap;
      if (this.#find(task.taskId, now)) return { refused: "duplicate" } as const;
      if (isFull(caps.activeTasks, this.#number(active, now))) return { refused: "activeTasks" } as const;
      if (isFull(caps.activeTasksPerOwner, this.#number(`${active} and owner is ?`, now, task.owner)))
        return { refused: "activeTasksPerOwner" } as const;
      // Those of an expired task of this id.
      this.#run("delete from steps where task_id = ?", task.taskId);
      return { inserted: this.#save(initialTask(task, this.#next(), now)) };
    });
  }

  async read(taskId: string, scope: OwnerScope, payloads: readonly PayloadField[]) {
    const task = this.#find(taskId, this.#now());
    return task && isInScope(scope, task.owner) ? withPayloads(task, payloads) : undefined;
  }

  async readMany(taskIds: readonly string[], payloads: readonly PayloadField[]) {
    const found = this.#tasks("task_id in (select value from json_each(?))", JSON.stringify(taskIds));
    return found.map((task) => withPayloads(task, payloads));
  }

  async update(taskId: string, guard: Guard, patch: Patch) {
    return this.#transaction(() => {
      const now = this.#now();
      const task = this.#find(taskId, now);
      if (!task || !guardHolds(task, guard, now)) return { applied: false, task: task && withPayloads(task) } as const;
      if (patch.step) this.#keep(taskId, patch.step);
      return { applied: true, task: this.#save(applyPatch(task, patch, now)) } as const;
    });
  }

  async list({ scope, after, limit }: ListQuery) {
    const mine = scope === null ? "1" : scope.orUnowned ? "(owner is ? or owner is null)" : "owner is ?";
    const owner = scope === null ? [] : [scope.owner];
    const page = this.#tasks(`${mine} and position > ? order by position limit ?`, ...owner, after ?? 0, limit);
    return page.map((task) => withPayloads(task));
  }

  async claim({ names, leaseMs, limit, history }: ClaimQuery) {
    return this.#transaction(() => {
      const now = this.#now();
      const wanted = "name in (select value from json_each(?)) and name not in (select name from paused)";
      const due = `claimable_at <= ? and ${wanted} order by claimable_at limit ?`;
      return this.#tasks(due, now, JSON.stringify(names), limit).map((task) => {
        const claimed = applyPatch(task, { lease: { action: "take", leaseMs }, history }, now);
        this.#save(claimed);
        return claimed;
      });
    });
  }

  async claimLimited({ name, leaseMs, limit, history, running, runningPerOwner }: LimitedClaimQuery) {
    return this.#transaction(() => {
      const now = this.#now();
      const claimed: StoredTask[] = [];
      const count = "select count(*) as value from running where name = ? and claimable_at > ?";
      while (claimed.length < limit && (running === null || this.#number(count, name, now) < running)) {
        const ofOwner =
          "select count(*) from running r where r.name = tasks.name and r.owner is tasks.owner and r.claimable_at > ?";
        const turn = "select turn from turns where turns.name = tasks.name and turns.owner is tasks.owner";
        // Owners without a turn come first, as NULL does.
        const [task] = this.#tasks(
          `claimable_at <= ? and name = ? and name not in (select name from paused) and (${ofOwner}) < ?
            order by (${turn}), claimable_at limit 1`,
          ...[now, name, now, runningPerOwner ?? Number.MAX_SAFE_INTEGER],
        );
        if (!task) break;
        const taken = applyPatch(task, { lease: { action: "take", leaseMs }, history }, now);
        this.#save(taken);
        this.#run("replace into places values (?, ?)", taken.position, taken.leaseToken);
        this.#run("delete from turns where name = ? and owner is ?", name, taken.owner);
        this.#run("insert into turns values (?, ?, ?)", name, taken.owner, this.#next());
        claimed.push(taken);
      }
      // Places of tasks that no longer run.
      this.#run(
        `delete from places where not exists (select * from tasks t where t.active and t.position = places.position
          and json_extract(t.record, '$.leaseToken') = places.token)`,
      );
      return claimed;
    });
  }

  async deleteExpired(limit: number) {
    const remove = (table: string) =>
      `delete from ${table} where rowid in (select rowid from ${table} where expires_at <= ? limit ?)`;
    const tasks = this.#run(remove("tasks"), this.#now(), limit);
    const messages = this.#run(remove("messages"), this.#now(), limit);
    return { deleted: tasks + messages, more: tasks >= limit || messages >= limit };
  }

  async push(taskId: string, message: string, maxSize: number | null, ttl: number) {
    return this.#transaction(() => {
      const now = this.#now();
      const count = "select count(*) as value from messages where task_id = ? and expires_at > ?";
      const size = this.#number(count, taskId, now);
      if (maxSize !== null && size >= maxSize) return { pushed: false, size } as const;
      this.#run("insert into messages (task_id, expires_at, body) values (?, ?, ?)", taskId, now + ttl, message);
      return { pushed: true } as const;
    });
  }

  async shift(taskId: string, limit: number | null) {
    return this.#transaction(() => {
      const queue = "from messages where task_id = ? and expires_at > ? order by seq limit ?";
      const which = [taskId, this.#now(), limit ?? -1] as const;
      const bodies = this.#texts(`select body as value ${queue}`, ...which);
      this.#run(`delete from messages where seq in (select seq ${queue})`, ...which);
      return bodies;
    });
  }

  async listen(onChange: (taskId?: string) => void) {
    let seen = this.#number("select counter as value from store");
    const changes = "select json_array(task_id, changed) as value from tasks where changed > ? order by changed";
    const timer = setInterval(() => {
      try {
        for (const change of this.#texts(changes, seen)) {
          const [taskId, changed]: [string, number] = JSON.parse(change);
          seen = changed;
          onChange(taskId);
        }
      } catch {
        // The file is locked for longer than we wait: the next turn tries again.
      }
    }, 20).unref();
    this.#timers.add(timer);
    return async () => {
      clearInterval(timer);
      this.#timers.delete(timer);
    };
  }

  async remove(taskIds: readonly string[]) {
    return this.#transaction(() =>
      taskIds.filter((taskId) => {
        const task = this.#find(taskId, this.#now());
        if (!task || isActive(task, task.readAt)) return false;
        this.#run("delete from tasks where task_id = ?", taskId);
        this.#run("delete from messages where task_id = ?", taskId);
        return true;
      }),
    );
  }

  async pauses({ pause, resume }: { pause: readonly string[]; resume: readonly string[] }) {
    return this.#transaction(() => {
      for (const name of pause) this.#run("insert or ignore into paused values (?)", name);
      for (const name of resume) this.#run("delete from paused where name = ?", name);
      return this.#texts("select name as value from paused");
    });
  }

  async restore(tasks: readonly RestoredTask[]) {
    return this.#transaction(() =>
      tasks.flatMap(({ messages, steps, ...task }) => {
        const readAt = this.#now();
        if (this.#find(task.taskId, readAt)) return [];
        this.#save({ ...task, position: this.#next(), readAt });
        for (const step of steps) this.#keep(task.taskId, step);
        for (const { message, expiresAt } of messages)
          this.#run(
            "insert into messages (task_id, expires_at, body) values (?, ?, ?)",
            task.taskId,
            expiresAt,
            message,
          );
        return [task.taskId];
      }),
    );
  }

  async messagesOf(taskIds: readonly string[]) {
    const wanted = "task_id in (select value from json_each(?)) and expires_at > ?";
    const row = "json_object('taskId', task_id, 'message', body, 'expiresAt', expires_at) as value";
    const found = this.#texts(
      `select ${row} from messages where ${wanted} order by seq`,
      JSON.stringify(taskIds),
      this.#now(),
    );
    return found.map((each): { taskId: string; message: string; expiresAt: number } => JSON.parse(each));
  }

  async stepsOf(taskIds: readonly string[]) {
    const row = "json_object('taskId', task_id, 'name', name, 'body', body) as value";
    const kept = `select ${row} from steps where task_id in (select value from json_each(?))`;
    const found = this.#texts(kept, JSON.stringify(taskIds)).map((each): { taskId: string } & Step => JSON.parse(each));
    return found.filter(({ taskId }) => this.#find(taskId, this.#now()));
  }

  async rewrite(taskId: string, texts: readonly Rewrite[]) {
    return this.#transaction(() =>
      texts.map(({ field, from, to }) => {
        const now = this.#now();
        const message = "update messages set body = ? where task_id = ? and body = ? and expires_at > ?";
        if (field === "message") return this.#run(message, to, taskId, from, now) > 0;
        const task = this.#find(taskId, now);
        if (!task) return false;
        const step = "update steps set body = ? where task_id = ? and name = ? and body = ?";
        if (isStepText(field)) return this.#run(step, to, taskId, stepOf(field), from) > 0;
        if (task[field] !== from) return false;
        // Not `#save`, which tells listeners.
        const record = JSON.stringify({ ...task, [field]: to });
        return this.#run("update tasks set record = ? where task_id = ?", record, taskId) > 0;
      }),
    );
  }

  async close() {
    for (const timer of this.#timers) clearInterval(timer);
    this.#connection?.close();
    this.#connection = undefined;
  }

  get #db(): DatabaseSync {
    if (!this.#connection) throw new Error("The backend is not open");
    return this.#connection;
  }

  /**
   * One atomic step: takes the write lock first, so that what it reads stays true until it has
   * written.
   */
  #transaction<T>(run: () => T): T {
    this.#db.exec("begin immediate");
    try {
      const result = run();
      this.#db.exec("commit");
      return result;
    } catch (error) {
      if (this.#db.isTransaction) this.#db.exec("rollback");
      throw error;
    }
  }

  #keep(taskId: string, { name, body }: Step): void {
    this.#run("insert or replace into steps values (?, ?, ?)", taskId, name, body);
  }

  /** The task with all its payloads, unless it expired. */
  #find(taskId: string, now: number): StoredTask | undefined {
    const [record] = this.#texts("select record as value from tasks where task_id = ?", taskId);
    const task = record === undefined ? undefined : taskOf(record, now);
    return task && !isExpired(task, now) ? task : undefined;
  }

  /** Unexpired tasks. */
  #tasks(where: string, ...values: SQLInputValue[]): StoredTask[] {
    const now = this.#now();
    const select = `select record as value from tasks where (expires_at is null or expires_at > ?) and ${where}`;
    return this.#texts(select, now, ...values).map((record) => taskOf(record, now));
  }

  #save(task: StoredTask): StoredTask {
    const { taskId, position, owner, name, expiresAt, leaseExpiresAt } = task;
    const active = isActive(task, task.readAt) ? 1 : 0;
    const row = [taskId, position, this.#next(), owner, name, active, expiresAt, leaseExpiresAt, JSON.stringify(task)];
    this.#run("replace into tasks values (?, ?, ?, ?, ?, ?, ?, ?, ?)", ...row);
    return withPayloads(task);
  }

  #next(): number {
    return this.#number("update store set counter = counter + 1 returning counter as value");
  }

  #run(sql: string, ...values: SQLInputValue[]): number {
    return Number(this.#db.prepare(sql).run(...values).changes);
  }

  /** The column `value` of the first row. */
  #number(sql: string, ...values: SQLInputValue[]): number {
    return Number(this.#db.prepare(sql).get(...values)?.["value"]);
  }

  /** The column `value` of every row. */
  #texts(sql: string, ...values: SQLInputValue[]): string[] {
    const rows = this.#db.prepare(sql).all(...values);
    return rows.map((row) => String(row["value"]));
  }
}

function taskOf(record: string, readAt: number): StoredTask {
  const task: StoredTask = JSON.parse(record);
  return { ...task, readAt };
}

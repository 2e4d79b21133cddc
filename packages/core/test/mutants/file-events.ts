import type { DatabaseSync, SQLInputValue } from "node:sqlite";
import type { TaskEventKind } from "@mcp-task-store/core";
import type { EventBackend, Settlement, StoredEvent, StoredNotifier } from "@mcp-task-store/core/backend";

const SCHEMA = `
  create table if not exists notifiers (name text primary key, kinds text not null);
  create table if not exists events (
    seq integer primary key autoincrement, id text not null, notifier text not null, kind text not null,
    at real not null, task_id text not null, owner text, name text not null, status text not null,
    status_message text, revision integer not null, attempt integer not null default 0,
    token integer not null default 0, set_aside integer not null default 0, error text, due_at real not null);`;

const EVENT = `seq, id, kind, at, task_id as taskId, owner, name, status, status_message as statusMessage, revision,
  attempt, token, set_aside as setAside, error`;

/** The events of the example backend's file. A trigger writes them. */
export class FileEvents implements EventBackend {
  protected readonly db: () => DatabaseSync;
  protected readonly now: () => number;
  #made: DatabaseSync | undefined;

  constructor(db: () => DatabaseSync, now: () => number) {
    this.db = db;
    this.now = now;
  }

  async register(name: string, kinds: readonly TaskEventKind[]): Promise<void> {
    this.run(
      "insert into notifiers values (?, ?) on conflict do update set kinds = excluded.kinds",
      name,
      JSON.stringify(kinds),
    );
  }

  async unregister(name: string): Promise<boolean> {
    this.run("delete from events where notifier = ?", name);
    return this.run("delete from notifiers where name = ?", name) > 0;
  }

  async registered(): Promise<StoredNotifier[]> {
    return this.all("select name, kinds from notifiers").map((row) => {
      const name = row["name"] as string;
      const events = this.events("notifier = ? order by seq", name);
      const waiting = events.filter((event) => !event.setAside);
      return {
        name,
        kinds: JSON.parse(row["kinds"] as string) as TaskEventKind[],
        waiting: waiting.length,
        setAside: events.length - waiting.length,
        oldestAt: waiting[0]?.at ?? null,
      };
    });
  }

  async take(notifier: string, limit: number, leaseMs: number): Promise<StoredEvent[] | undefined> {
    const now = this.now();
    if (this.all("select 1 from notifiers where name = ?", notifier).length === 0) return undefined;
    const found = this.all(
      `update events set attempt = attempt + 1, token = token + 1, due_at = ? where seq in (
        select seq from events e where notifier = ? and not set_aside and due_at <= ? and not exists (${this.before()})
        order by due_at, seq limit ?) returning ${EVENT}`,
      now + leaseMs,
      notifier,
      now,
      limit,
    );
    return found.map(toEvent);
  }

  /** The events before which this one is not taken. */
  protected before(): string {
    return `select 1 from events b where b.notifier = e.notifier and b.task_id = e.task_id and b.seq < e.seq
      and not b.set_aside`;
  }

  async settle(notifier: string, settlements: readonly Settlement[]): Promise<void> {
    for (const { seq, token, becomes, error } of settlements) {
      const mine = "where notifier = ? and seq = ? and token = ? and not set_aside";
      const which = [notifier, seq, token] as const;
      if (becomes === "delete") this.run(`delete from events ${mine}`, ...which);
      else if (becomes === "setAside")
        this.run(`update events set set_aside = 1, token = token + 1, error = ? ${mine}`, error, ...which);
      else if (becomes === "giveBack")
        this.run(
          `update events set attempt = attempt - 1, token = token + 1, due_at = ? ${mine}`,
          this.now(),
          ...which,
        );
      else
        this.run(
          `update events set token = token + 1, error = ?, due_at = ? ${mine}`,
          error,
          this.now() + becomes,
          ...which,
        );
    }
  }

  async list(notifier: string, setAside: boolean, after: number, limit: number): Promise<StoredEvent[]> {
    const aside = setAside ? "and set_aside" : "";
    return this.events(`notifier = ? ${aside} and seq > ? order by seq limit ?`, notifier, after, limit);
  }

  async redeliver(notifier: string, ids: readonly string[] | null): Promise<number> {
    const chosen = ids === null ? "" : "and id in (select value from json_each(?))";
    const values = ids === null ? [] : [JSON.stringify(ids)];
    return this.run(
      `update events set set_aside = 0, attempt = 0, due_at = ? where notifier = ? and set_aside ${chosen}`,
      this.now(),
      notifier,
      ...values,
    );
  }

  /** Which change of a row has an event. `former` is the revision before. */
  protected readonly changed: string = "former is not new.revision";
  /** The record of which the event tells. */
  protected readonly told: string = "new.record";

  /** The trigger, which runs before a row replaces the one before it. */
  protected trigger(): string {
    const field = (name: string) => `json_extract(${this.told}, '$.${name}')`;
    const former = "(select json_extract(record, '$.revision') from tasks where position = new.position)";
    const changed = this.changed
      .replace("former", former)
      .replace("new.revision", "json_extract(new.record, '$.revision')");
    const kind = `case when ${former} is null then 'created' else case ${field("status")}
      when 'working' then 'progress' when 'input_required' then 'input_required' else 'end' end end`;
    return `create trigger if not exists tasks_event before insert on tasks when ${changed} begin
      insert into events (id, notifier, kind, at, task_id, owner, name, status, status_message, revision, due_at)
        select lower(hex(randomblob(16))), n.name, ${kind}, ${field("updatedAt")}, new.task_id, new.owner, new.name,
          ${field("status")}, ${field("statusMessage")}, ${field("revision")}, ${field("updatedAt")}
        from notifiers n where ${kind} in (select value from json_each(n.kinds)); end`;
  }

  protected run(sql: string, ...values: SQLInputValue[]): number {
    return Number(this.#connection.prepare(sql).run(...values).changes);
  }

  protected all(sql: string, ...values: SQLInputValue[]) {
    return this.#connection.prepare(sql).all(...values);
  }

  protected events(where: string, ...values: SQLInputValue[]): StoredEvent[] {
    return this.all(`select ${EVENT} from events where ${where}`, ...values).map(toEvent);
  }

  get #connection(): DatabaseSync {
    const db = this.db();
    if (this.#made !== db) {
      db.exec(SCHEMA);
      db.exec(this.trigger());
      this.#made = db;
    }
    return db;
  }
}

function toEvent(row: Record<string, unknown>): StoredEvent {
  return { ...row, setAside: row["setAside"] === 1 } as StoredEvent;
}

import type { TaskEventKind } from "@mcp-task-store/core";
import type { Settlement, StoredEvent, StoredNotifier } from "@mcp-task-store/core/backend";
import type { Connection, Statement } from "./connection.ts";
import { namesOf } from "./names.ts";
import type { Transactions } from "./transactions.ts";

/** Most events that one transaction deletes or redelivers, so that other writers get their turn. */
const BATCH = 100;

const COLUMNS = `seq, id, kind, at, task_id AS taskId, owner, name, status, status_message AS statusMessage, revision,
  attempt, token, set_aside AS setAside, error`;

type EventRow = Omit<StoredEvent, "setAside"> & { setAside: 0 | 1 };
type Which = [notifier: string, seq: number, token: number];

/**
 * The events that wait for notifiers. Triggers write them, so that each write of a task has its
 * events in its own transaction, in every process that has the file open. The triggers exist while
 * a notifier does.
 */
export class Events {
  readonly #database: Connection;
  readonly #tablePrefix: string;
  readonly #transactions: Transactions;
  readonly #now: () => number;
  readonly #kindsOf: Statement<[name: string], { kinds: string }>;
  readonly #put: Statement<[name: string, kinds: string], never>;
  readonly #drop: Statement<[name: string], never>;
  readonly #notifiers: Statement<[], { name: string; kinds: string }>;
  readonly #count: Statement<[notifier: string, setAside: 0 | 1], { count: number; oldestAt: number | null }>;
  readonly #due: Statement<[notifier: string, now: number], EventRow>;
  readonly #firstOf: Statement<[notifier: string, taskId: string], { seq: number; dueAt: number | null }>;
  readonly #block: Statement<[seq: number], never>;
  readonly #unblock: Statement<[now: number, seq: number], never>;
  readonly #lend: Statement<[dueAt: number, seq: number], never>;
  readonly #taskOf: Statement<Which, { taskId: string }>;
  readonly #delete: Statement<[seq: number], never>;
  readonly #putAside: Statement<[error: string | null, seq: number], never>;
  readonly #retry: Statement<[dueAt: number, back: 0 | 1, error: string | null, seq: number], never>;
  readonly #list: Statement<[notifier: string, after: number, limit: number], EventRow>;
  readonly #listSetAside: Statement<[notifier: string, after: number, limit: number], EventRow>;
  readonly #redeliver: Statement<[now: number, seq: number], never>;
  readonly #deleteAll: Statement<[notifier: string, limit: number], never>;

  constructor(database: Connection, tablePrefix: string, transactions: Transactions, now: () => number) {
    this.#database = database;
    this.#tablePrefix = tablePrefix;
    this.#transactions = transactions;
    this.#now = now;
    const { events, notifiers } = namesOf(tablePrefix);
    const sql = <Parameters extends readonly unknown[], Row = never>(text: string) =>
      database.prepare<Parameters, Row>(text);
    this.#kindsOf = sql(`SELECT kinds FROM ${notifiers} WHERE name = ?`);
    this.#put = sql(
      `INSERT INTO ${notifiers} (name, kinds) VALUES (?, ?) ON CONFLICT DO UPDATE SET kinds = excluded.kinds`,
    );
    this.#drop = sql(`DELETE FROM ${notifiers} WHERE name = ?`);
    this.#notifiers = sql(`SELECT name, kinds FROM ${notifiers}`);
    // The event with the smallest number has the time beside min(seq).
    this.#count = sql(
      `SELECT count(*) AS count, at AS oldestAt, min(seq) FROM ${events} WHERE notifier = ? AND set_aside = ?`,
    );
    this.#due = sql(`SELECT ${COLUMNS} FROM ${events} WHERE notifier = ? AND due_at <= ? ORDER BY due_at, seq LIMIT 1`);
    this.#firstOf = sql(
      `SELECT seq, due_at AS dueAt FROM ${events} WHERE notifier = ? AND task_id = ? AND set_aside = 0 ORDER BY seq LIMIT 1`,
    );
    this.#block = sql(`UPDATE ${events} SET due_at = NULL WHERE seq = ?`);
    this.#unblock = sql(`UPDATE ${events} SET due_at = ? WHERE seq = ?`);
    this.#lend = sql(`UPDATE ${events} SET due_at = ?, attempt = attempt + 1, token = token + 1 WHERE seq = ?`);
    // An event that is set aside has another token than each of its leases.
    this.#taskOf = sql(`SELECT task_id AS taskId FROM ${events} WHERE notifier = ? AND seq = ? AND token = ?`);
    this.#delete = sql(`DELETE FROM ${events} WHERE seq = ?`);
    this.#putAside = sql(
      `UPDATE ${events} SET set_aside = 1, due_at = NULL, token = token + 1, error = ? WHERE seq = ?`,
    );
    this.#retry = sql(
      `UPDATE ${events} SET due_at = ?, token = token + 1, attempt = attempt - ?, error = ifnull(?, error) WHERE seq = ?`,
    );
    const list = (where: string) =>
      sql<[string, number, number], EventRow>(
        `SELECT ${COLUMNS} FROM ${events} WHERE +notifier = ? AND ${where} seq > ? ORDER BY seq LIMIT ?`,
      );
    this.#list = list("");
    this.#listSetAside = list("set_aside = 1 AND");
    this.#redeliver = sql(
      `UPDATE ${events} SET set_aside = 0, attempt = 0, due_at = ? WHERE seq = ? AND set_aside = 1`,
    );
    this.#deleteAll = sql(`DELETE FROM ${events} WHERE seq IN (SELECT seq FROM ${events} WHERE notifier = ? LIMIT ?)`);
  }

  async register(name: string, kinds: readonly TaskEventKind[]): Promise<void> {
    const wanted = `,${kinds.join()},`;
    // The usual case takes no lock.
    if (this.#kindsOf.get(name)?.kinds === wanted) return;
    await this.#transactions.write(() => {
      this.#put.run(name, wanted);
      this.#makeTriggers();
    });
  }

  /** @param wrote Called once a part of the call is written. */
  async unregister(name: string, wrote: () => void): Promise<boolean> {
    const removed = await this.#transactions.write(() => {
      const dropped = this.#drop.run(name) > 0;
      if (this.#notifiers.all().length === 0) this.#dropTriggers();
      return dropped;
    });
    if (removed) wrote();
    // Also after a removal that ended before this.
    while ((await this.#transactions.write(() => this.#deleteAll.run(name, BATCH))) === BATCH) wrote();
    return removed;
  }

  async registered(): Promise<StoredNotifier[]> {
    return this.#notifiers.all().map(({ name, kinds }) => {
      const waiting = this.#count.get(name, 0);
      return {
        name,
        kinds: kinds.slice(1, -1).split(",") as TaskEventKind[],
        waiting: waiting?.count ?? 0,
        setAside: this.#count.get(name, 1)?.count ?? 0,
        oldestAt: waiting?.oldestAt ?? null,
      };
    });
  }

  async take(notifier: string, limit: number, leaseMs: number): Promise<StoredEvent[] | undefined> {
    if (!this.#kindsOf.get(notifier)) return undefined;
    // Most looks find nothing. This one takes no lock.
    if (!this.#due.get(notifier, this.#now())) return [];
    return this.#transactions.write(() => {
      const now = this.#now();
      const taken: StoredEvent[] = [];
      while (taken.length < limit) {
        const row = this.#due.get(notifier, now);
        if (!row) break;
        // An event behind another one loses its time, so that no later look finds it. It gets one
        // when the one before it is settled.
        if (this.#firstOf.get(notifier, row.taskId)?.seq !== row.seq) this.#block.run(row.seq);
        else {
          this.#lend.run(now + leaseMs, row.seq);
          taken.push({ ...toEvent(row), attempt: row.attempt + 1, token: row.token + 1 });
        }
      }
      return taken;
    });
  }

  async settle(notifier: string, settlements: readonly Settlement[]): Promise<void> {
    await this.#transactions.write(() => {
      const now = this.#now();
      for (const { seq, token, becomes, error } of settlements) {
        const found = this.#taskOf.get(notifier, seq, token);
        if (!found) continue;
        if (typeof becomes === "number") this.#retry.run(now + becomes, 0, error, seq);
        else if (becomes === "giveBack") this.#retry.run(now, 1, error, seq);
        else {
          if (becomes === "delete") this.#delete.run(seq);
          else this.#putAside.run(error, seq);
          const next = this.#firstOf.get(notifier, found.taskId);
          if (next?.dueAt === null) this.#unblock.run(now, next.seq);
        }
      }
    });
  }

  async list(notifier: string, setAside: boolean, after: number, limit: number): Promise<StoredEvent[]> {
    return (setAside ? this.#listSetAside : this.#list).all(notifier, after, limit).map(toEvent);
  }

  /** @param wrote Called once a part of the call is written. */
  async redeliver(notifier: string, ids: readonly string[] | null, wrote: () => void): Promise<number> {
    let [redelivered, after] = [0, 0];
    for (;;) {
      const page = this.#listSetAside.all(notifier, after, BATCH);
      const chosen = page.filter(({ id }) => ids?.includes(id) ?? true);
      redelivered += await this.#transactions.write(() =>
        chosen.reduce((sum, { seq }) => sum + this.#redeliver.run(this.#now(), seq), 0),
      );
      if (redelivered > 0) wrote();
      if (page.length < BATCH) return redelivered;
      after = page.at(-1)?.seq ?? 0;
    }
  }

  #makeTriggers(): void {
    const { tasks, events, notifiers } = namesOf(this.#tablePrefix);
    const insert = (kind: string) => `INSERT INTO ${events} (id, notifier, kind, at, due_at, token, attempt, revision,
        set_aside, task_id, owner, name, status, status_message)
      SELECT lower(hex(randomblob(16))), n.name, ${kind}, NEW.updated_at, min(NEW.updated_at, strftime('%s', 'now') * 1000),
        0, 0, NEW.revision, 0, NEW.task_id, NEW.owner, NEW.name, NEW.status, NEW.status_message
      FROM ${notifiers} n WHERE instr(n.kinds, ',' || ${kind} || ',') > 0`;
    const kind = `CASE NEW.status WHEN 'working' THEN 'progress' WHEN 'input_required' THEN 'input_required' ELSE 'end' END`;
    this.#database.exec(
      `CREATE TRIGGER IF NOT EXISTS ${events}_of_insert AFTER INSERT ON ${tasks} BEGIN ${insert("'created'")}; END;
      CREATE TRIGGER IF NOT EXISTS ${events}_of_update AFTER UPDATE ON ${tasks} WHEN NEW.revision <> OLD.revision
        BEGIN ${insert(kind)}; END`,
    );
  }

  #dropTriggers(): void {
    const { events } = namesOf(this.#tablePrefix);
    this.#database.exec(`DROP TRIGGER IF EXISTS ${events}_of_insert; DROP TRIGGER IF EXISTS ${events}_of_update`);
  }
}

function toEvent({ setAside, ...row }: EventRow): StoredEvent {
  return { ...row, setAside: setAside === 1 };
}

import type { LimitedClaimQuery, Patch, StoredTask } from "@mcp-task-store/core/backend";
import type { Connection, Statement } from "./connection.ts";
import { namesOf } from "./names.ts";
import { ACTIVE, OnDemand } from "./on-demand.ts";
import { columnsOf, type TaskRow } from "./rows.ts";
import { ALIVE } from "./statements.ts";
import type { Transactions } from "./transactions.ts";

/** The task was taken by a claim with limits, and is under the lease of that claim. */
const RUNNING = `place_token = lease_token AND ${ACTIVE}`;

type Count<Parameters extends readonly unknown[]> = Statement<
  [...Parameters, now: number, limit: number],
  { count: number }
>;
type Head<Parameters extends readonly unknown[]> = Statement<[name: string, ...Parameters, now: number], TaskRow>;

/** Claims with limits. The first one creates their indexes. */
export class Turns {
  readonly #running: Count<[name: string]>;
  readonly #runningOfOwner: Count<[name: string, owner: string | null]>;
  // The task of an owner whose lease lapses first: of no owner, of the first owner, and of the next
  // owner after another one.
  readonly #headOfNone: Head<[]>;
  readonly #headOfFirst: Head<[]>;
  readonly #headAfter: Head<[owner: string]>;
  readonly #last: Statement<[name: string], { owner: string | null }>;
  readonly #setLast: Statement<[name: string, owner: string | null], never>;
  readonly #setPlace: Statement<[position: number], never>;

  constructor(database: Connection, tablePrefix: string) {
    const { tasks, turns } = namesOf(tablePrefix);
    // The count stops at the limit.
    const count = (where: string) =>
      `SELECT count(*) AS count FROM (SELECT 1 FROM ${tasks} INDEXED BY ${tasks}_running
        WHERE name = ? ${where} AND ${RUNNING} AND lease_expires_at > ? LIMIT ?)`;
    this.#running = database.prepare(count(""));
    this.#runningOfOwner = database.prepare(count("AND owner IS ?"));
    const head = (owner: string) =>
      `SELECT ${columnsOf(tablePrefix)} FROM ${tasks} t INDEXED BY ${tasks}_by_turn
        WHERE name = ? AND owner ${owner} AND ${ACTIVE} AND ${ALIVE} ORDER BY owner, lease_expires_at LIMIT 1`;
    this.#headOfNone = database.prepare(head("IS NULL"));
    this.#headOfFirst = database.prepare(head(">= ''"));
    this.#headAfter = database.prepare(head("> ?"));
    this.#last = database.prepare(`SELECT owner FROM ${turns} WHERE name = ?`);
    this.#setLast = database.prepare(
      `INSERT INTO ${turns} (name, owner) VALUES (?, ?) ON CONFLICT DO UPDATE SET owner = excluded.owner`,
    );
    this.#setPlace = database.prepare(`UPDATE ${tasks} SET place_token = lease_token WHERE position = ?`);
  }

  /** Whether a claim would take a task now. Takes no lock. */
  canClaim(query: LimitedClaimQuery, now: number): boolean {
    if (this.#room(query, now) <= 0) return false;
    for (const head of this.#circle(query.name, now)) if (this.#isNext(head, query, now)) return true;
    return false;
  }

  /** Claims in the present transaction. `take` gives a task its new lease. */
  claim(query: LimitedClaimQuery, now: number, take: (head: TaskRow, patch: Patch) => StoredTask): StoredTask[] {
    const { name, leaseMs, history } = query;
    const room = this.#room(query, now);
    const claimed: StoredTask[] = [];
    let served = room > 0;
    while (served) {
      served = false;
      // Owners at their limit are passed over once in each circle.
      for (const head of this.#circle(name, now)) {
        if (!this.#isNext(head, query, now)) continue;
        claimed.push(take(head, { lease: { action: "take", leaseMs }, history }));
        this.#setPlace.run(head.position);
        this.#setLast.run(name, head.owner);
        served = claimed.length < room;
        if (!served) break;
      }
    }
    return claimed;
  }

  /** How many tasks the claim may take. */
  #room({ name, limit, running }: LimitedClaimQuery, now: number): number {
    if (running === null) return limit;
    return Math.min(limit, running - (this.#running.get(name, now, running)?.count ?? 0));
  }

  #isNext(head: TaskRow, { name, runningPerOwner }: LimitedClaimQuery, now: number): boolean {
    if ((head.leaseExpiresAt ?? Number.POSITIVE_INFINITY) > now) return false;
    if (runningPerOwner === null) return true;
    return (this.#runningOfOwner.get(name, head.owner, now, runningPerOwner)?.count ?? 0) < runningPerOwner;
  }

  /**
   * For each owner with active tasks, the one whose lease lapses first. Begins after the owner that
   * was served last. One index probe for each owner.
   */
  *#circle(name: string, now: number): Generator<TaskRow, undefined> {
    const seen = new Set<string | null>();
    const last = this.#last.get(name);
    for (let head = this.#after(name, last, now); head; head = this.#after(name, head, now)) {
      seen.add(head.owner);
      yield head;
    }
    for (let head = this.#after(name, undefined, now); head; head = this.#after(name, head, now)) {
      if (seen.has(head.owner)) return;
      yield head;
    }
  }

  #after(name: string, last: { owner: string | null } | undefined, now: number): TaskRow | undefined {
    if (typeof last?.owner === "string") return this.#headAfter.get(name, last.owner, now);
    const first = last ? undefined : this.#headOfNone.get(name, now);
    return first ?? this.#headOfFirst.get(name, now);
  }
}

export function turnsOnDemand(database: Connection, tablePrefix: string, transactions: Transactions): OnDemand<Turns> {
  const { tasks } = namesOf(tablePrefix);
  return new OnDemand(
    transactions,
    () =>
      database.exec(
        `CREATE INDEX IF NOT EXISTS ${tasks}_by_turn ON ${tasks} (name, owner, lease_expires_at) WHERE ${ACTIVE};
        CREATE INDEX IF NOT EXISTS ${tasks}_running ON ${tasks} (name, owner) WHERE ${RUNNING}`,
      ),
    () => new Turns(database, tablePrefix),
  );
}

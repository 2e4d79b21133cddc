import type { Caps } from "@mcp-task-store/core/backend";
import type { Connection, Statement } from "./connection.ts";
import { namesOf } from "./names.ts";
import { columnsOf, type TaskRow } from "./rows.ts";
import { ALIVE } from "./statements.ts";
import type { Transactions } from "./transactions.ts";

/** Statements and their index, which are created on first use. */
export class OnDemand<Prepared> {
  readonly #transactions: Transactions;
  readonly #makeIndex: () => void;
  readonly #prepare: () => Prepared;
  #prepared: Prepared | undefined;

  constructor(transactions: Transactions, makeIndex: () => void, prepare: () => Prepared) {
    this.#transactions = transactions;
    this.#makeIndex = makeIndex;
    this.#prepare = prepare;
  }

  async get(): Promise<Prepared> {
    if (!this.#prepared) {
      await this.#transactions.write(this.#makeIndex);
      this.#prepared = this.#prepare();
    }
    return this.#prepared;
  }
}

/** The task is not terminal. */
export const ACTIVE = "lease_expires_at IS NOT NULL";

// Each of these indexes writes one page of the log at a task's creation and one at its end, so
// stores without claims and caps do not create them. (Sequential lifecycles against the bare
// driver: 0.73 without, 0.65 with the first, 0.57 with both.)

export interface ClaimStatements {
  readonly lapsedFirst: Statement<[name: string, now: number, now: number], TaskRow>;
}

export function claimsOnDemand(
  database: Connection,
  tablePrefix: string,
  transactions: Transactions,
): OnDemand<ClaimStatements> {
  const { tasks } = namesOf(tablePrefix);
  const index = `${tasks}_by_lease`;
  return new OnDemand(
    transactions,
    () => database.exec(`CREATE INDEX IF NOT EXISTS ${index} ON ${tasks} (name, lease_expires_at) WHERE ${ACTIVE}`),
    () => ({
      lapsedFirst: database.prepare(`SELECT ${columnsOf(tablePrefix)} FROM ${tasks} t INDEXED BY ${index}
          WHERE name = ? AND lease_expires_at <= ? AND ${ALIVE} ORDER BY lease_expires_at, position LIMIT 1`),
    }),
  );
}

/** One index probe per name. The cost does not depend on how many tasks are claimable. */
export function firstOf(
  lapsedFirst: ClaimStatements["lapsedFirst"],
  names: readonly string[],
  now: number,
): TaskRow | undefined {
  const rows = names.flatMap((name) => lapsedFirst.get(name, now, now) ?? []);
  return rows.toSorted((a, b) => (a.leaseExpiresAt ?? 0) - (b.leaseExpiresAt ?? 0) || a.position - b.position)[0];
}

/** The tasks that a search for active or failed tasks walks along. */
const ACTIVE_OR_FAILED = "status IN ('working', 'input_required', 'failed')";

/** The rows that a search walks along, by position. */
export interface Walk {
  readonly from: string;
  /** Conditions, each with an `AND` behind it. */
  readonly where: string;
  readonly values: readonly unknown[];
}

export function activeOrFailedOnDemand(
  database: Connection,
  tablePrefix: string,
  transactions: Transactions,
): OnDemand<Walk> {
  const { tasks } = namesOf(tablePrefix);
  const index = `${tasks}_active_or_failed`;
  return new OnDemand(
    transactions,
    () => database.exec(`CREATE INDEX IF NOT EXISTS ${index} ON ${tasks} (position) WHERE ${ACTIVE_OR_FAILED}`),
    () => ({ from: `${tasks} t INDEXED BY ${index}`, where: `${ACTIVE_OR_FAILED} AND`, values: [] }),
  );
}

export interface CapStatements {
  readonly countActive: Statement<[now: number, limit: number], { count: number }>;
  readonly countActiveOfOwner: Statement<[owner: string | null, now: number, limit: number], { count: number }>;
}

export function capsOnDemand(
  database: Connection,
  tablePrefix: string,
  transactions: Transactions,
): OnDemand<CapStatements> {
  return new OnDemand(
    transactions,
    () => makeCapsIndex(database, tablePrefix),
    () => prepareCaps(database, tablePrefix),
  );
}

export function makeCapsIndex(database: Connection, tablePrefix: string): void {
  const { tasks } = namesOf(tablePrefix);
  database.exec(`CREATE INDEX IF NOT EXISTS ${tasks}_active ON ${tasks} (owner, expires_at) WHERE ${ACTIVE}`);
}

export function prepareCaps(database: Connection, tablePrefix: string): CapStatements {
  const { tasks } = namesOf(tablePrefix);
  // The count stops at the limit.
  const count = (where: string) =>
    `SELECT count(*) AS count FROM (SELECT 1 FROM ${tasks} INDEXED BY ${tasks}_active WHERE ${where} ${ACTIVE} AND ${ALIVE} LIMIT ?)`;
  return { countActive: database.prepare(count("")), countActiveOfOwner: database.prepare(count("owner IS ? AND")) };
}

/** The cap that is reached, if one is. */
export function capReached(counts: CapStatements, caps: Caps, owner: string | null, now: number) {
  const { activeTasks, activeTasksPerOwner } = caps;
  const reached = (cap: number, count: (limit: number) => { count: number } | undefined) =>
    (count(Math.ceil(cap))?.count ?? 0) >= cap;
  if (activeTasks !== null && reached(activeTasks, (limit) => counts.countActive.get(now, limit))) return "activeTasks";
  if (
    activeTasksPerOwner !== null &&
    reached(activeTasksPerOwner, (limit) => counts.countActiveOfOwner.get(owner, now, limit))
  )
    return "activeTasksPerOwner";
  return undefined;
}

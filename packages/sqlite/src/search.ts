import { isTerminal } from "@mcp-task-store/core";
import type { Bounds, SearchFilter, SearchPage, SearchQuery } from "@mcp-task-store/core/backend";
import type { Connection } from "./connection.ts";
import { namesOf } from "./names.ts";
import { activeOrFailedOnDemand, type OnDemand, type Walk } from "./on-demand.ts";
import { columnsOf, payloadOf, type TaskRow, toStored } from "./rows.ts";
import { ALIVE } from "./statements.ts";
import type { Transactions } from "./transactions.ts";

/**
 * Most tasks in whose payloads one call looks for a text, because SQLite answers synchronously and
 * payloads may be large.
 */
const TEXT_SCAN = 1000;

/** A condition on a row of tasks, aliased `t`, and the values of its parameters. */
type Condition = readonly [sql: string, ...values: unknown[]];

/** Operators' searches: walks along the positions, which look at a bounded number of rows. */
export class Search {
  readonly #database: Connection;
  readonly #tablePrefix: string;
  readonly #now: () => number;
  readonly #activeOrFailed: OnDemand<Walk>;

  constructor(database: Connection, tablePrefix: string, transactions: Transactions, now: () => number) {
    this.#database = database;
    this.#tablePrefix = tablePrefix;
    this.#now = now;
    this.#activeOrFailed = activeOrFailedOnDemand(database, tablePrefix, transactions);
  }

  async find({ filter, order, after, limit, scan, payloads }: SearchQuery): Promise<SearchPage> {
    const { from, where, values } = await this.#walkOf(filter);
    const up = order === "oldest";
    const [beyond, upTo, last, direction] = up ? [">", "<=", "max", "ASC"] : ["<", ">=", "min", "DESC"];
    const start = after ?? (up ? 0 : Number.MAX_SAFE_INTEGER);
    const most = filter.texts ? Math.min(scan, TEXT_SCAN) : scan;
    const now = this.#now();

    const window = this.#first<{ scanned: number; end: number | null }>(
      `SELECT count(*) AS scanned, ${last}(position) AS end FROM
        (SELECT position FROM ${from} WHERE ${where} position ${beyond} ? ORDER BY position ${direction} LIMIT ?)`,
      [...values, start, most],
    );
    if (window.end === null) return { tasks: [], scanned: 0, next: null };

    const conditions = conditionsOf(filter, this.#tablePrefix, now);
    const inside = `position ${beyond} ? AND position ${upTo} ?`;
    const rows = this.#database.all<TaskRow>(
      `SELECT ${columnsOf(this.#tablePrefix, payloads)} FROM ${from}
        WHERE ${[`${where} ${inside}`, ALIVE, ...conditions.map(([sql]) => sql)].join(" AND ")}
        ORDER BY position ${direction} LIMIT ?`,
      [...values, start, window.end, now, ...conditions.flatMap(([, ...each]) => each), limit],
    );
    const tasks = rows.map((row) => toStored(row, now));
    const lastFound = tasks.length < limit ? undefined : tasks.at(-1);
    if (!lastFound) return { tasks, scanned: window.scanned, next: window.scanned < most ? null : window.end };

    const { scanned } = this.#first<{ scanned: number }>(
      `SELECT count(*) AS scanned FROM ${from} WHERE ${where} ${inside}`,
      [...values, start, lastFound.position],
    );
    return { tasks, scanned, next: lastFound.position };
  }

  /** The shortest walk that passes every task of the filter. */
  async #walkOf({ statuses, owners }: SearchFilter): Promise<Walk> {
    const { tasks } = namesOf(this.#tablePrefix);
    if (statuses?.every((status) => status === "failed" || !isTerminal(status))) return this.#activeOrFailed.get();
    // INDEXED BY for the same reason as in lists.
    if (owners?.length === 1)
      return { from: `${tasks} t INDEXED BY ${tasks}_by_owner`, where: "owner IS ? AND", values: owners };
    return { from: `${tasks} t`, where: "", values: [] };
  }

  // Filters differ too much for statements that are kept.
  #first<Row>(sql: string, values: readonly unknown[]): Row {
    return this.#database.all<Row>(sql, values)[0] as Row;
  }
}

/**
 * The filter in SQL. Conditions on payloads come last, so that SQLite reads no payload of a row
 * that another condition refuses.
 */
function conditionsOf(filter: SearchFilter, tablePrefix: string, now: number): Condition[] {
  const { statuses, names, owners, idPrefix, created, updated, attempts, stuck, texts = [] } = filter;
  return [
    ...(statuses ? [oneOf("status", statuses)] : []),
    ...(names ? [oneOf("name", names)] : []),
    ...(owners ? [ofOwners(owners)] : []),
    ...(idPrefix === undefined ? [] : [["substr(t.task_id, 1, length(?)) = ?", idPrefix, idPrefix] as const]),
    ...within("created_at", created),
    ...within("updated_at", updated),
    ...within("attempt", attempts),
    ...(stuck ? [isStuck(stuck, now)] : []),
    ...texts.map(({ field, text }) => [`instr(${payloadOf(tablePrefix, field)}, ?) > 0`, text] as const),
  ];
}

// The plus keeps SQLite from using an index for it instead of the walk.
function oneOf(column: string, values: readonly (string | null)[]): Condition {
  return [`+t.${column} IN (SELECT value FROM json_each(?))`, JSON.stringify(values)];
}

function ofOwners(owners: readonly (string | null)[]): Condition {
  const [sql, values] = oneOf("owner", owners);
  return owners.includes(null) ? [`(${sql} OR t.owner IS NULL)`, values] : [sql, values];
}

function within(column: string, { from, before }: Bounds = { from: null, before: null }): Condition[] {
  return [
    ...(from === null ? [] : [[`t.${column} >= ?`, from] as const]),
    ...(before === null ? [] : [[`t.${column} < ?`, before] as const]),
  ];
}

/** As core's `stuckReason`. */
function isStuck({ overdueMs, waitingMs }: NonNullable<SearchFilter["stuck"]>, now: number): Condition {
  return [
    "(t.status = 'working' AND t.lease_expires_at <= ? OR t.status = 'input_required' AND t.updated_at <= ?)",
    now - overdueMs,
    now - waitingMs,
  ];
}

import { GatheredClaims, HISTORY_LENGTH, type LimitedClaimQuery, type StoredTask } from "@mcp-task-store/core/backend";
import type { Connections } from "./connection.ts";
import { addIndexes } from "./migrate.ts";
import { namesOf } from "./names.ts";
import { CLOCK, columnsOf, STATEMENT, TAKEN_TOKEN } from "./rows.ts";
import { read, type Statement, write } from "./statement.ts";

/** Most tasks claimed by one statement. */
const CLAIM_BATCH = 100;
/** Most attempts of a claim while others have locked every task that it chose. */
const ATTEMPTS = 50;

type Limits = [running: number | null, runningPerOwner: number | null];
type Row = { chosen: number } & (StoredTask | { taskId: null });

/** The owner as a text that is not null. `'-'` is before all others, and `'>'` is after them. */
const KEY = "coalesce('=' || t.owner, '-')";
/** The task was taken by a claim with limits, under the lease that it has. */
const PLACED = "t.place_token = t.lease_token AND t.lease_expires_at IS NOT NULL";
// The sum leaves the planner no index but that of running tasks.
const RUNNING = `${PLACED} AND t.lease_expires_at + 0 > ${STATEMENT}`;
const ALIVE = `t.lease_expires_at IS NOT NULL AND (t.expires_at IS NULL OR t.expires_at > ${STATEMENT})`;

/**
 * The indexes of claims with limits. Each write of an active task pays for the first one, so only
 * the first claim with limits creates them.
 */
const INDEXES = {
  tasks_by_turn: `(name, (${KEY}), lease_expires_at) WHERE lease_expires_at IS NOT NULL`.replaceAll("t.", ""),
  tasks_running: `(name, (${KEY})) WHERE ${PLACED}`.replaceAll("t.", ""),
};

/**
 * Claims with limits. Concurrent claims of the same limits share a transaction, and those of one
 * name run one after the other, so that each counts those before it.
 */
export class Turns {
  readonly #connections: Connections;
  readonly #schemaName: string;
  readonly #lock: Statement<[name: string], never>;
  readonly #canClaim: Statement<[name: string, running: number | null], { possible: boolean }>;
  readonly #claim: Statement<[name: string, leaseMs: number, limit: number, ...Limits, history: string], Row>;
  readonly #gathered = new GatheredClaims<LimitedClaimQuery>((query) => this.#claimNow(query), CLAIM_BATCH);
  /** The names whose last claim found a task. The next one begins without the check. */
  readonly #found = new Set<string>();
  #indexed: Promise<void> | undefined;

  constructor(connections: Connections, schemaName: string) {
    this.#connections = connections;
    this.#schemaName = schemaName;
    const { tasks, pauses, turns } = namesOf(schemaName);
    // The count stops at the limit.
    const count = (limit: string, where = "") =>
      `(SELECT count(*) FROM (SELECT FROM ${tasks} AS t WHERE t.name = $1 ${where} AND ${RUNNING} LIMIT ${limit}) AS r)`;
    // Without bitmap scans, the planner walks an owner's tasks in their order, and stops early.
    this.#lock = read(
      "lock_turns",
      "SELECT pg_advisory_xact_lock(hashtextextended($1, 0)), set_config('enable_bitmapscan', 'off', true)",
    );
    // Most claims find nothing. This check takes no lock.
    this.#canClaim = read(
      "can_claim",
      `SELECT NOT EXISTS (SELECT FROM ${pauses} WHERE name = $1)
        AND (SELECT t.lease_expires_at FROM ${tasks} AS t WHERE (t.name, t.lease_expires_at) >= ($1, 0)
          AND (t.name, t.lease_expires_at) <= ($1, ${STATEMENT}) AND ${ALIVE}
          ORDER BY t.name, t.lease_expires_at LIMIT 1) IS NOT NULL
        AND ($2::bigint IS NULL OR ${count("$2::bigint")} < $2::bigint) AS possible`,
    );

    // The owners after `from` up to `to` that have active tasks, each by one index probe for the
    // task whose lease lapses first. It ends when enough owners are found. `free`: how many of an
    // owner's tasks the claim may take. The range is a row comparison so that the planner picks the
    // ordered scan even without statistics.
    const owners = (name: string, from: string, to: string, found: string) => `${name} (key, free, found) AS (
        SELECT ${from}, 0::bigint, ${found}
        UNION ALL
        SELECT head.key, own.free, walked.found + (own.free > 0)::int
        FROM ${name} AS walked, LATERAL (
          SELECT ${KEY} AS key, t.lease_expires_at FROM ${tasks} AS t
          WHERE (t.name, ${KEY}) > ($1, walked.key) AND (t.name, ${KEY}) <= ($1, ${to}) AND ${ALIVE}
          ORDER BY t.name, ${KEY}, t.lease_expires_at LIMIT 1) AS head, LATERAL (
          SELECT CASE WHEN head.lease_expires_at > ${STATEMENT} THEN 0 WHEN $5::bigint IS NULL THEN $3::bigint
            ELSE $5::bigint - ${count("$5::bigint", `AND ${KEY} = head.key`)} END AS free) AS own
        WHERE walked.found < (SELECT room FROM room))`;
    // Owners after the last one come first, in each round.
    const inTurn = (table: string) => `${table}.key <= (SELECT key FROM last), ${table}.key`;
    this.#claim = write(
      "claim_limited",
      `WITH RECURSIVE last AS MATERIALIZED (
        SELECT (SELECT coalesce('=' || owner, '-') FROM ${turns} WHERE name = $1) AS key
      ), room AS MATERIALIZED (
        SELECT CASE WHEN EXISTS (SELECT FROM ${pauses} WHERE name = $1) THEN 0
          ELSE least($3::bigint, $4::bigint - ${count("$4::bigint")}) END AS room
      ), ${owners("after_last", "(SELECT key FROM last)", "'>'", "0")},
      ${owners("up_to_last", `'' COLLATE "C"`, "coalesce((SELECT key FROM last), '>')", "(SELECT max(found) FROM after_last)")},
      found AS MATERIALIZED (
        SELECT key, free FROM after_last WHERE free > 0 UNION ALL SELECT key, free FROM up_to_last WHERE free > 0
      ), chosen AS MATERIALIZED (
        SELECT first.position, first.round, found.key FROM found, LATERAL (
          SELECT own.position, row_number() OVER () AS round FROM (
            SELECT t.position FROM ${tasks} AS t
            WHERE t.name = $1 AND ${KEY} = found.key AND t.lease_expires_at <= ${STATEMENT} AND ${ALIVE}
            ORDER BY t.lease_expires_at LIMIT ${CLAIM_BATCH}) AS own
          LIMIT CASE WHEN (SELECT count(*) FROM found) >= (SELECT room FROM room) THEN 1 ELSE found.free END) AS first
        ORDER BY first.round, ${inTurn("found")} LIMIT (SELECT greatest(room, 0) FROM room)
      ), locked AS MATERIALIZED (
        SELECT t.position FROM ${tasks} AS t
        WHERE t.position = ANY (ARRAY(SELECT position FROM chosen)) AND t.lease_expires_at <= ${STATEMENT} AND ${ALIVE}
        FOR UPDATE SKIP LOCKED
      ), claimed AS (
        UPDATE ${tasks} AS t SET
          attempt = t.attempt + 1,
          lease_token = ${TAKEN_TOKEN},
          place_token = ${TAKEN_TOKEN},
          history = right(concat(t.history, ${CLOCK}, ' ', $6::text, E'\\n'), ${HISTORY_LENGTH}),
          lease_expires_at = ${CLOCK} + $2::bigint,
          expires_at = greatest(t.created_at + t.ttl, ${CLOCK} + CASE WHEN t.ttl IS NOT NULL THEN $2::bigint END)
        WHERE t.position = ANY (ARRAY(SELECT position FROM locked))
        RETURNING ${columnsOf(CLOCK, ["request", "inputs", "checkpoint"])}
      ), turned AS (
        INSERT INTO ${turns} (name, owner)
          SELECT $1, claimed.owner FROM claimed JOIN chosen USING (position)
          ORDER BY chosen.round DESC, chosen.key <= (SELECT key FROM last) DESC, chosen.key DESC LIMIT 1
        ON CONFLICT (name) DO UPDATE SET owner = excluded.owner
      )
      SELECT (SELECT count(*) FROM chosen) AS chosen, claimed.*
      FROM (SELECT) AS one LEFT JOIN (claimed JOIN chosen USING (position)) ON true
      ORDER BY chosen.round, ${inTurn("chosen")}`,
    );
  }

  claim(query: LimitedClaimQuery): Promise<StoredTask[]> {
    return this.#gathered.claim(query);
  }

  async #claimNow({ name, leaseMs, limit, history, running, runningPerOwner }: LimitedClaimQuery) {
    await this.#haveIndexes();
    const values = [name, Math.ceil(leaseMs), limit, running, runningPerOwner, history ?? ""] as const;
    for (let attempt = 1; ; attempt += 1) {
      if (!this.#found.has(name)) {
        const [check] = await this.#connections.run(this.#canClaim, name, running);
        if (!check?.possible) return [];
      }
      const rows = await this.#connections.transaction(async (transaction) => {
        await transaction.run(this.#lock, JSON.stringify(["mcp-task-store turns", this.#schemaName, name]));
        return transaction.run(this.#claim, ...values);
      });
      const tasks = rows.filter(isClaimed).map(({ chosen: _, ...task }) => task);
      if (tasks.length > 0) this.#found.add(name);
      else this.#found.delete(name);
      if (tasks.length > 0 || rows[0]?.chosen === 0 || attempt === ATTEMPTS) return tasks;
    }
  }

  /** After a failure, the next claim tries again. */
  async #haveIndexes(): Promise<void> {
    this.#indexed ??= addIndexes(this.#connections, this.#schemaName, INDEXES);
    try {
      await this.#indexed;
    } catch (error) {
      this.#indexed = undefined;
      throw error;
    }
  }
}

function isClaimed(row: Row): row is StoredTask & { chosen: number } {
  return row.taskId !== null;
}

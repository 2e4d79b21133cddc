import { isTerminal } from "@mcp-task-store/core";
import {
  type Guard,
  HISTORY_LENGTH,
  isVisibleChange,
  KEPT_AFTER_DELAY_MS,
  type OwnerScope,
  PAYLOAD_FIELDS,
  type Patch,
  type PayloadField,
  type Rewrite,
  type StoredTask,
  type TaskText,
} from "@mcp-task-store/core/backend";
import { COLUMNS, namesOf } from "./names.ts";
import { inScope, Parts } from "./parts.ts";
import { CLOCK, columnsOf, FIELDS, NOW, STATEMENT, TAKEN_TOKEN } from "./rows.ts";
import { read, type Statement, write } from "./statement.ts";

/**
 * A claimed task, if there was one. `since`: the earliest lease expiry among claimable tasks, if
 * there are any.
 */
export type ClaimRow = { since: number | null } & (StoredTask | { taskId: null });
type Insert = [
  taskId: string,
  owner: string | null,
  name: string,
  ttl: number | null,
  pollInterval: number | null,
  request: string,
  claimAfterMs: number,
];

/** A statement with its parameters. */
export interface Call<Row> {
  readonly statement: Statement<readonly unknown[], Row>;
  readonly parameters: readonly unknown[];
}

/** The fields of a patch that are stored unchanged. */
const WRITTEN = ["status", "statusMessage", "inputs", "checkpoint", "outcome"] as const;
const LEASE_CHANGES = {
  take: ["attempt = t.attempt + 1", `lease_token = ${TAKEN_TOKEN}`],
  renew: [],
  release: ["attempt = t.attempt - 1", "lease_token = t.lease_token + 2 - t.lease_token % 2"],
} as const;

type Restored = Exclude<(typeof FIELDS)[number], "position"> | PayloadField;
/** The columns of an imported task. Its position is a new one. */
export const RESTORED: readonly Restored[] = [
  ...FIELDS.filter((field) => field !== "position"),
  ...PAYLOAD_FIELDS,
  "history",
];

/** The history with one more line: see `appendHistory` in core. */
const appended = (entry: string) =>
  `history = right(concat(t.history, ${CLOCK}, ' ', ${entry}::text, E'\\n'), ${HISTORY_LENGTH})`;

/** A claimable task has no outcome. */
const CLAIMED: readonly PayloadField[] = ["request", "inputs", "checkpoint"];

/**
 * The statements on tasks, one round trip each. The names come from names.ts. Every call runs one
 * of these, so the SQL is written out and sent as named statements of pg. It repeats core's
 * rules.ts (`applyPatch`, `guardHolds` and the others). (Throughput of drizzle's prepared queries:
 * 0.86.)
 */
export class Statements {
  /** Returns no row for an id that exists. */
  readonly insert: Statement<Insert, StoredTask>;
  /**
   * For an id that exists, which is free if its task has expired. A separate statement, because few
   * inserts need its expressions.
   */
  readonly insertInPlace: Statement<Insert, StoredTask>;
  readonly lockCap: Statement<[cap: string], never>;
  readonly caps: Statement<
    [taskId: string, owner: string | null, activeTasks: number | null, activeTasksPerOwner: number | null],
    { duplicate: boolean; activeTasks: boolean; activeTasksPerOwner: boolean }
  >;
  readonly claim: Statement<
    [names: readonly string[], leaseMs: number, limit: number, since: number, history: string, until: number | null],
    ClaimRow
  >;
  readonly deleteExpired: Statement<[limit: number], { count: number }>;

  readonly remove: Statement<[taskIds: readonly string[]], { taskId: string }>;
  /** The values of `RESTORED`, in that order. */
  readonly restore: Statement<unknown[], StoredTask>;
  readonly deleteExpiredOf: Statement<[taskIds: readonly string[]], never>;
  readonly pause: Statement<[names: readonly string[]], never>;
  readonly resume: Statement<[names: readonly string[]], never>;
  readonly paused: Statement<[], { name: string }>;

  readonly listAll: Statement<[after: number, limit: number], StoredTask>;
  readonly listOwner: Statement<[after: number, limit: number, owner: string], StoredTask>;
  readonly listUnowned: Statement<[after: number, limit: number], StoredTask>;
  readonly listOwnerAndUnowned: Statement<[after: number, limit: number, owner: string], StoredTask>;

  /** The tasks that changed since then, and the time. Without changes, one row without a task. */
  readonly changedSince: Statement<
    [since: number],
    { now: number } & (
      | Pick<StoredTask, "taskId" | "updatedAt" | "revision" | "owner" | "name" | "status" | "leaseExpiresAt">
      | { taskId: null; updatedAt: number; revision: number }
    )
  >;
  readonly now: Statement<[], { now: number }>;
  /**
   * Returns nothing. Looks at any row exactly if there is no task of this id. A read before it has
   * looked at the row of a foreign task. With both, a foreign id takes as long as an unknown one.
   */
  readonly evenOut: Statement<[taskId: string], never>;

  /** Steps of tasks, which are not expired. */
  readonly steps: Statement<[taskIds: readonly string[]], { taskId: string; name: string; body: string }>;
  /** Deletes the steps of an expired task, whose row a new task of its id takes. */
  readonly forgetSteps: Statement<[taskId: string], { name: string }>;
  readonly restoreStep: Statement<[position: number, name: string, body: string], never>;
  readonly rewriteStep: Statement<[taskId: string, name: string, from: string, to: string], { name: string }>;

  readonly #tasks: string;
  readonly #steps: string;
  readonly #prepared = new Map<string, Statement<readonly unknown[], never>>();

  constructor(schemaName: string) {
    const { tasks, messages, pauses, steps } = namesOf(schemaName);
    this.#tasks = tasks;
    this.#steps = steps;
    const columns = columnsOf(NOW);
    const written = columnsOf(CLOCK);

    const insert = (onConflict: string) =>
      `INSERT INTO ${tasks} AS t (task_id, owner, name, status, created_at, updated_at, changed_second,
          ttl, expires_at, poll_interval, revision, attempt, lease_token, lease_expires_at, request)
        SELECT $1, $2, $3, 'working', now, now, now / 1000, $4::bigint, now + $4::bigint,
          $5, 1, 0, 0, now + $7::bigint, $6
        FROM (SELECT ${CLOCK} AS now) AS clock
        ON CONFLICT (task_id) ${onConflict}
        RETURNING ${written}`;
    this.insert = write("insert", insert("DO NOTHING"), "inserts");
    this.insertInPlace = write(
      "insert_in_place",
      insert(`DO UPDATE SET
          position = excluded.position, owner = excluded.owner, name = excluded.name, status = excluded.status,
          status_message = NULL, created_at = excluded.created_at, updated_at = excluded.updated_at,
          changed_second = excluded.changed_second, ttl = excluded.ttl, expires_at = excluded.expires_at,
          poll_interval = excluded.poll_interval, revision = 1, attempt = 0, lease_token = 0,
          place_token = NULL, lease_expires_at = excluded.lease_expires_at, request = excluded.request,
          inputs = NULL, checkpoint = NULL, outcome = NULL, history = NULL
        WHERE t.expires_at <= excluded.created_at`),
    );
    this.lockCap = read("lock_cap", "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))");
    // The count stops at the cap.
    const reached = (cap: string, where: string) =>
      `coalesce((SELECT count(*) FROM (SELECT FROM ${tasks} WHERE ${where} lease_expires_at IS NOT NULL
        AND (expires_at IS NULL OR expires_at > (SELECT now FROM clock)) LIMIT ${cap}) AS active) >= ${cap}, false)`;
    this.caps = read(
      "caps",
      `WITH clock AS MATERIALIZED (SELECT ${CLOCK} AS now)
        SELECT
          EXISTS (SELECT FROM ${tasks} WHERE task_id = $1
            AND (expires_at IS NULL OR expires_at > (SELECT now FROM clock))) AS duplicate,
          ${reached("$3::bigint", "")} AS "activeTasks",
          CASE WHEN $2::text IS NULL THEN ${reached("$4::bigint", "owner IS NULL AND")}
            ELSE ${reached("$4::bigint", "owner = $2 AND")} END AS "activeTasksPerOwner"`,
    );

    const alive = `(t.expires_at IS NULL OR t.expires_at > ${NOW})`;

    // 1. Probe the index once per name.
    // 2. Starting with the name whose lease lapsed first, walk its index with SKIP LOCKED. The walk
    //    of the next name begins only if this one finds too few.
    // The range is a row comparison so that the planner picks the ordered scan even without
    // statistics. (A claim among 600 waiting tasks: 83 µs, 36 buffers; otherwise 295 µs, 598.)
    const claimable = (name: string, limit: string) =>
      `${tasks} AS t WHERE (t.name, t.lease_expires_at) >= (${name}, $4::bigint)
        AND (t.name, t.lease_expires_at) <= (${name}, least(${STATEMENT}, $6::bigint))
        AND t.lease_expires_at IS NOT NULL AND (t.expires_at IS NULL OR t.expires_at > ${STATEMENT}) ORDER BY t.name, t.lease_expires_at LIMIT ${limit}`;
    this.claim = write(
      "claim",
      `WITH heads AS MATERIALIZED (
        SELECT names.name, head.lease_expires_at
        FROM unnest($1::text[]) AS names (name), LATERAL (
          SELECT t.lease_expires_at FROM ${claimable("names.name", "1")}) AS head
        WHERE NOT EXISTS (SELECT FROM ${pauses} AS p WHERE p.name = names.name)
      ), first AS MATERIALIZED (
        SELECT found.position
        FROM (SELECT name, lease_expires_at FROM heads ORDER BY lease_expires_at) AS head, LATERAL (
          SELECT t.position FROM ${claimable("head.name", "$3::bigint")} FOR UPDATE SKIP LOCKED) AS found
        ORDER BY head.lease_expires_at LIMIT $3::bigint
      ), claimed AS (
        UPDATE ${tasks} AS t SET
          attempt = t.attempt + 1,
          lease_token = ${TAKEN_TOKEN},
          ${appended("$5")},
          lease_expires_at = ${CLOCK} + $2::bigint,
          expires_at = greatest(t.created_at + t.ttl, ${CLOCK} + CASE WHEN t.ttl IS NOT NULL THEN $2::bigint END)
        WHERE t.position = ANY (ARRAY(SELECT position FROM first))
        RETURNING ${columnsOf(CLOCK, CLAIMED)}
      )
      SELECT (SELECT min(lease_expires_at) FROM heads) AS since, claimed.*
      FROM (SELECT) AS one LEFT JOIN claimed ON true`,
      "claims",
    );
    // SKIP LOCKED, so that a sweep waits for no call. It goes in order of expiry.
    this.deleteExpired = write(
      "delete_expired",
      `WITH deleted AS (
        DELETE FROM ${tasks} WHERE position = ANY (ARRAY(
          SELECT position FROM ${tasks} WHERE expires_at <= ${NOW} ORDER BY expires_at LIMIT $1 FOR UPDATE SKIP LOCKED))
        RETURNING position
      ), emptied AS (DELETE FROM ${steps} WHERE position = ANY (ARRAY(SELECT position FROM deleted)))
      SELECT count(*) AS count FROM deleted`,
    );

    this.remove = write(
      "remove",
      `WITH removed AS (
        DELETE FROM ${tasks} WHERE task_id = ANY ($1::text[])
          AND lease_expires_at IS NULL AND (expires_at IS NULL OR expires_at > ${CLOCK})
        RETURNING task_id, position
      ), emptied AS (DELETE FROM ${messages} AS m USING removed WHERE m.task_id = removed.task_id),
      forgotten AS (DELETE FROM ${steps} WHERE position = ANY (ARRAY(SELECT position FROM removed)))
      SELECT task_id AS "taskId" FROM removed`,
    );
    const restored = ([...RESTORED, "changedSecond"] as const).map((field) => COLUMNS[field]);
    this.restore = write(
      "restore",
      `INSERT INTO ${tasks} AS t (${restored.join(", ")})
        VALUES (${RESTORED.map((_, index) => `$${index + 1}`).join(", ")}, $${RESTORED.indexOf("updatedAt") + 1}::bigint / 1000)
        ON CONFLICT (task_id) DO NOTHING RETURNING ${written}`,
    );
    this.deleteExpiredOf = write(
      "delete_expired_of",
      `WITH deleted AS (DELETE FROM ${tasks} WHERE task_id = ANY ($1::text[]) AND expires_at <= ${CLOCK} RETURNING position)
        DELETE FROM ${steps} WHERE position = ANY (ARRAY(SELECT position FROM deleted))`,
    );
    this.steps = read(
      "steps",
      `SELECT t.task_id AS "taskId", s.name, s.body FROM ${tasks} AS t JOIN ${steps} AS s USING (position)
        WHERE t.task_id = ANY ($1::text[]) AND (t.expires_at IS NULL OR t.expires_at > ${NOW})`,
    );
    this.forgetSteps = write(
      "forget_steps",
      `DELETE FROM ${steps} AS s USING ${tasks} AS t
        WHERE t.task_id = $1 AND t.expires_at <= ${CLOCK} AND s.position = t.position RETURNING s.name`,
    );
    this.restoreStep = write("restore_step", `INSERT INTO ${steps} (position, name, body) VALUES ($1, $2, $3)`);
    this.rewriteStep = write(
      "rewrite_step",
      `UPDATE ${steps} AS s SET body = $4 FROM ${tasks} AS t
        WHERE t.task_id = $1 AND (t.expires_at IS NULL OR t.expires_at > ${CLOCK})
          AND s.position = t.position AND s.name = $2 AND s.body = $3 RETURNING s.name`,
    );
    this.pause = write("pause", `INSERT INTO ${pauses} (name) SELECT unnest($1::text[]) ON CONFLICT DO NOTHING`);
    this.resume = write("resume", `DELETE FROM ${pauses} WHERE name = ANY ($1::text[])`);
    this.paused = read("paused", `SELECT name FROM ${pauses}`);

    const page = (where: string, order = "t.position") =>
      `SELECT ${columns} FROM ${tasks} AS t WHERE ${where} t.position > $1::bigint AND ${alive} ORDER BY ${order} LIMIT $2`;
    const owned = page("t.owner = $3 AND");
    // ORDER BY has the owner too, so that PostgreSQL sees that the index has the rows without owner
    // in order of position.
    const unowned = page("t.owner IS NULL AND", "t.owner, t.position");
    this.listAll = read("list_all", page(""));
    this.listOwner = read("list_owner", owned);
    this.listUnowned = read("list_unowned", unowned);
    // Two index scans, each up to a page. With OR, PostgreSQL would sort every match.
    this.listOwnerAndUnowned = read(
      "list_owner_and_unowned",
      `(${owned}) UNION ALL (${unowned}) ORDER BY position LIMIT $2`,
    );

    this.changedSince = read(
      "changed_since",
      `SELECT clock.now, t.task_id AS "taskId", t.updated_at AS "updatedAt", t.revision, t.owner, t.name, t.status,
          t.lease_expires_at AS "leaseExpiresAt"
        FROM (SELECT ${NOW} AS now) AS clock
        LEFT JOIN ${tasks} AS t ON t.changed_second >= $1::bigint / 1000 AND t.updated_at >= $1::bigint`,
    );
    this.now = read("now", `SELECT ${NOW} AS now`);
    const any = "(min(position) + floor(random() * (1 + max(position) - min(position))))::bigint";
    this.evenOut = read(
      "even_out",
      `SELECT FROM ${tasks} WHERE status = '' AND position = (
        SELECT coalesce(max(position), -1) FROM ${tasks} WHERE position <= (
          SELECT ${any} * CASE WHEN EXISTS (SELECT FROM ${tasks} WHERE task_id = $1) THEN -1 ELSE 1 END FROM ${tasks}))`,
      "reads",
    );
  }

  /** Reads a task together with these payloads. */
  read(taskId: string, scope: OwnerScope, payloads: readonly PayloadField[]): Call<StoredTask> {
    // The statement checks the scope, so that a foreign id takes as long as an unknown one.
    const parts = new Parts(["task", ...payloads], taskId).addScope(scope);
    return this.#call(parts, () =>
      read(
        ["task", ...payloads].join("_"),
        `SELECT ${columnsOf(NOW, payloads)} FROM ${this.#tasks} AS t
          WHERE t.task_id = $1 ${inScope(parts)} AND (t.expires_at IS NULL OR t.expires_at > ${NOW})`,
        payloads.length > 0 ? "payloads" : "reads",
      ),
    );
  }

  /** Reads tasks together with these payloads. */
  readMany(taskIds: readonly string[], payloads: readonly PayloadField[]): Call<StoredTask> {
    return this.#call(new Parts(["tasks", ...payloads], taskIds), () =>
      read(
        ["tasks", ...payloads].join("_"),
        `SELECT ${columnsOf(NOW, payloads)} FROM ${this.#tasks} AS t
          WHERE t.task_id = ANY ($1::text[]) AND (t.expires_at IS NULL OR t.expires_at > ${NOW})`,
      ),
    );
  }

  /**
   * Changes a task if the guard holds. The statement has only the expressions of this guard and
   * patch, because PostgreSQL prepares every expression at each run. (An update on the server: 80
   * µs, with all expressions behind CASE 90 µs.)
   */
  update(taskId: string, guard: Guard, patch: Patch): Call<StoredTask> {
    const { lease, status } = patch;
    const ends = status !== undefined && isTerminal(status);
    const visible = isVisibleChange(patch);
    const kind = [lease?.action ?? "", ends ? "ends" : "", guard.leaseFree ? "free" : "", guard.ended ? "ended" : ""];
    const parts = new Parts(["update", ...kind], taskId)
      .addScope(guard.scope)
      .add("revision", guard.revision)
      .add("leaseToken", guard.leaseToken)
      .add("status", status)
      .add("statusMessage", patch.statusMessage)
      .add("inputs", patch.inputs)
      .add("checkpoint", patch.checkpoint)
      .add("outcome", patch.outcome)
      .add("history", patch.history)
      .add("stepName", patch.step?.name)
      .add("stepBody", patch.step?.body)
      .add("leaseMs", lease && !ends ? Math.ceil(lease.leaseMs) : undefined);
    return this.#call(parts, () => {
      const parameter = (part: string) => parts.parameter(part);
      const until = `${CLOCK} + ${parameter("leaseMs")}::bigint`;
      const kept =
        lease?.action === "release"
          ? ` + CASE WHEN ${parameter("leaseMs")}::bigint > 0 THEN ${KEPT_AFTER_DELAY_MS} ELSE 0 END`
          : "";
      const changes = [
        ...WRITTEN.filter((field) => parts.has(field)).map((field) => `${COLUMNS[field]} = ${parameter(field)}`),
        `revision = t.revision + ${visible ? 1 : 0}`,
        ...(visible ? [`updated_at = ${CLOCK}`, `changed_second = ${CLOCK} / 1000`] : []),
        ...(lease ? LEASE_CHANGES[lease.action] : []),
        ...(parts.has("history") ? [appended(parameter("history"))] : []),
        ...(ends ? ["lease_expires_at = NULL", `expires_at = ${CLOCK} + t.ttl`] : []),
        ...(lease && !ends
          ? [
              `lease_expires_at = ${until}`,
              `expires_at = CASE WHEN t.ttl IS NOT NULL THEN greatest(t.created_at + t.ttl, ${until}${kept}) END`,
            ]
          : []),
      ];
      // If the update has waited for a lock on the row, PostgreSQL evaluates it again on the new
      // row, the clock included.
      const update = `UPDATE ${this.#tasks} AS t SET ${changes.join(", ")}
          WHERE t.task_id = $1 ${inScope(parts)}
            AND t.lease_expires_at IS ${guard.ended ? "" : "NOT"} NULL AND (t.expires_at IS NULL OR t.expires_at > ${CLOCK})
            ${parts.has("revision") ? `AND t.revision = ${parameter("revision")}::bigint` : ""}
            ${parts.has("leaseToken") ? `AND t.lease_token = ${parameter("leaseToken")}::bigint` : ""}
            ${guard.leaseFree ? `AND (t.lease_token = 0 OR t.lease_expires_at <= ${CLOCK})` : ""}
          RETURNING ${columnsOf(CLOCK)}`;
      if (!parts.has("stepName")) return write("update", update, "writes");
      return write(
        "update_with_step",
        `WITH updated AS (${update}), kept AS (
          INSERT INTO ${this.#steps} (position, name, body)
            SELECT position, ${parameter("stepName")}::text, ${parameter("stepBody")}::text FROM updated
            ON CONFLICT (position, name) DO UPDATE SET body = excluded.body)
          SELECT * FROM updated`,
        "writes",
      );
    });
  }

  /**
   * Replaces texts of a task that are still as they were read, all in one new row. If the update
   * has waited for another one, PostgreSQL compares again, with the new row. The row says by field
   * whether the text is the new one now.
   */
  rewrite(taskId: string, texts: readonly Rewrite<TaskText>[]): Call<Partial<Record<TaskText, boolean>>> {
    const parts = new Parts(["rewrite"], taskId);
    for (const { field, from, to } of texts) parts.add(field, to).add(`${field} before`, from);
    return this.#call(parts, () => {
      const changes = texts.map(({ field }) => {
        const column = COLUMNS[field];
        const [to, from] = [parts.parameter(field), parts.parameter(`${field} before`)];
        return {
          is: `t.${column} = ${from}`,
          set: `${column} = CASE WHEN t.${column} = ${from} THEN ${to} ELSE t.${column} END`,
          now: `t.${column} = ${to} AS "${field}"`,
        };
      });
      return write(
        "rewrite",
        `UPDATE ${this.#tasks} AS t SET ${changes.map(({ set }) => set).join(", ")}
          WHERE t.task_id = $1 AND (t.expires_at IS NULL OR t.expires_at > ${CLOCK})
            AND (${changes.map(({ is }) => is).join(" OR ")})
          RETURNING ${changes.map(({ now }) => now).join(", ")}`,
      );
    });
  }

  /** The statement for these parts, made once. */
  #call<Row>(parts: Parts, make: () => Statement<readonly unknown[], Row>): Call<Row> {
    let statement = this.#prepared.get(parts.key) as Statement<readonly unknown[], Row> | undefined;
    if (!statement) {
      statement = make();
      this.#prepared.set(parts.key, statement as Statement<readonly unknown[], never>);
    }
    return { statement, parameters: parts.values };
  }
}

import { isTerminal } from "@mcp-task-store/core";
import type { Bounds, SearchFilter, SearchPage, SearchQuery, StoredTask } from "@mcp-task-store/core/backend";
import type { Runner } from "./connection.ts";
import { COLUMNS, namesOf } from "./names.ts";
import { columnsOf, NOW } from "./rows.ts";
import { read } from "./statement.ts";

type Row = { scanned: number; last: number | null } & (StoredTask | { taskId: null });

/** What a filter looks at, beside payloads. */
const LOOKED_AT = [
  "position",
  "taskId",
  "owner",
  "name",
  "status",
  "createdAt",
  "updatedAt",
  "attempt",
  "leaseToken",
  "leaseExpiresAt",
] as const;

/**
 * Operators' searches. The first part walks an index and looks at no more than `scan` tasks, the
 * second one filters them, and the third one reads those that are left.
 */
export class Search {
  readonly #runner: Runner;
  readonly #tasks: string;

  constructor(runner: Runner, schemaName: string) {
    this.#runner = runner;
    this.#tasks = namesOf(schemaName).tasks;
  }

  async find({ filter, order, after, limit, scan, payloads }: SearchQuery): Promise<SearchPage> {
    const values: unknown[] = [];
    const parameter = (value: unknown) => `$${values.push(value)}`;
    const [beyond, direction, end] = order === "oldest" ? [">", "ASC", "max"] : ["<", "DESC", "min"];
    const texts = [...new Set((filter.texts ?? []).map(({ field }) => field))];
    const looked = [...LOOKED_AT, ...texts].map((field) => `t.${COLUMNS[field]}`).join(", ");
    const most = parameter(limit);
    const start = after === null ? "" : `AND t.position ${beyond} ${parameter(after)}::bigint`;
    const text = `WITH walked AS MATERIALIZED (
        SELECT ${looked} FROM ${this.#tasks} AS t
        WHERE (t.expires_at IS NULL OR t.expires_at > ${NOW}) ${start} ${sourceOf(filter, parameter)}
        ORDER BY t.position ${direction} LIMIT ${parameter(scan)}::bigint
      ), matched AS MATERIALIZED (
        SELECT t.position FROM walked AS t WHERE ${conditionsOf(filter, parameter).join(" AND ")}
        ORDER BY t.position ${direction} LIMIT ${most}::bigint
      ), full_page AS MATERIALIZED (
        SELECT CASE WHEN count(*) = ${most}::bigint THEN ${end}(position) END AS last FROM matched
      ), seen AS MATERIALIZED (
        SELECT count(*) AS scanned, ${end}(walked.position) AS last FROM walked, full_page
        WHERE full_page.last IS NULL OR NOT walked.position ${beyond} full_page.last
      )
      SELECT seen.*, found.* FROM seen LEFT JOIN (
        SELECT ${columnsOf(NOW, payloads)} FROM matched JOIN ${this.#tasks} AS t USING (position)
      ) AS found ON true ORDER BY found.position ${direction}`;
    const rows = await this.#runner.run(read<unknown[], Row>("search", text), ...values);
    const tasks = rows.filter((row): row is Row & StoredTask => row.taskId !== null);
    const { scanned = 0, last = null } = rows[0] ?? {};
    const found = tasks.map(({ scanned: _, last: __, ...task }) => task);
    // The last one of a full page, or of those that were looked at.
    return { tasks: found, scanned, next: found.length === limit || scanned === scan ? last : null };
  }
}

/** The condition by which an index finds the tasks. */
function sourceOf({ statuses, owners }: SearchFilter, parameter: (value: unknown) => string): string {
  if (statuses?.every((status) => !isTerminal(status))) return "AND t.lease_expires_at IS NOT NULL";
  if (statuses?.every((status) => status === "failed")) return "AND t.status = 'failed'";
  const [owner] = owners ?? [];
  if (owners?.length !== 1 || owner === undefined) return "";
  return owner === null ? "AND t.owner IS NULL" : `AND t.owner = ${parameter(owner)}`;
}

function conditionsOf(filter: SearchFilter, parameter: (value: unknown) => string): string[] {
  const { statuses, names, owners, idPrefix, created, updated, attempts, stuck, texts } = filter;
  const conditions = ["true"];
  const within = (column: string, { from, before }: Bounds) => {
    if (from !== null) conditions.push(`${column} >= ${parameter(Math.ceil(from))}::bigint`);
    if (before !== null) conditions.push(`${column} < ${parameter(Math.ceil(before))}::bigint`);
  };
  if (statuses) conditions.push(`t.status = ANY (${parameter(statuses)}::text[])`);
  if (names) conditions.push(`t.name = ANY (${parameter(names)}::text[])`);
  if (owners) {
    const some = `t.owner = ANY (${parameter(owners.filter((owner) => owner !== null))}::text[])`;
    conditions.push(owners.includes(null) ? `(t.owner IS NULL OR ${some})` : some);
  }
  if (idPrefix !== undefined) conditions.push(`starts_with(t.task_id, ${parameter(idPrefix)})`);
  if (created) within("t.created_at", created);
  if (updated) within("t.updated_at", updated);
  if (attempts) within("t.attempt", attempts);
  if (stuck) {
    const waiting = `t.updated_at <= ${NOW} - ${parameter(Math.ceil(stuck.waitingMs))}::bigint`;
    const overdue = `t.lease_expires_at <= ${NOW} - ${parameter(Math.ceil(stuck.overdueMs))}::bigint`;
    conditions.push(`CASE WHEN t.status = 'input_required' THEN ${waiting} ELSE ${overdue} END`);
  }
  for (const { field, text } of texts ?? []) conditions.push(`strpos(t.${COLUMNS[field]}, ${parameter(text)}) > 0`);
  return conditions;
}

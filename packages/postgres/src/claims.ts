import { type ClaimQuery, GatheredClaims, realTime, type StoredTask } from "@mcp-task-store/core/backend";
import type { Connections } from "./connection.ts";
import type { ClaimRow, Statements } from "./statements.ts";

/** Most attempts of a claim while others have locked every claimable task. */
const ATTEMPTS = 50;
/** Most tasks claimed by one statement. */
const CLAIM_BATCH = 100;
/** How long claims begin at the last found position, in milliseconds. */
const HINT_MS = 1000;

/**
 * Claims tasks. Concurrent claims share a statement.
 *
 * A claim moves its task to a later place in the index. The old entry stays until a vacuum, which
 * any old snapshot delays: a dump, a report, a forgotten session. So a claim skips the dead entries
 * and begins at the last claim's first task. Once a second, and when it finds too few, it begins at
 * the start, since a late commit may have put a task before the hint.
 */
export class Claims {
  readonly #connections: Connections;
  readonly #statements: Statements;
  readonly #gathered = new GatheredClaims((query) => this.#claim(query), CLAIM_BATCH);
  #hint = { names: "", since: 0, until: 0 };

  constructor(connections: Connections, statements: Statements) {
    this.#connections = connections;
    this.#statements = statements;
  }

  claim(query: ClaimQuery): Promise<StoredTask[]> {
    return this.#gathered.claim(query);
  }

  async #claim(query: ClaimQuery): Promise<StoredTask[]> {
    const key = JSON.stringify(query.names);
    const { names, since, until } = this.#hint;
    if (names !== key || realTime.now() >= until) return this.#claimFrom(0, query);
    const found = await this.#claimFrom(since, query);
    if (found.length === query.limit) return found;
    // The rest may be before the hint. After it, this call could meet a task again that it has just
    // taken, if that lease has lapsed by now.
    this.#hint = { names: "", since: 0, until: 0 };
    try {
      const rest = { ...query, limit: query.limit - found.length };
      return [...found, ...(await this.#claimFrom(0, rest, found.length > 0 ? since : null))];
    } catch (error) {
      // What was claimed has to reach the caller.
      if (found.length === 0) throw error;
      return found;
    }
  }

  /** Claims tasks whose leases lapsed from `since` to `until`, `null` = now. */
  async #claimFrom(
    since: number,
    { names, leaseMs, limit, history }: ClaimQuery,
    until: number | null = null,
  ): Promise<StoredTask[]> {
    for (let attempt = 1; ; attempt += 1) {
      const values = [names, Math.ceil(leaseMs), limit, since, history ?? "", until] as const;
      const rows = await this.#connections.run(this.#statements.claim, ...values);
      const first = rows[0]?.since ?? null;
      const tasks = rows.filter(isClaimed).map(({ since: _, ...task }) => task);
      if (tasks.length > 0 && first !== null) this.#begin(JSON.stringify(names), first, since);
      // Without a task, other claims may have locked every claimable one, and may still leave one.
      if (tasks.length > 0 || first === null || since > 0 || attempt >= ATTEMPTS) return tasks;
    }
  }

  /** The next claims begin there, until a second after the last one from the start. */
  #begin(names: string, first: number, since: number): void {
    this.#hint = { names, since: first, until: since === 0 ? realTime.now() + HINT_MS : this.#hint.until };
  }
}

function isClaimed(row: ClaimRow): row is StoredTask & { since: number | null } {
  return row.taskId !== null;
}

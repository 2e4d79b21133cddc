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
 * and begins at the last claim's first task. Once a second, and when it finds nothing, it begins at
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

  async #claim({ names, leaseMs, limit, history }: ClaimQuery): Promise<StoredTask[]> {
    const key = JSON.stringify(names);
    const hint = this.#hint;
    let since = hint.names === key && realTime.now() < hint.until ? hint.since : 0;
    for (let attempt = 1; ; attempt += 1) {
      const values = [names, Math.ceil(leaseMs), limit, since, history ?? ""] as const;
      const rows = await this.#connections.run(this.#statements.claim, ...values);
      const first = rows[0]?.since ?? null;
      const tasks = rows.filter(isClaimed).map(({ since: _, ...task }) => task);
      if (tasks.length > 0 && first !== null) {
        this.#hint = { names: key, since: first, until: since === 0 ? realTime.now() + HINT_MS : hint.until };
        return tasks;
      }
      if (since > 0) {
        since = 0;
        this.#hint = { names: "", since: 0, until: 0 };
      } else if (first === null || attempt >= ATTEMPTS) return [];
      // Otherwise other claims have locked every claimable task, and may still leave one.
    }
  }
}

function isClaimed(row: ClaimRow): row is StoredTask & { since: number | null } {
  return row.taskId !== null;
}

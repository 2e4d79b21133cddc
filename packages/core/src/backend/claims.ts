import { Batches } from "./batches.ts";
import type { StoredTask } from "./stored-task.ts";
import type { ClaimQuery } from "./task-backend.ts";

interface Claim<Query> {
  readonly query: Query;
  readonly resolve: (tasks: StoredTask[]) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Merges claims of the same names, limits and holder that are made together into one claim of as
 * many tasks. Each caller gets at most as many as it asked for. For backends that answer by I/O.
 */
export class GatheredClaims<Query extends { readonly limit: number } = ClaimQuery> {
  readonly #claim: (query: Query) => Promise<StoredTask[]>;
  readonly #batches: Batches<Claim<Query>>;

  /** @param most How many tasks the backend claims in one step. */
  constructor(claim: (query: Query) => Promise<StoredTask[]>, most: number) {
    this.#claim = claim;
    const limits = { calls: most, size: most };
    this.#batches = new Batches<Claim<Query>>(
      (claims) => this.#send(claims),
      "nextTick",
      limits,
      ({ query }) => query.limit,
    );
  }

  claim(query: Query): Promise<StoredTask[]> {
    return new Promise((resolve, reject) => this.#batches.add({ query, resolve, reject }));
  }

  async #send(claims: readonly Claim<Query>[]): Promise<void> {
    const alike = Map.groupBy(claims, ({ query }) => JSON.stringify({ ...query, limit: 0 }));
    await Promise.all([...alike.values()].map((group) => this.#sendAlike(group)));
  }

  async #sendAlike(claims: readonly Claim<Query>[]): Promise<void> {
    const { query } = claims[0] as Claim<Query>;
    try {
      const limit = claims.reduce((sum, { query }) => sum + query.limit, 0);
      const tasks = await this.#claim({ ...query, limit });
      for (const each of claims) each.resolve(tasks.splice(0, each.query.limit));
    } catch (error) {
      // The waiting claims would fail as well, after as long a wait.
      for (const { reject } of [...claims, ...this.#batches.drop()]) reject(error);
    }
  }
}

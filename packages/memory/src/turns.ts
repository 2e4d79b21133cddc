import type { LimitedClaimQuery } from "@mcp-task-store/core/backend";
import type { Entry } from "./entry.ts";
import { lapseOf, Queue } from "./queue.ts";

/** The owners with active tasks of one name. Claims with limits serve them in turn. */
export class Turns {
  /** In the order in which they were served, the latest last. */
  readonly #owners = new Map<string | null, Queue>();
  /** The tasks that claims with limits took, with the tokens of their leases. */
  readonly #taken = new Map<Entry, number>();

  constructor(active: Iterable<Entry>) {
    for (const entry of active) this.add(entry);
  }

  add(entry: Entry): void {
    const { owner } = entry.task;
    const queue = this.#owners.get(owner) ?? new Queue();
    this.#owners.set(owner, queue);
    queue.add(entry);
  }

  moved(entry: Entry, before: number): void {
    this.#owners.get(entry.task.owner)?.moved(entry, before);
  }

  delete(entry: Entry): void {
    const { owner } = entry.task;
    const queue = this.#owners.get(owner);
    queue?.delete(entry);
    if (queue?.active.size === 0) this.#owners.delete(owner);
  }

  /** The next entry to claim, if there is one within the limits. */
  next({ running, runningPerOwner }: LimitedClaimQuery, now: number): Entry | undefined {
    const owners = this.#running(now);
    if (owners.length >= (running ?? Number.POSITIVE_INFINITY)) return undefined;
    for (const [owner, queue] of this.#owners) {
      const own = owners.filter((each) => each === owner).length;
      const first = own < (runningPerOwner ?? Number.POSITIVE_INFINITY) ? queue.first(now) : undefined;
      if (first) return first;
    }
    return undefined;
  }

  /** A claim with limits has taken the lease. */
  taken(entry: Entry): void {
    const { owner, leaseToken } = entry.task;
    this.#taken.set(entry, leaseToken);
    const queue = this.#owners.get(owner) as Queue;
    this.#owners.delete(owner);
    this.#owners.set(owner, queue);
  }

  /** The owners of the tasks that still run under the leases of such claims. */
  #running(now: number): (string | null)[] {
    for (const [entry, token] of this.#taken) {
      const { leaseToken, leaseExpiresAt } = entry.task;
      if (leaseToken !== token || leaseExpiresAt === null || lapseOf(entry) <= now) this.#taken.delete(entry);
    }
    return [...this.#taken.keys()].map(({ task }) => task.owner);
  }
}

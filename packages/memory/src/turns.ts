import { isActive, type LimitedClaimQuery } from "@mcp-task-store/core/backend";
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
    const byOwner = this.#running(now);
    if (running !== null && this.#taken.size >= running) return undefined;
    for (const [owner, queue] of this.#owners) {
      const isFull = runningPerOwner !== null && (byOwner.get(owner) ?? 0) >= runningPerOwner;
      const first = isFull ? undefined : queue.first(now);
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

  /** How many tasks of each owner still run under the leases of such claims. Forgets the others. */
  #running(now: number): Map<string | null, number> {
    const byOwner = new Map<string | null, number>();
    for (const [entry, token] of this.#taken) {
      const { owner, leaseToken } = entry.task;
      const isTaken = isActive(entry.task, now) && leaseToken === token && lapseOf(entry) > now;
      if (isTaken) byOwner.set(owner, (byOwner.get(owner) ?? 0) + 1);
      else this.#taken.delete(entry);
    }
    return byOwner;
  }
}

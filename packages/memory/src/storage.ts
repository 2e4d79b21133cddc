import { randomBytes } from "node:crypto";
import { isExpired, isTerminal, type OwnerScope, type StoredTask } from "@mcp-task-store/core";
import { Claims } from "./claims.ts";
import { LazyHeap } from "./lazy-heap.ts";
import { MessageQueues } from "./messages.ts";
import { Positions } from "./positions.ts";

/** Where the time comes from, in milliseconds since the epoch. */
export interface Clock {
  now(): number;
}

/** A task's place; the record in it is replaced at each change. */
export interface Entry {
  readonly position: number;
  task: StoredTask;
}

/** What the tasks of one or several memory stores are kept in, and the indexes over them. */
export class MemoryStorage {
  readonly storeId: string = randomBytes(16).toString("hex");
  readonly clock: Clock;
  readonly messages = new MessageQueues();
  readonly #entries = new Map<string, Entry>();
  readonly #all = new Positions<Entry>();
  readonly #byOwner = new Map<string | null, Positions<Entry>>();
  readonly #claims = new Claims();
  readonly #expiring = new LazyHeap<Entry>();
  readonly #active = new Map<string | null, number>();
  readonly #listeners = new Set<(taskId: string) => void>();
  #activeTotal = 0;
  #lastPosition = 0;

  constructor(options: { clock?: Clock | undefined } = {}) {
    this.clock = options.clock ?? Date;
  }

  /** The place of a task that is not expired. */
  find(taskId: string, now: number): Entry | undefined {
    const entry = this.#entries.get(taskId);
    return entry && !isExpired(entry.task, now) ? entry : undefined;
  }

  nextPosition(): number {
    this.#lastPosition += 1;
    return this.#lastPosition;
  }

  add(task: StoredTask): void {
    const stale = this.#entries.get(task.taskId);
    if (stale) this.#delete(stale);
    const entry: Entry = { position: task.position, task };
    this.#entries.set(task.taskId, entry);
    this.#all.add(entry);
    let ofOwner = this.#byOwner.get(task.owner);
    if (!ofOwner) {
      ofOwner = new Positions();
      this.#byOwner.set(task.owner, ofOwner);
    }
    ofOwner.add(entry);
    if (task.expiresAt !== null) this.#expiring.add(task.expiresAt, entry);
    this.#activate(entry);
    this.#signal(task.taskId);
  }

  /** Puts the record after a change in the place of the one before. */
  replace(entry: Entry, task: StoredTask): void {
    const before = entry.task;
    entry.task = task;
    if (isTerminal(task.status)) this.#deactivate(entry);
    else if (task.leaseExpiresAt !== before.leaseExpiresAt) this.#claims.moved(entry, before.leaseExpiresAt as number);
    if (task.revision !== before.revision) this.#signal(task.taskId);
  }

  /** How many tasks are active: of one owner (`null` = of none), or all. */
  activeTasks(owner?: string | null): number {
    this.deleteExpired(Number.POSITIVE_INFINITY);
    return owner === undefined ? this.#activeTotal : (this.#active.get(owner) ?? 0);
  }

  /** Tasks in scope by position: those of the owner and those of nobody, each in order, merged. */
  *inOrder(scope: OwnerScope, after: number, now: number): Generator<StoredTask, undefined> {
    const owners = scope === null ? [] : scope.orUnowned ? new Set([scope.owner, null]) : [scope.owner];
    const sources = scope === null ? [this.#all] : [...owners].map((owner) => this.#byOwner.get(owner));
    const walks = sources.filter((source) => source !== undefined).map((source) => source.after(after));
    const heads = walks.map((walk) => walk.next().value);
    for (;;) {
      const positions = heads.map((head) => head?.position ?? Number.POSITIVE_INFINITY);
      const first = positions.indexOf(Math.min(...positions));
      const entry = heads[first];
      if (!entry) return;
      if (!isExpired(entry.task, now)) yield entry.task;
      heads[first] = walks[first]?.next().value;
    }
  }

  /** The claimable entry of one of these names whose lease lapsed first. */
  firstClaimable(names: readonly string[], now: number): Entry | undefined {
    return this.#claims.first(names, now);
  }

  deleteExpired(limit: number): number {
    const now = this.clock.now();
    let deleted = 0;
    while (deleted < limit) {
      const entry = this.#expiring.takeDue(now);
      if (!entry) break;
      if (this.#entries.get(entry.task.taskId) !== entry) continue;
      if (isExpired(entry.task, now)) {
        this.#delete(entry);
        deleted += 1;
      } else if (entry.task.expiresAt !== null) this.#expiring.add(entry.task.expiresAt, entry);
    }
    return deleted;
  }

  listen(listener: (taskId: string) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #delete(entry: Entry): void {
    const { taskId, owner, status } = entry.task;
    this.#entries.delete(taskId);
    this.#all.delete(entry);
    const ofOwner = this.#byOwner.get(owner);
    ofOwner?.delete(entry);
    if (ofOwner?.size === 0) this.#byOwner.delete(owner);
    if (!isTerminal(status)) this.#deactivate(entry);
  }

  #activate(entry: Entry): void {
    const { owner } = entry.task;
    this.#activeTotal += 1;
    this.#active.set(owner, (this.#active.get(owner) ?? 0) + 1);
    this.#claims.add(entry);
  }

  #deactivate(entry: Entry): void {
    const { owner } = entry.task;
    this.#activeTotal -= 1;
    const left = (this.#active.get(owner) ?? 0) - 1;
    if (left > 0) this.#active.set(owner, left);
    else this.#active.delete(owner);
    this.#claims.delete(entry);
  }

  #signal(taskId: string): void {
    // After the present turn: a listener must not run inside a write.
    for (const listener of this.#listeners) queueMicrotask(() => listener(taskId));
  }
}

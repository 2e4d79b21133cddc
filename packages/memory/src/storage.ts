import { randomBytes } from "node:crypto";
import { isTerminal } from "@mcp-task-store/core";
import {
  aboutChange,
  checkOptions,
  checks,
  DueHeap,
  isExpired,
  isInScope,
  type OnChange,
  type OwnerScope,
  realTime,
  type SearchFilter,
  type StoredTask,
} from "@mcp-task-store/core/backend";
import { Claims } from "./claims.ts";
import type { Entry } from "./entry.ts";
import { Events } from "./events.ts";
import { Messages } from "./messages.ts";
import { Positions } from "./positions.ts";
import type { Turns } from "./turns.ts";

/** A source of time, in milliseconds since the epoch. */
export interface Clock {
  now(): number;
}

/** Searches go by the sets of active and failed tasks if those are at most one task in so many. */
const FEW = 8;

/** The tasks of an owner, or those without owner. */
interface OfOwner {
  readonly tasks: Positions<Entry>;
  active: number;
}

/** The tasks of one memory store or several, with the indexes over them. */
export class MemoryStorage {
  readonly storeId: string = randomBytes(16).toString("hex");
  readonly clock: Clock;
  readonly messages = new Messages();
  /** The names whose tasks are not claimed. */
  readonly paused = new Set<string>();
  readonly events: Events;
  readonly #entries = new Map<string, Entry>();
  readonly #all = new Positions<Entry>();
  readonly #byOwner = new Map<string | null, OfOwner>();
  readonly #claims = new Claims();
  readonly #expiring = new DueHeap<Entry>();
  readonly #failed = new Set<Entry>();
  /** Active and failed tasks, from the first search for few of them on. */
  #watched: Positions<Entry> | undefined;
  readonly #listeners = new Set<OnChange>();
  #activeTotal = 0;
  #lastPosition = 0;

  constructor(options: { clock?: Clock | undefined } = {}) {
    checkOptions("MemoryStorage", options, { clock: checks.clock });
    this.clock = options.clock ?? { now: () => Date.now() };
    this.events = new Events(() => this.clock.now());
  }

  /** The entry of a task that is not expired. */
  find(taskId: string, now: number): Entry | undefined {
    const entry = this.#entries.get(taskId);
    return entry && !isExpired(entry.task, now) ? entry : undefined;
  }

  /**
   * The same if the task is in scope. Without a task of this id, it looks at another one, so that a
   * foreign id takes as long as an unknown one.
   */
  findInScope(taskId: string, scope: OwnerScope, now: number): Entry | undefined {
    const found = this.find(taskId, now);
    const seen = found ?? (scope && this.#all.any());
    return seen && isInScope(scope, seen.task.owner) && seen === found ? seen : undefined;
  }

  nextPosition(): number {
    this.#lastPosition += 1;
    return this.#lastPosition;
  }

  add(task: StoredTask): Entry {
    const stale = this.#entries.get(task.taskId);
    if (stale) this.#delete(stale);
    const entry: Entry = { position: task.position, task };
    this.#entries.set(task.taskId, entry);
    this.#all.add(entry);
    let ofOwner = this.#byOwner.get(task.owner);
    if (!ofOwner) {
      ofOwner = { tasks: new Positions(), active: 0 };
      this.#byOwner.set(task.owner, ofOwner);
    }
    ofOwner.tasks.add(entry);
    if (task.expiresAt !== null) this.#expiring.add(task.expiresAt, entry);
    if (!isTerminal(task.status)) {
      ofOwner.active += 1;
      this.#activeTotal += 1;
      this.#claims.add(entry);
    } else if (task.status === "failed") this.#failed.add(entry);
    if (isWatched(task)) this.#watched?.add(entry);
    this.#changed(task, true);
    return entry;
  }

  /** Replaces the record of a task by the one after a change. */
  replace(entry: Entry, task: StoredTask): void {
    const before = entry.task;
    entry.task = task;
    if (isTerminal(task.status)) {
      // An ended task changes its history only.
      if (!isTerminal(before.status)) this.#deactivate(entry);
      if (task.status === "failed") this.#failed.add(entry);
      else if (isWatched(before)) this.#watched?.delete(entry);
    } else if (task.leaseExpiresAt !== before.leaseExpiresAt)
      this.#claims.moved(entry, before.leaseExpiresAt as number);
    if (task.revision !== before.revision) this.#changed(task, false);
  }

  /** The number of active tasks: of an owner (`null`: without owner), or of all. */
  activeTasks(owner?: string | null): number {
    this.deleteExpired(Number.POSITIVE_INFINITY);
    return owner === undefined ? this.#activeTotal : (this.#byOwner.get(owner)?.active ?? 0);
  }

  /** Tasks in scope by position. Those of the owner and those without owner are merged. */
  *inOrder(scope: OwnerScope, after: number, now: number): Generator<StoredTask, undefined> {
    const owners = scope === null ? [] : scope.orUnowned ? new Set([scope.owner, null]) : [scope.owner];
    const sources = scope === null ? [this.#all] : [...owners].map((owner) => this.#byOwner.get(owner)?.tasks);
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

  /**
   * The tasks in which a search has to look, in its order. Few active and failed tasks are found
   * without a look at the others.
   */
  *searched(
    { statuses }: SearchFilter,
    order: "newest" | "oldest",
    after: number | null,
    now: number,
  ): Generator<StoredTask, undefined> {
    const few = (this.#activeTotal + this.#failed.size) * FEW <= this.#all.size;
    const source = few && statuses?.every((status) => isWatched({ status })) ? this.#activeAndFailed() : this.#all;
    const entries = order === "oldest" ? source.after(after ?? 0) : source.before(after);
    for (const { task } of entries) if (!isExpired(task, now)) yield task;
  }

  #activeAndFailed(): Positions<Entry> {
    if (!this.#watched) {
      this.#watched = new Positions();
      const found = [...this.#claims.active(), ...this.#failed];
      for (const entry of found.toSorted((one, other) => one.position - other.position)) this.#watched.add(entry);
    }
    return this.#watched;
  }

  /** Deletes the task with its messages if it has ended. */
  removeEnded(taskId: string, now: number): boolean {
    const entry = this.find(taskId, now);
    if (!entry || !isTerminal(entry.task.status)) return false;
    this.#delete(entry);
    this.messages.delete(taskId);
    return true;
  }

  /** The claimable entry of one of these names whose lease lapsed first. */
  firstClaimable(names: readonly string[], now: number): Entry | undefined {
    return this.#claims.first(names, now);
  }

  /** The owners with tasks of this name, for claims with limits. */
  turnsOf(name: string): Turns {
    return this.#claims.turnsOf(name);
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

  listen(listener: OnChange): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #delete(entry: Entry): void {
    const { taskId, owner, status } = entry.task;
    this.#entries.delete(taskId);
    this.#all.delete(entry);
    this.#failed.delete(entry);
    if (isWatched(entry.task)) this.#watched?.delete(entry);
    if (!isTerminal(status)) this.#deactivate(entry);
    const ofOwner = this.#byOwner.get(owner);
    ofOwner?.tasks.delete(entry);
    if (ofOwner?.tasks.size === 0) this.#byOwner.delete(owner);
  }

  #deactivate(entry: Entry): void {
    this.#activeTotal -= 1;
    const ofOwner = this.#byOwner.get(entry.task.owner);
    if (ofOwner) ofOwner.active -= 1;
    this.#claims.delete(entry);
  }

  #changed(task: StoredTask, isNew: boolean): void {
    this.events.changed(task, isNew);
    // In a microtask: a listener must not run inside a write.
    for (const listener of this.#listeners) realTime.microtask(() => listener(task.taskId, aboutChange(task)));
  }
}

/** Whether the task is active or failed. */
function isWatched({ status }: Pick<StoredTask, "status">): boolean {
  return status === "failed" || !isTerminal(status);
}

import { randomUUID } from "node:crypto";
import type { TaskEventKind } from "@mcp-task-store/core";
import {
  DueHeap,
  type EventBackend,
  eventKind,
  type Settlement,
  type StoredEvent,
  type StoredNotifier,
  type StoredTask,
} from "@mcp-task-store/core/backend";

/** An event, and from when on it may be taken. */
interface Entry {
  event: StoredEvent;
  dueAt: number;
}

/** The events of one notifier. */
class Queue {
  kinds: readonly TaskEventKind[];
  /** By `seq`, in that order. */
  readonly entries = new Map<number, Entry>();
  /** Of each task the events that wait, the oldest first. Only the first one is taken. */
  readonly #byTask = new Map<string, Entry[]>();
  /** First ones, by the time from which they may be taken. Old entries are skipped. */
  readonly #due = new DueHeap<Entry>();

  constructor(kinds: readonly TaskEventKind[]) {
    this.kinds = kinds;
  }

  add(entry: Entry): void {
    const { seq, taskId, setAside } = entry.event;
    this.entries.set(seq, entry);
    if (setAside) return;
    const waiting = this.#byTask.get(taskId) ?? [];
    this.#byTask.set(taskId, waiting);
    if (waiting.push(entry) === 1) this.#due.add(entry.dueAt, entry);
  }

  take(limit: number, leaseMs: number, now: number): StoredEvent[] {
    const taken: StoredEvent[] = [];
    while (taken.length < limit) {
      const entry = this.#due.takeDue(now);
      if (!entry) break;
      const { event } = entry;
      if (!this.#isFirst(entry) || entry.dueAt > now) continue;
      entry.event = { ...event, attempt: event.attempt + 1, token: event.token + 1 };
      this.#moveTo(entry, now + leaseMs);
      taken.push(entry.event);
    }
    return taken;
  }

  settle({ seq, token, becomes, error }: Settlement, now: number): void {
    const entry = this.entries.get(seq);
    // An event that is set aside has another token than each of its leases.
    if (entry?.event.token !== token) return;
    const { event } = entry;
    switch (becomes) {
      case "delete":
        this.entries.delete(seq);
        this.#leave(entry);
        break;
      case "setAside":
        entry.event = { ...event, setAside: true, error, token: token + 1 };
        this.#leave(entry);
        break;
      case "giveBack":
        entry.event = { ...event, attempt: event.attempt - 1, token: token + 1 };
        this.#moveTo(entry, now);
        break;
      default:
        entry.event = { ...event, error, token: token + 1 };
        this.#moveTo(entry, now + becomes);
    }
  }

  redeliver(ids: readonly string[] | null, now: number): number {
    const found = [...this.entries.values()].filter(
      ({ event }) => event.setAside && (ids === null || ids.includes(event.id)),
    );
    for (const entry of found) {
      entry.event = { ...entry.event, setAside: false, attempt: 0 };
      entry.dueAt = now;
      this.add(entry);
    }
    return found.length;
  }

  #isFirst(entry: Entry): boolean {
    return this.#byTask.get(entry.event.taskId)?.[0] === entry;
  }

  #moveTo(entry: Entry, dueAt: number): void {
    entry.dueAt = dueAt;
    this.#due.add(dueAt, entry);
  }

  /** The next event of the task takes the place of this one. */
  #leave(entry: Entry): void {
    const { taskId } = entry.event;
    const waiting = (this.#byTask.get(taskId) ?? []).filter((each) => each !== entry);
    const [next] = waiting;
    if (next) {
      this.#byTask.set(taskId, waiting);
      this.#due.add(next.dueAt, next);
    } else this.#byTask.delete(taskId);
  }
}

/** The events that wait for notifiers. */
export class Events implements EventBackend {
  readonly #now: () => number;
  readonly #queues = new Map<string, Queue>();
  #lastSeq = 0;

  constructor(now: () => number) {
    this.#now = now;
  }

  /** A task was created or visibly changed. */
  changed(task: StoredTask, isNew: boolean): void {
    if (this.#queues.size === 0) return;
    const kind = eventKind(task, isNew);
    const { taskId, owner, name, status, statusMessage, revision, updatedAt: at } = task;
    for (const queue of this.#queues.values()) {
      if (!queue.kinds.includes(kind)) continue;
      const seq = ++this.#lastSeq;
      const fresh = { attempt: 0, token: 0, setAside: false, error: null };
      const event = { seq, id: randomUUID(), kind, at, taskId, owner, name, status, statusMessage, revision, ...fresh };
      queue.add({ event, dueAt: this.#now() });
    }
  }

  async register(name: string, kinds: readonly TaskEventKind[]): Promise<void> {
    const queue = this.#queues.get(name);
    if (queue) queue.kinds = kinds;
    else this.#queues.set(name, new Queue(kinds));
  }

  async unregister(name: string): Promise<boolean> {
    return this.#queues.delete(name);
  }

  async registered(): Promise<StoredNotifier[]> {
    return [...this.#queues].map(([name, { kinds, entries }]) => {
      const events = [...entries.values()].map(({ event }) => event);
      const waiting = events.filter((event) => !event.setAside);
      const setAside = events.length - waiting.length;
      return { name, kinds, waiting: waiting.length, setAside, oldestAt: waiting[0]?.at ?? null };
    });
  }

  async take(notifier: string, limit: number, leaseMs: number): Promise<StoredEvent[] | undefined> {
    return this.#queues.get(notifier)?.take(limit, leaseMs, this.#now());
  }

  async settle(notifier: string, settlements: readonly Settlement[]): Promise<void> {
    const queue = this.#queues.get(notifier);
    for (const each of settlements) queue?.settle(each, this.#now());
  }

  async list(notifier: string, setAside: boolean, after: number, limit: number): Promise<StoredEvent[]> {
    const events = [...(this.#queues.get(notifier)?.entries.values() ?? [])].map(({ event }) => event);
    return events.filter((event) => event.seq > after && (event.setAside || !setAside)).slice(0, limit);
  }

  async redeliver(notifier: string, ids: readonly string[] | null): Promise<number> {
    return this.#queues.get(notifier)?.redeliver(ids, this.#now()) ?? 0;
  }
}

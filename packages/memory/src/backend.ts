import type { Capabilities } from "@mcp-task-store/core";
import {
  type Answer,
  applyPatch,
  type Caps,
  type ClaimQuery,
  type DeletionStep,
  type Guard,
  guardHolds,
  type InsertOutcome,
  initialTask,
  isStepText,
  type LimitedClaimQuery,
  type ListQuery,
  matchesFilter,
  type NewTask,
  type OnChange,
  type OwnerScope,
  type Patch,
  type PushOutcome,
  type RestoredTask,
  type Rewrite,
  type SearchPage,
  type SearchQuery,
  type Step,
  type StepText,
  type StoredTask,
  stepOf,
  type TaskBackend,
  type TaskText,
  type UpdateOutcome,
} from "@mcp-task-store/core/backend";
import type { Entry } from "./entry.ts";
import type { Events } from "./events.ts";
import type { MemoryStorage } from "./storage.ts";

const CAPABILITIES: Capabilities = Object.freeze({ durable: false, multiProcess: false });

/**
 * The reference backend: core's rules, applied to records in a map. Each method is one synchronous
 * step. A write replaces the record and never changes it, so callers can get the record itself.
 * Every read returns the payloads too, which costs nothing here. Payloads are copies of objects,
 * which core copies again for each reader.
 */
export class MemoryBackend implements TaskBackend {
  readonly capabilities: Capabilities = CAPABILITIES;
  readonly keepsObjects = true as const;
  readonly events: Events;
  readonly #storage: MemoryStorage;
  readonly #stops = new Set<() => void>();

  constructor(storage: MemoryStorage) {
    this.#storage = storage;
    this.events = storage.events;
  }

  async open(): Promise<{ storeId: string }> {
    return { storeId: this.#storage.storeId };
  }

  insert(task: NewTask, caps: Caps): Answer<InsertOutcome> {
    const storage = this.#storage;
    const now = storage.clock.now();
    if (storage.find(task.taskId, now)) return { refused: "duplicate" };
    if (caps.activeTasks !== null && storage.activeTasks() >= caps.activeTasks) return { refused: "activeTasks" };
    if (caps.activeTasksPerOwner !== null && storage.activeTasks(task.owner) >= caps.activeTasksPerOwner) {
      return { refused: "activeTasksPerOwner" };
    }
    const inserted = initialTask(task, storage.nextPosition(), now);
    storage.add(inserted);
    return { inserted };
  }

  read(taskId: string, scope: OwnerScope): Answer<StoredTask | undefined> {
    const readAt = this.#storage.clock.now();
    const entry = this.#storage.findInScope(taskId, scope, readAt);
    return entry && { ...entry.task, readAt };
  }

  async readMany(taskIds: readonly string[]): Promise<StoredTask[]> {
    const readAt = this.#storage.clock.now();
    const found = taskIds.map((taskId) => this.#storage.find(taskId, readAt)?.task);
    return found.filter((task) => task !== undefined).map((task) => ({ ...task, readAt }));
  }

  update(taskId: string, guard: Guard, patch: Patch): Answer<UpdateOutcome> {
    const now = this.#storage.clock.now();
    const entry = this.#storage.findInScope(taskId, guard.scope, now);
    if (!entry) return { applied: false, task: undefined };
    if (!guardHolds(entry.task, guard, now)) return { applied: false, task: { ...entry.task, readAt: now } };
    return { applied: true, task: this.#apply(entry, patch, now) };
  }

  async list({ scope, after, limit }: ListQuery): Promise<StoredTask[]> {
    const page: StoredTask[] = [];
    const readAt = this.#storage.clock.now();
    for (const task of this.#storage.inOrder(scope, after ?? 0, readAt)) {
      if (page.push({ ...task, readAt }) === limit) break;
    }
    return page;
  }

  async claim({ names, leaseMs, limit, history }: ClaimQuery): Promise<StoredTask[]> {
    const now = this.#storage.clock.now();
    const free = names.filter((name) => !this.#storage.paused.has(name));
    const claimed: StoredTask[] = [];
    while (claimed.length < limit) {
      const entry = this.#storage.firstClaimable(free, now);
      if (!entry) break;
      claimed.push(this.#apply(entry, { lease: { action: "take", leaseMs }, history }, now));
    }
    return claimed;
  }

  async claimLimited(query: LimitedClaimQuery): Promise<StoredTask[]> {
    const { name, leaseMs, limit, history } = query;
    const now = this.#storage.clock.now();
    if (this.#storage.paused.has(name)) return [];
    const turns = this.#storage.turnsOf(name);
    const claimed: StoredTask[] = [];
    while (claimed.length < limit) {
      const entry = turns.next(query, now);
      if (!entry) break;
      claimed.push(this.#apply(entry, { lease: { action: "take", leaseMs }, history }, now));
      turns.taken(entry);
    }
    return claimed;
  }

  async deleteExpired(limit: number): Promise<DeletionStep> {
    const tasks = this.#storage.deleteExpired(limit);
    const messages = this.#storage.messages.deleteExpired(limit, this.#storage.clock.now());
    return { deleted: tasks + messages, more: tasks >= limit || messages >= limit };
  }

  async push(taskId: string, message: string, maxSize: number | null, ttl: number): Promise<PushOutcome> {
    const now = this.#storage.clock.now();
    return this.#storage.messages.push(taskId, message, maxSize, now + ttl, now);
  }

  async shift(taskId: string, limit: number | null): Promise<string[]> {
    return this.#storage.messages.shift(taskId, limit, this.#storage.clock.now());
  }

  async listen(onChange: OnChange): Promise<() => Promise<void>> {
    const stop = this.#storage.listen(onChange);
    this.#stops.add(stop);
    return async () => {
      this.#stops.delete(stop);
      stop();
    };
  }

  async search({ filter, order, after, limit, scan }: SearchQuery): Promise<SearchPage> {
    const readAt = this.#storage.clock.now();
    const tasks: StoredTask[] = [];
    let scanned = 0;
    for (const task of this.#storage.searched(filter, order, after, readAt)) {
      scanned += 1;
      const found = { ...task, readAt };
      if (matchesFilter(found, filter)) tasks.push(found);
      if (tasks.length === limit || scanned === scan) return { tasks, scanned, next: task.position };
    }
    return { tasks, scanned, next: null };
  }

  async remove(taskIds: readonly string[]): Promise<string[]> {
    const now = this.#storage.clock.now();
    return taskIds.filter((taskId) => this.#storage.removeEnded(taskId, now));
  }

  async pauses({ pause, resume }: { pause: readonly string[]; resume: readonly string[] }): Promise<string[]> {
    const { paused } = this.#storage;
    for (const name of pause) paused.add(name);
    for (const name of resume) paused.delete(name);
    return [...paused];
  }

  async restore(tasks: readonly RestoredTask[]): Promise<string[]> {
    const now = this.#storage.clock.now();
    return tasks.flatMap(({ messages, steps, ...task }) => {
      if (this.#storage.find(task.taskId, now)) return [];
      const entry = this.#storage.add({ ...task, position: this.#storage.nextPosition(), readAt: now });
      for (const step of steps) keep(entry, step);
      for (const { message, expiresAt } of messages)
        this.#storage.messages.push(task.taskId, message, null, expiresAt, now);
      return [task.taskId];
    });
  }

  async messagesOf(taskIds: readonly string[]): Promise<{ taskId: string; message: string; expiresAt: number }[]> {
    const now = this.#storage.clock.now();
    return taskIds.flatMap((taskId) =>
      this.#storage.messages.peek(taskId, now).map(({ text, expiresAt }) => ({ taskId, message: text, expiresAt })),
    );
  }

  async stepsOf(taskIds: readonly string[]): Promise<({ taskId: string } & Step)[]> {
    const now = this.#storage.clock.now();
    return taskIds.flatMap((taskId) =>
      [...(this.#storage.find(taskId, now)?.steps ?? [])].map(([name, body]) => ({ taskId, name, body })),
    );
  }

  async rewrite(taskId: string, texts: readonly Rewrite[]): Promise<boolean[]> {
    const now = this.#storage.clock.now();
    const entry = this.#storage.find(taskId, now);
    return texts.map(({ field, from, to }) => {
      if (field === "message") return this.#storage.messages.rewrite(taskId, from, to, now);
      return entry !== undefined && rewritten(entry, field, from, to);
    });
  }

  async close(): Promise<void> {
    for (const stop of this.#stops) stop();
  }

  #apply(entry: Entry, patch: Patch, now: number): StoredTask {
    const task = applyPatch(entry.task, patch, now);
    if (patch.step) keep(entry, patch.step);
    this.#storage.replace(entry, task);
    return task;
  }
}

function keep(entry: Entry, { name, body }: Step): void {
  entry.steps ??= new Map();
  entry.steps.set(name, body);
}

/** Replaces a payload or a step. The record is a new one, as after each write. */
function rewritten(entry: Entry, field: TaskText | StepText, from: string, to: string): boolean {
  if (isStepText(field)) {
    const step = stepOf(field);
    if (entry.steps?.get(step) !== from) return false;
    entry.steps.set(step, to);
    return true;
  }
  if (entry.task[field] !== from) return false;
  entry.task = { ...entry.task, [field]: to };
  return true;
}

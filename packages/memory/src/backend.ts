import {
  applyPatch,
  type Capabilities,
  type Caps,
  type ClaimQuery,
  type Guard,
  guardHolds,
  type InsertOutcome,
  initialTask,
  isInScope,
  type ListQuery,
  type NewTask,
  type OwnerScope,
  type Patch,
  type PayloadField,
  type PushOutcome,
  type StoredTask,
  type TaskBackend,
  type UpdateOutcome,
  withPayloads,
} from "@mcp-task-store/core";
import type { Entry, MemoryStorage } from "./storage.ts";

const CAPABILITIES: Capabilities = Object.freeze({ durable: false, multiProcess: false });

/** The reference backend: core's rules, applied to records in a map. Each method is one synchronous step. */
export class MemoryBackend implements TaskBackend {
  readonly capabilities: Capabilities = CAPABILITIES;
  readonly #storage: MemoryStorage;
  readonly #stops = new Set<() => void>();

  constructor(storage: MemoryStorage) {
    this.#storage = storage;
  }

  async open(): Promise<{ storeId: string }> {
    return { storeId: this.#storage.storeId };
  }

  async insert(task: NewTask, caps: Caps): Promise<InsertOutcome> {
    const storage = this.#storage;
    if (storage.find(task.taskId)) return { refused: "duplicate" };
    if (caps.activeTasks !== null && storage.activeTasks() >= caps.activeTasks) return { refused: "activeTasks" };
    if (caps.activeTasksPerOwner !== null && storage.activeTasks(task.owner) >= caps.activeTasksPerOwner) {
      return { refused: "activeTasksPerOwner" };
    }
    const inserted = initialTask(task, storage.nextPosition(), storage.clock.now());
    storage.add(inserted);
    return { inserted: withPayloads(inserted) };
  }

  async read(taskId: string, scope: OwnerScope, payloads: readonly PayloadField[]): Promise<StoredTask | undefined> {
    const task = this.#storage.find(taskId)?.task;
    return task && isInScope(scope, task.owner) ? this.#read(task, payloads) : undefined;
  }

  async readMany(taskIds: readonly string[]): Promise<StoredTask[]> {
    return taskIds
      .map((taskId) => this.#storage.find(taskId)?.task)
      .filter((task) => task !== undefined)
      .map((task) => this.#read(task));
  }

  async update(taskId: string, guard: Guard, patch: Patch): Promise<UpdateOutcome> {
    const entry = this.#storage.find(taskId);
    if (!entry) return { applied: false, task: undefined };
    if (!guardHolds(entry.task, guard, this.#storage.clock.now()))
      return { applied: false, task: this.#read(entry.task) };
    return { applied: true, task: this.#apply(entry, patch) };
  }

  async list({ scope, after, limit }: ListQuery): Promise<StoredTask[]> {
    const page: StoredTask[] = [];
    for (const task of this.#storage.inOrder(scope, after ?? 0)) {
      if (page.push(this.#read(task)) === limit) break;
    }
    return page;
  }

  async claim({ names, durationMs }: ClaimQuery): Promise<StoredTask | undefined> {
    const entry = this.#storage.firstClaimable(names);
    if (!entry) return undefined;
    this.#apply(entry, { lease: { action: "take", durationMs } });
    return { ...entry.task };
  }

  async deleteExpired(limit: number): Promise<number> {
    return this.#storage.deleteExpired(limit) + this.#storage.messages.deleteExpired(limit, this.#storage.clock.now());
  }

  async push(taskId: string, message: string, maxSize: number | null, ttl: number): Promise<PushOutcome> {
    const now = this.#storage.clock.now();
    return this.#storage.messages.push(taskId, message, maxSize, now + ttl, now);
  }

  async shift(taskId: string, limit: number | null): Promise<string[]> {
    return this.#storage.messages.shift(taskId, limit, this.#storage.clock.now());
  }

  async listen(onChange: (taskId: string) => void): Promise<() => Promise<void>> {
    const stop = this.#storage.listen(onChange);
    this.#stops.add(stop);
    return async () => {
      this.#stops.delete(stop);
      stop();
    };
  }

  async close(): Promise<void> {
    for (const stop of this.#stops) stop();
  }

  #apply(entry: Entry, patch: Patch): StoredTask {
    const task = applyPatch(entry.task, patch, this.#storage.clock.now());
    this.#storage.replace(entry, task);
    return withPayloads(task);
  }

  #read(task: StoredTask, payloads?: readonly PayloadField[]): StoredTask {
    return withPayloads(task, payloads, this.#storage.clock.now());
  }
}

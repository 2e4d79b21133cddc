import type { PayloadField, TaskBackend } from "./backend.ts";
import { ChangeHub } from "./change-hub.ts";
import type * as contract from "./contract.ts";
import type { Lease, OwnerOptions, TaskOutcome, TaskSnapshot, WriteOptions } from "./contract.ts";
import { inserted, newTask } from "./creation.ts";
import { decodeCursor, encodeCursor } from "./cursor.ts";
import { Engine, toSnapshot, toTask, type WriteGuard } from "./engine.ts";
import { cannotCancel, cannotStoreResult, cannotUpdate, expired } from "./errors.ts";
import { Inputs } from "./inputs.ts";
import { Leases } from "./leases.ts";
import { BackendMessageQueue, type TaskMessageQueue } from "./message-queue.ts";
import { changePatch, outcomePatch, resultOf } from "./outcomes.ts";
import { toRecord } from "./record.ts";
import { checkNumber, settingsOf } from "./settings.ts";
import { Sweeper } from "./sweeper.ts";
import type { Request, RequestId, Result, Task, TaskStatus } from "./task.ts";
import { Waiting } from "./waiting.ts";

const ALL_PAYLOADS: readonly PayloadField[] = ["request", "inputs", "checkpoint", "outcome"];

/** The rules of tasks over any backend: every adapter's store is one of these. The contract has the documentation. */
export class DurableTaskStore implements contract.TaskStore {
  readonly messages: TaskMessageQueue;
  readonly #engine: Engine;
  readonly #hub: ChangeHub;
  readonly #waiting: Waiting;
  readonly #inputs: Inputs;
  readonly #leases: Leases;
  readonly #sweeper: Sweeper;
  readonly #maxBytes: number;

  /** @throws TaskStoreError `INVALID_ARGUMENT` for an option that cannot be right */
  constructor(backend: TaskBackend, options: contract.TaskStoreOptions = {}) {
    const settings = settingsOf(options);
    this.#maxBytes = settings.limits.payloadBytes;
    this.#engine = new Engine(backend, settings, () => this.#sweeper.start());
    this.#hub = new ChangeHub(this.#engine);
    this.#waiting = new Waiting(this.#engine, this.#hub);
    this.#inputs = new Inputs(this.#engine, this.#waiting);
    this.#leases = new Leases(this.#engine);
    this.#sweeper = new Sweeper(this.#engine);
    this.messages = new BackendMessageQueue(this.#engine);
  }

  get capabilities(): TaskBackend["capabilities"] {
    return this.#engine.capabilities;
  }

  async createTask(
    options: contract.CreateTaskOptions,
    requestId: RequestId,
    request: Request,
    caller?: contract.Caller,
  ): Promise<Task> {
    const { settings } = this.#engine;
    const owner = this.#engine.callerScope(caller)?.owner ?? null;
    const task = newTask(options, requestId, request, owner, settings);
    const outcome = await this.#engine.call((backend) => backend.insert(task, settings.limits));
    return toTask(inserted(task.taskId, outcome, settings.limits));
  }

  async getTask(taskId: string, caller?: contract.Caller): Promise<Task | null> {
    const task = await this.#engine.read(taskId, this.#engine.callerScope(caller));
    return task ? toTask(task) : null;
  }

  async storeTaskResult(
    taskId: string,
    status: "completed" | "failed",
    result: Result,
    caller?: contract.Caller,
  ): Promise<void> {
    await this.#finish(taskId, { status, result }, { scope: this.#engine.callerScope(caller) });
  }

  async getTaskResult(taskId: string, caller?: contract.Caller): Promise<Result> {
    return resultOf(taskId, await this.#engine.read(taskId, this.#engine.callerScope(caller), ["outcome"]));
  }

  async updateTaskStatus(
    taskId: string,
    status: TaskStatus,
    statusMessage?: string,
    caller?: contract.Caller,
  ): Promise<void> {
    await this.#update(taskId, { status, statusMessage }, { scope: this.#engine.callerScope(caller) });
  }

  async listTasks(cursor?: string, caller?: contract.Caller): Promise<{ tasks: Task[]; nextCursor?: string }> {
    const scope = this.#engine.callerScope(caller);
    const { storeId } = await this.#engine.open();
    const after = cursor === undefined ? null : decodeCursor(storeId, scope, cursor);
    const { pageSize } = this.#engine.settings;
    // One more than the page, to know whether another page follows.
    const found = await this.#engine.call((backend) => backend.list({ scope, after, limit: pageSize + 1 }));
    const tasks = found.slice(0, pageSize);
    const last = found.length > pageSize ? tasks.at(-1) : undefined;
    return { tasks: tasks.map(toTask), ...(last ? { nextCursor: encodeCursor(storeId, scope, last.position) } : {}) };
  }

  async getRecord(taskId: string, options: OwnerOptions = {}): Promise<contract.TaskRecord | null> {
    const task = await this.#engine.read(taskId, this.#engine.scope(options.owner), ALL_PAYLOADS);
    return task ? toRecord(task) : null;
  }

  updateTask(taskId: string, change: contract.TaskChange, options: WriteOptions = {}): Promise<TaskSnapshot> {
    return this.#guarded(options, (guard) => this.#update(taskId, change, guard));
  }

  finishTask(taskId: string, outcome: TaskOutcome, options: WriteOptions = {}): Promise<TaskSnapshot> {
    return this.#guarded(options, (guard) => this.#finish(taskId, outcome, guard));
  }

  async cancelTask(taskId: string, options: OwnerOptions & { statusMessage?: string | undefined } = {}): Promise<Task> {
    const { statusMessage = "The task was cancelled." } = options;
    const patch = changePatch(taskId, { status: "cancelled", statusMessage }, this.#maxBytes);
    const guard = { scope: this.#engine.scope(options.owner) };
    return toTask(await this.#engine.write(taskId, guard, patch, (at) => cannotCancel(taskId, at)));
  }

  requestInputs(
    taskId: string,
    requests: Record<string, contract.InputRequest>,
    options: WriteOptions = {},
  ): Promise<TaskSnapshot> {
    return this.#inputs.request(taskId, requests, options);
  }

  provideInputs(taskId: string, responses: Record<string, unknown>, options: OwnerOptions = {}): Promise<string[]> {
    return this.#inputs.provide(taskId, responses, options);
  }

  awaitInput(taskId: string, key: string, options: contract.WaitOptions = {}): Promise<unknown> {
    return this.#inputs.await(taskId, key, options);
  }

  waitForTask(taskId: string, options: contract.WaitForTaskOptions = {}): Promise<TaskSnapshot> {
    return this.#waiting.forTask(taskId, options);
  }

  async waitForResult(taskId: string, options: contract.WaitOptions = {}): Promise<Result> {
    await this.#waiting.forTask(taskId, { ...options, until: "terminal", after: 0 });
    const task = await this.#engine.read(taskId, this.#engine.scope(options.owner), ["outcome"]);
    if (!task) throw expired(taskId);
    return resultOf(taskId, task);
  }

  subscribe(listener: (event: TaskSnapshot) => void, options: contract.SubscribeOptions = {}): Promise<() => void> {
    return this.#waiting.subscribe(listener, options);
  }

  acquireLease(taskId: string, options: OwnerOptions & { durationMs?: number | undefined } = {}): Promise<Lease> {
    return this.#leases.acquire(taskId, options);
  }

  renewLease(lease: Lease): Promise<void> {
    return this.#leases.renew(lease);
  }

  releaseLease(lease: Lease): Promise<void> {
    return this.#leases.release(lease);
  }

  claimTask(options: {
    names: readonly string[];
    durationMs?: number | undefined;
  }): Promise<contract.ClaimedTask | null> {
    return this.#leases.claim(options);
  }

  async deleteExpired(options: { limit?: number | undefined } = {}): Promise<number> {
    const limit = Math.ceil(checkNumber("limit", options.limit ?? 1000, 1));
    return this.#engine.call((backend) => backend.deleteExpired(limit));
  }

  async close(): Promise<void> {
    this.#sweeper.stop();
    const closing = this.#engine.close();
    this.#hub.close();
    await closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #guarded(
    options: WriteOptions,
    write: (guard: WriteGuard) => ReturnType<Engine["write"]>,
  ): Promise<TaskSnapshot> {
    return toSnapshot(await write({ scope: this.#engine.scope(options.owner), lease: options.lease }));
  }

  #update(taskId: string, change: contract.TaskChange, guard: WriteGuard): ReturnType<Engine["write"]> {
    const patch = changePatch(taskId, change, this.#maxBytes);
    return this.#engine.write(taskId, guard, patch, (at) => cannotUpdate(taskId, at, change.status));
  }

  #finish(taskId: string, outcome: TaskOutcome, guard: WriteGuard): ReturnType<Engine["write"]> {
    const patch = outcomePatch(taskId, outcome, this.#maxBytes);
    return this.#engine.write(taskId, guard, patch, (at) => cannotStoreResult(taskId, at));
  }
}

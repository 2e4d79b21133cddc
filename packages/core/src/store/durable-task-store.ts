import { type Answer, isLater } from "../backend/answer.ts";
import type { Caps, InsertOutcome, NewTask, TaskBackend } from "../backend/task-backend.ts";
import type { Codec } from "../codec/codec.ts";
import { encodedTask, withCodec } from "../codec/with-codec.ts";
import {
  CANCEL_OPTIONS,
  CHANGES,
  DELETE_OPTIONS,
  GET_RECORD_OPTIONS,
  OUTCOMES,
  WAIT_FOR_TASK_OPTIONS,
  WAIT_OPTIONS,
  WRITE_OPTIONS,
} from "../contract/call-options.ts";
import { cannotCancel, cannotStoreResult, cannotUpdate, notWithCodec } from "../contract/errors.ts";
import type { TaskEvents } from "../contract/events.ts";
import type { TaskMessageQueue } from "../contract/messages.ts";
import type { TaskOperations } from "../contract/operations.ts";
import { checkOptions } from "../contract/option-checks.ts";
import type {
  CancelTaskOptions,
  ClaimTaskOptions,
  ClaimTasksOptions,
  CreateTaskOptions,
  GetRecordOptions,
  LeaseOptions,
  NewTaskOptions,
  ReleaseOptions,
  RenewOptions,
  SubscribeOptions,
  TaskStoreOptions,
  WaitForTaskOptions,
  WaitOptions,
  WriteOptions,
} from "../contract/options.ts";
import type { Caller, OwnerOptions } from "../contract/owner.ts";
import type {
  ClaimedTask,
  InputRequest,
  Lease,
  RecordField,
  TaskChange,
  TaskOutcome,
  TaskRecordWith,
  TaskSnapshot,
  TaskSteps,
} from "../contract/record.ts";
import type { CreatedTask, Request, RequestId, Result, Task, TaskStatus } from "../contract/task.ts";
import type { TaskStore, TransactionalWrites } from "../contract/task-store.ts";
import { keptAlive } from "../process/keep-alive.ts";
import { BackendGateway, type WriteGuard } from "./backend-gateway.ts";
import { ChangeHub } from "./change-hub.ts";
import { Creation } from "./creation.ts";
import { decodeCursor, encodeCursor } from "./cursor.ts";
import { Events } from "./events.ts";
import { Inputs } from "./inputs.ts";
import { Leases } from "./leases.ts";
import { BackendMessageQueue } from "./message-queue.ts";
import { Operations } from "./operations/operations.ts";
import { changePatch, outcomePatch, resultOf } from "./patches.ts";
import { payloadsOf, toRecord } from "./record.ts";
import { settingsOf } from "./settings.ts";
import { toSnapshot, toTask } from "./snapshot.ts";
import { readSteps } from "./steps.ts";
import { deleteExpired, Sweeper } from "./sweeper.ts";
import { traceMethods } from "./traced-methods.ts";
import { Waiting } from "./waiting.ts";

/**
 * Applies the rules of tasks to any backend. The stores of all adapters extend it. `TaskStore`
 * documents the methods.
 * @example
 * const options = { limits: { activeTasks: 10_000 } };
 * const store = new DurableTaskStore(new MyBackend(), options);
 */
export class DurableTaskStore implements TaskStore {
  readonly messages: TaskMessageQueue;
  readonly operations: TaskOperations;
  readonly events: TaskEvents;
  readonly #codec: Codec | undefined;
  readonly #gateway: BackendGateway;
  readonly #creation: Creation;
  readonly #hub: ChangeHub;
  readonly #waiting: Waiting;
  readonly #inputs: Inputs;
  readonly #leases: Leases;
  readonly #sweeper: Sweeper;

  /** @throws TaskStoreError `INVALID_ARGUMENT` for an invalid option */
  constructor(backend: TaskBackend, options: TaskStoreOptions = {}) {
    const settings = settingsOf(options);
    const { codec } = settings;
    this.#codec = codec;
    this.#gateway = new BackendGateway(codec ? withCodec(backend, codec) : backend, settings, () =>
      this.#sweeper.start(),
    );
    this.#creation = new Creation(this.#gateway);
    this.#hub = new ChangeHub(this.#gateway);
    this.#waiting = new Waiting(this.#gateway, this.#hub);
    this.#inputs = new Inputs(this.#gateway, this.#waiting);
    this.#leases = new Leases(this.#gateway);
    this.#sweeper = new Sweeper(this.#gateway);
    this.messages = new BackendMessageQueue(this.#gateway);
    const events = new Events(this.#gateway, this.#hub);
    this.events = events;
    this.operations = new Operations(this.#gateway, this.#inputs, events, codec && { backend, codec });
  }

  get capabilities(): TaskBackend["capabilities"] {
    return this.#gateway.capabilities;
  }

  createTask(task: NewTaskOptions & { dedupeKey: string }): Promise<CreatedTask>;
  createTask(task: NewTaskOptions): Promise<Task>;
  createTask(options: CreateTaskOptions, requestId: RequestId, request: Request, caller?: Caller): Promise<Task>;
  async createTask(
    options: NewTaskOptions | CreateTaskOptions,
    requestId?: RequestId,
    request?: Request,
    caller?: Caller,
  ): Promise<Task> {
    if (request !== undefined || requestId !== undefined)
      return this.#creation.create(options, requestId, request as Request, caller);
    const [own, id, sent, owner] = this.#creation.argumentsOf(options as NewTaskOptions);
    return this.createTask(own, id as RequestId, sent, owner);
  }

  /**
   * For adapters: creates tasks by another insert than the backend's, such as one in a transaction
   * of the application.
   */
  protected creatingBy(insert: (task: NewTask, caps: Caps) => Answer<InsertOutcome>): TransactionalWrites {
    const codec = this.#codec;
    const encoding: typeof insert = async (task, caps) => insert(codec ? await encodedTask(codec, task) : task, caps);
    return { createTask: (task) => this.#creation.by(task, codec ? encoding : insert) };
  }

  /**
   * The same for an insert that is over when it returns. It throws where `createTask` rejects.
   * @throws TaskStoreError `NOT_SUPPORTED` beside the option `codec`, which takes its time
   */
  protected creatingNow(insert: (task: NewTask, caps: Caps) => InsertOutcome): TransactionalWrites<Task> {
    if (this.#codec) throw notWithCodec();
    return { createTask: (task) => this.#creation.now(task, insert) };
  }

  async getTask(taskId: string, caller?: Caller): Promise<Task | null> {
    const found = this.#gateway.read(taskId, this.#gateway.callerScope(caller));
    const task = isLater(found) ? await found : found;
    return task ? toTask(task) : null;
  }

  async storeTaskResult(
    taskId: string,
    status: "completed" | "failed",
    result: Result,
    caller?: Caller,
  ): Promise<void> {
    const written = this.#finish(taskId, { status, result }, { scope: this.#gateway.callerScope(caller) });
    if (isLater(written)) await written;
  }

  async getTaskResult(taskId: string, caller?: Caller): Promise<Result> {
    const found = this.#gateway.read(taskId, this.#gateway.callerScope(caller), ["outcome"]);
    return resultOf(taskId, isLater(found) ? await found : found);
  }

  async updateTaskStatus(taskId: string, status: TaskStatus, statusMessage?: string, caller?: Caller): Promise<void> {
    const written = this.#update(taskId, { status, statusMessage }, { scope: this.#gateway.callerScope(caller) });
    if (isLater(written)) await written;
  }

  async listTasks(cursor?: string, caller?: Caller): Promise<{ tasks: Task[]; nextCursor?: string }> {
    const scope = this.#gateway.callerScope(caller);
    const { storeId } = await this.#gateway.open();
    const after = cursor === undefined ? null : decodeCursor(storeId, scope, cursor);
    const { pageSize } = this.#gateway.settings;
    // One task more than a page, to know whether another page follows.
    const found = await this.#gateway.call((backend) => backend.list({ scope, after, limit: pageSize + 1 }));
    const tasks = found.slice(0, pageSize);
    const last = found.length > pageSize ? tasks.at(-1) : undefined;
    return { tasks: tasks.map(toTask), ...(last ? { nextCursor: encodeCursor(storeId, scope, last.position) } : {}) };
  }

  async getRecord<Field extends RecordField = RecordField>(
    taskId: string,
    options: GetRecordOptions<Field> = {},
  ): Promise<TaskRecordWith<Field> | null> {
    checkOptions("getRecord", options, GET_RECORD_OPTIONS);
    const { owner, fields } = options;
    const task = await this.#gateway.read(taskId, this.#gateway.scope(owner), payloadsOf(fields));
    return task ? toRecord(task, fields) : null;
  }

  async updateTask(taskId: string, change: TaskChange, options: WriteOptions = {}): Promise<TaskSnapshot> {
    checkOptions("updateTask", options, WRITE_OPTIONS);
    checkOptions("updateTask", change, CHANGES);
    return toSnapshot(await this.#update(taskId, change, this.#guard(options)));
  }

  async finishTask(taskId: string, outcome: TaskOutcome, options: WriteOptions = {}): Promise<TaskSnapshot> {
    checkOptions("finishTask", options, WRITE_OPTIONS);
    checkOptions("finishTask", outcome, OUTCOMES);
    return toSnapshot(await this.#finish(taskId, outcome, this.#guard(options)));
  }

  async cancelTask(taskId: string, options: CancelTaskOptions = {}): Promise<TaskSnapshot> {
    checkOptions("cancelTask", options, CANCEL_OPTIONS);
    const { statusMessage = "The task was cancelled." } = options;
    const patch = changePatch(taskId, { status: "cancelled", statusMessage }, this.#gateway.encode);
    const guard = { scope: this.#gateway.scope(options.owner) };
    return toSnapshot(await this.#gateway.write(taskId, guard, patch, (at) => cannotCancel(taskId, at)));
  }

  requestInputs(
    taskId: string,
    requests: Record<string, InputRequest>,
    options: WriteOptions = {},
  ): Promise<TaskSnapshot> {
    return this.#inputs.request(taskId, requests, options);
  }

  provideInputs(taskId: string, responses: Record<string, unknown>, options: OwnerOptions = {}): Promise<string[]> {
    return this.#inputs.provide(taskId, responses, options);
  }

  awaitInput(taskId: string, key: string, options: WaitOptions = {}): Promise<unknown> {
    return this.#inputs.await(taskId, key, options);
  }

  async waitForTask<Field extends RecordField = never>(
    taskId: string,
    options: WaitForTaskOptions<Field> = {},
  ): Promise<TaskRecordWith<Field>> {
    checkOptions("waitForTask", options, WAIT_FOR_TASK_OPTIONS);
    const { fields = [] } = options;
    return toRecord(await this.#waiting.forTask(taskId, options, payloadsOf(fields)), fields);
  }

  async waitForResult(taskId: string, options: WaitOptions = {}): Promise<Result> {
    checkOptions("waitForResult", options, WAIT_OPTIONS);
    return resultOf(taskId, await this.#waiting.until(taskId, options, ["outcome"], () => false));
  }

  subscribe(listener: (event: TaskSnapshot) => void, options: SubscribeOptions = {}): Promise<() => void> {
    return this.#waiting.subscribe(listener, options);
  }

  acquireLease(taskId: string, options: OwnerOptions & LeaseOptions = {}): Promise<Lease> {
    return this.#leases.acquire(taskId, options);
  }

  renewLease(lease: Lease, options: RenewOptions = {}): Promise<void> {
    return this.#leases.renew(lease, options);
  }

  releaseLease(lease: Lease, options: ReleaseOptions = {}): Promise<void> {
    return this.#leases.release(lease, options);
  }

  readSteps(taskId: string, options: OwnerOptions = {}): Promise<TaskSteps> {
    return readSteps(this.#gateway, taskId, options);
  }

  claimTask(options: ClaimTaskOptions): Promise<ClaimedTask | null> {
    return this.#leases.claim(options);
  }

  claimTasks(options: ClaimTasksOptions): Promise<ClaimedTask[]> {
    return this.#leases.claimMany(options);
  }

  watchClaimable(listener: (name: string | undefined) => void): Promise<() => void> {
    return this.#waiting.claimable(listener);
  }

  async deleteExpired(options: { limit?: number | undefined } = {}): Promise<number> {
    checkOptions("deleteExpired", options, DELETE_OPTIONS);
    return deleteExpired(this.#gateway, Math.ceil(options.limit ?? 1000));
  }

  async close(): Promise<void> {
    this.#sweeper.stop();
    const closing = this.#gateway.close();
    this.#hub.close();
    await keptAlive(closing);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #guard({ owner, lease }: WriteOptions): WriteGuard {
    return { scope: this.#gateway.scope(owner), lease };
  }

  #update(taskId: string, change: TaskChange, guard: WriteGuard): ReturnType<BackendGateway["write"]> {
    const patch = changePatch(taskId, change, this.#gateway.encode);
    return this.#gateway.write(taskId, guard, patch, (at) => cannotUpdate(taskId, at, change.status));
  }

  #finish(taskId: string, outcome: TaskOutcome, guard: WriteGuard): ReturnType<BackendGateway["write"]> {
    const patch = outcomePatch(taskId, outcome, this.#gateway.encode);
    return this.#gateway.write(taskId, guard, patch, (at) => cannotStoreResult(taskId, at));
  }
}

traceMethods(DurableTaskStore.prototype);

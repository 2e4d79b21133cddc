import { type Answer, isLater } from "../backend/answer.ts";
import type { Caps, InsertOutcome, NewTask } from "../backend/task-backend.ts";
import { CREATE_OPTIONS, NEW_TASK_OPTIONS } from "../contract/call-options.ts";
import { invalid, storeClosed } from "../contract/errors.ts";
import { checkOptions, pickOptions } from "../contract/option-checks.ts";
import type { CreateTaskOptions, NewTaskOptions } from "../contract/options.ts";
import { ANY_OWNER, type Caller } from "../contract/owner.ts";
import type { CreatedTask, Request, RequestId, Task } from "../contract/task.ts";
import type { BackendGateway } from "./backend-gateway.ts";
import { createOnce } from "./dedupe.ts";
import { inserted, newTask, requestOf } from "./new-task.ts";
import { toTask } from "./snapshot.ts";
import { tracedCreation, tracedCreationNow } from "./traced-methods.ts";

/** The arguments of `createTask` as SDK 1.x gives them. */
export type CreateArguments = [
  options: CreateTaskOptions,
  requestId: RequestId | undefined,
  request: Request,
  caller?: Caller,
];

/** Creates tasks. */
export class Creation {
  readonly #gateway: BackendGateway;

  constructor(gateway: BackendGateway) {
    this.#gateway = gateway;
  }

  /** The arguments of the SDK for a call that people make. @throws `INVALID_ARGUMENT` */
  argumentsOf(given: NewTaskOptions): CreateArguments {
    checkOptions("createTask", given, NEW_TASK_OPTIONS);
    return [pickOptions(given, CREATE_OPTIONS), given.requestId, requestOf(given), { owner: given.owner }];
  }

  async create(...call: CreateArguments): Promise<Task> {
    const [options] = call;
    checkOptions("createTask", options, CREATE_OPTIONS);
    if (options.dedupeKey !== undefined) return this.#once(...call);
    const { limits } = this.#gateway.settings;
    const task = this.#newTask(...call);
    const answer = this.#gateway.call((backend) => backend.insert(task, limits));
    const outcome = isLater(answer) ? await answer : answer;
    return toTask(inserted(task.taskId, outcome, limits));
  }

  /** Creates a task by another insert than the backend's. */
  async by(given: NewTaskOptions, insert: (task: NewTask, caps: Caps) => Answer<InsertOutcome>): Promise<Task> {
    const [options, requestId, request, caller] = this.#inTransaction(given);
    const { limits } = this.#gateway.settings;
    return tracedCreation(options, request, async (sent) => {
      const task = this.#newTask(options, requestId, sent, caller);
      const outcome = await this.#gateway.call(() => insert(task, limits));
      return toTask(inserted(task.taskId, outcome, limits));
    });
  }

  /** The same for an insert that is over when it returns. It throws where `by` rejects. */
  now(given: NewTaskOptions, insert: (task: NewTask, caps: Caps) => InsertOutcome): Task {
    const [options, requestId, request, caller] = this.#inTransaction(given);
    if (this.#gateway.closed) throw storeClosed();
    const { limits } = this.#gateway.settings;
    return tracedCreationNow(options, request, (sent) => {
      const task = this.#newTask(options, requestId, sent, caller);
      return toTask(inserted(task.taskId, insert(task, limits), limits));
    });
  }

  #inTransaction(given: NewTaskOptions): CreateArguments {
    if (given.dedupeKey !== undefined)
      throw invalid("A creation in a transaction takes no dedupeKey: let a row of that transaction be unique");
    return this.argumentsOf(given);
  }

  async #once(...[options, requestId, request, caller]: CreateArguments): Promise<CreatedTask> {
    const { task, created } = await createOnce(this.#gateway, options, this.#ownerOf(caller), request, (taskId) =>
      this.#newTask({ ...options, taskId }, requestId, request, caller),
    );
    return { ...toTask(task), created };
  }

  /** The task to insert, after all checks. */
  #newTask(...[options, requestId, request, caller]: CreateArguments): NewTask {
    return newTask(options, requestId, request, this.#ownerOf(caller), this.#gateway.settings, this.#gateway.encode);
  }

  #ownerOf(caller: Caller | undefined): string | null {
    if (typeof caller === "object" && caller?.owner === ANY_OWNER)
      throw invalid("createTask needs one owner, or none: ANY_OWNER is for calls that see the tasks of all owners");
    return this.#gateway.callerScope(caller)?.owner ?? null;
  }
}

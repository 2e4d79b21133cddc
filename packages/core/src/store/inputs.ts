import { isDeepStrictEqual } from "node:util";
import type { StoredTask } from "../backend/stored-task.ts";
import type { OwnerScope } from "../backend/task-backend.ts";
import { OWNER_OPTIONS, WAIT_OPTIONS, WRITE_OPTIONS } from "../contract/call-options.ts";
import { cannotUpdate, invalid, isTaskStoreError, leaseLost, notFound, refusedUnchanged } from "../contract/errors.ts";
import { decodeJson, decodePayload, encodeJson } from "../contract/json.ts";
import { checkOptions } from "../contract/option-checks.ts";
import type { WaitOptions, WriteOptions } from "../contract/options.ts";
import type { OwnerOptions } from "../contract/owner.ts";
import type { InputRequest, TaskSnapshot } from "../contract/record.ts";
import { isTerminal } from "../contract/task.ts";
import { deadline, onAbort, timedOut } from "../process/aborts.ts";
import type { BackendGateway } from "./backend-gateway.ts";
import { toSnapshot } from "./snapshot.ts";
import { timeoutMsOf, type Waiting } from "./waiting.ts";

/**
 * A question as it is stored. Questions are a list in the order of asking, so no key can clash with
 * a property that objects inherit.
 */
interface Input {
  key: string;
  request: InputRequest;
  response?: unknown;
}

const isOpen = (input: Input) => input.response === undefined;

function inputsOf(task: StoredTask): Input[] {
  return task.inputs == null ? [] : decodePayload<Input[]>(task.inputs);
}

/** The questions without an answer, by key. */
export function openRequests(task: StoredTask): Record<string, InputRequest> {
  if (isTerminal(task.status)) return {};
  return Object.fromEntries(
    inputsOf(task)
      .filter(isOpen)
      .map(({ key, request }) => [key, request]),
  );
}

/**
 * Questions to the requestor. They are rare, so a write reads the task, computes the change, and
 * writes under the revision. If another write came between, it starts again.
 */
export class Inputs {
  readonly #gateway: BackendGateway;
  readonly #waiting: Waiting;

  constructor(gateway: BackendGateway, waiting: Waiting) {
    this.#gateway = gateway;
    this.#waiting = waiting;
  }

  async request(taskId: string, requests: Record<string, InputRequest>, options: WriteOptions): Promise<TaskSnapshot> {
    checkOptions("requestInputs", options, WRITE_OPTIONS);
    // Through JSON, as it will be stored, so that the same question equals this one after a
    // restart.
    if (typeof requests !== "object" || requests === null)
      throw invalid("The input requests must be an object", taskId);
    const asked = Object.entries(
      decodeJson<Record<string, InputRequest>>(encodeJson(requests, "input request", this.#maxBytes)),
    );
    if (asked.length === 0) throw invalid("requestInputs needs at least one request", taskId);
    for (const [, request] of asked) {
      if (typeof request?.method !== "string") throw invalid("An input request needs a method", taskId);
    }
    const scope = this.#gateway.scope(options.owner);
    return toSnapshot(
      await this.#change(taskId, scope, options, (task, inputs) => {
        if (options.lease && options.lease.token !== task.leaseToken) throw leaseLost(taskId);
        if (isTerminal(task.status)) throw cannotUpdate(taskId, task.status, "input_required");
        const known = new Map(inputs.map((input) => [input.key, input]));
        for (const [key, request] of asked) {
          const input = known.get(key);
          if (!input) inputs.push({ key, request });
          else if (!isDeepStrictEqual(input.request, request))
            throw invalid(
              "The input key already has another request: use a new key for each question of a task",
              taskId,
            );
        }
        return { changed: inputs.length > known.size, inputs };
      }),
    );
  }

  async provide(taskId: string, responses: Record<string, unknown>, options: OwnerOptions): Promise<string[]> {
    checkOptions("provideInputs", options, OWNER_OPTIONS);
    return this.provideAs(this.#gateway.scope(options.owner), taskId, responses);
  }

  async provideAs(scope: OwnerScope, taskId: string, responses: Record<string, unknown>): Promise<string[]> {
    if (typeof responses !== "object" || responses === null) throw invalid("The answers must be an object", taskId);
    const answers = new Map(Object.entries(responses));
    for (const answer of answers.values())
      if (answer === undefined) throw invalid("An answer must not be undefined", taskId);
    encodeJson(responses, "input response", this.#maxBytes);
    let taken: string[] = [];
    await this.#change(taskId, scope, {}, (task, inputs) => {
      const open = isTerminal(task.status) ? [] : inputs.filter((input) => isOpen(input) && answers.has(input.key));
      taken = open.map((input) => input.key);
      for (const input of open) input.response = answers.get(input.key);
      return { changed: open.length > 0, inputs };
    });
    return taken;
  }

  async await(taskId: string, key: string, options: WaitOptions): Promise<unknown> {
    checkOptions("awaitInput", options, WAIT_OPTIONS);
    // One time limit for all the waits of this call.
    const limit = new AbortController();
    const cancel = deadline(timeoutMsOf(options.timeoutMs), () => limit.abort(timedOut()));
    const forget = onAbort(options.signal, (reason) => limit.abort(reason));
    try {
      return await this.#answer(taskId, key, { ...options, signal: limit.signal, timeoutMs: undefined });
    } finally {
      cancel();
      forget();
    }
  }

  get #maxBytes(): number {
    return this.#gateway.settings.limits.payloadBytes;
  }

  async #answer(taskId: string, key: string, options: WaitOptions): Promise<unknown> {
    let revision = 0;
    for (;;) {
      const after = revision;
      const task = await this.#waiting.until(taskId, options, ["inputs"], (at) => at.revision > after, after > 0);
      const input = inputsOf(task).find((candidate) => candidate.key === key);
      if (!input) throw invalid("The task has no input request under this key: call requestInputs first", taskId);
      if (input.response !== undefined) return input.response;
      if (isTerminal(task.status)) throw cannotUpdate(taskId, task.status, "working");
      revision = task.revision;
    }
  }

  async #read(taskId: string, scope: OwnerScope): Promise<StoredTask> {
    const task = await this.#gateway.read(taskId, scope, ["inputs"]);
    if (!task) throw notFound(taskId);
    return task;
  }

  /**
   * Repeats until no other write comes between reading and writing. Each other write raises the
   * revision. A backend that refuses a write although the revision is the same would keep this loop
   * busy for ever, so that is an error.
   */
  async #change(
    taskId: string,
    scope: OwnerScope,
    { lease }: WriteOptions,
    compute: (task: StoredTask, inputs: Input[]) => { changed: boolean; inputs: Input[] },
  ): Promise<StoredTask> {
    for (let refusedAt = 0; ; ) {
      const task = await this.#read(taskId, scope);
      const { changed, inputs } = compute(task, inputsOf(task));
      if (!changed) return task;
      if (task.revision <= refusedAt) throw refusedUnchanged(taskId);
      const status = inputs.some(isOpen) ? "input_required" : "working";
      const patch = { inputs: this.#gateway.encode(inputs, "inputs of the task"), status } as const;
      try {
        const written = await this.#gateway.writeAt(task.revision, taskId, { scope, lease }, patch, (at) =>
          cannotUpdate(taskId, at, status),
        );
        if (written) return written;
      } catch (error) {
        // The task became terminal after it was read. The next round handles that.
        if (!isTaskStoreError(error, "TASK_TERMINAL")) throw error;
      }
      refusedAt = task.revision;
    }
  }
}

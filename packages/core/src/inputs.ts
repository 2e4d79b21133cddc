import { isDeepStrictEqual } from "node:util";
import type { OwnerScope, StoredTask } from "./backend.ts";
import type { InputRequest, OwnerOptions, TaskSnapshot, WaitOptions, WriteOptions } from "./contract.ts";
import { type Engine, toSnapshot } from "./engine.ts";
import { cannotUpdate, expired, invalid, isTaskStoreError, leaseLost, notFound } from "./errors.ts";
import { decodeJson, encodeJson } from "./json.ts";
import { isTerminal } from "./task.ts";
import type { Waiting } from "./waiting.ts";

/** As stored: a list, in order of asking, so that no key can clash with what objects inherit. */
interface Input {
  key: string;
  request: InputRequest;
  response?: unknown;
}

const isOpen = (input: Input) => input.response === undefined;

function inputsOf(task: StoredTask): Input[] {
  return task.inputs == null ? [] : decodeJson<Input[]>(task.inputs);
}

/** Questions without an answer, by key. */
export function openRequests(task: StoredTask): Record<string, InputRequest> {
  if (isTerminal(task.status)) return {};
  return Object.fromEntries(
    inputsOf(task)
      .filter(isOpen)
      .map(({ key, request }) => [key, request]),
  );
}

/** Questions to the requestor. They are rare, so: read, compute, write under the revision, and again if that was passed. */
export class Inputs {
  readonly #engine: Engine;
  readonly #waiting: Waiting;

  constructor(engine: Engine, waiting: Waiting) {
    this.#engine = engine;
    this.#waiting = waiting;
  }

  async request(taskId: string, requests: Record<string, InputRequest>, options: WriteOptions): Promise<TaskSnapshot> {
    // Through JSON, as it will be stored: what is asked again after a restart has to compare equal.
    if (typeof requests !== "object" || requests === null)
      throw invalid("The input requests must be an object", taskId);
    const asked = Object.entries(
      decodeJson<Record<string, InputRequest>>(encodeJson(requests, "input request", this.#maxBytes)),
    );
    if (asked.length === 0) throw invalid("requestInputs needs at least one request", taskId);
    for (const [, request] of asked) {
      if (typeof request?.method !== "string") throw invalid("An input request needs a method", taskId);
    }
    const scope = this.#engine.scope(options.owner);
    return toSnapshot(
      await this.#change(taskId, scope, options, (task, inputs) => {
        if (options.lease && options.lease.token !== task.leaseToken) throw leaseLost(taskId);
        if (isTerminal(task.status)) throw cannotUpdate(taskId, task.status, "input_required");
        const known = new Map(inputs.map((input) => [input.key, input]));
        for (const [key, request] of asked) {
          const input = known.get(key);
          if (!input) inputs.push({ key, request });
          else if (!isDeepStrictEqual(input.request, request))
            throw invalid("An input key is used once in a task's life; this one had another request", taskId);
        }
        return { changed: inputs.length > known.size, inputs };
      }),
    );
  }

  async provide(taskId: string, responses: Record<string, unknown>, options: OwnerOptions): Promise<string[]> {
    if (typeof responses !== "object" || responses === null) throw invalid("The answers must be an object", taskId);
    const answers = new Map(Object.entries(responses));
    for (const answer of answers.values())
      if (answer === undefined) throw invalid("An answer must not be undefined", taskId);
    encodeJson(responses, "input response", this.#maxBytes);
    const scope = this.#engine.scope(options.owner);
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
    const { owner, signal, timeoutMs } = options;
    const scope = this.#engine.scope(owner);
    const started = performance.now();
    let revision = 0;
    for (;;) {
      const left = timeoutMs === undefined ? {} : { timeoutMs: Math.max(0, timeoutMs - (performance.now() - started)) };
      const after = revision;
      const { status } = await this.#waiting.until(
        taskId,
        { owner, signal, ...left },
        (task) => task.revision > after,
        after > 0,
      );
      const task = await this.#engine.read(taskId, scope, ["inputs"]);
      if (!task) throw expired(taskId);
      const input = inputsOf(task).find((candidate) => candidate.key === key);
      if (!input) throw invalid("No input was requested under this key", taskId);
      if (input.response !== undefined) return input.response;
      if (isTerminal(status)) throw cannotUpdate(taskId, status, "working");
      revision = task.revision;
    }
  }

  get #maxBytes(): number {
    return this.#engine.settings.limits.payloadBytes;
  }

  async #read(taskId: string, scope: OwnerScope): Promise<StoredTask> {
    const task = await this.#engine.read(taskId, scope, ["inputs"]);
    if (!task) throw notFound(taskId);
    return task;
  }

  /** Until it is not overtaken: each round that is was a change by somebody else. */
  async #change(
    taskId: string,
    scope: OwnerScope,
    { lease }: WriteOptions,
    compute: (task: StoredTask, inputs: Input[]) => { changed: boolean; inputs: Input[] },
  ): Promise<StoredTask> {
    for (;;) {
      const task = await this.#read(taskId, scope);
      const { changed, inputs } = compute(task, inputsOf(task));
      if (!changed) return task;
      const status = inputs.some(isOpen) ? "input_required" : "working";
      const patch = { inputs: encodeJson(inputs, "inputs of the task", this.#maxBytes), status } as const;
      try {
        const written = await this.#engine.writeAt(task.revision, taskId, { scope, lease }, patch, (at) =>
          cannotUpdate(taskId, at, status),
        );
        if (written) return written;
      } catch (error) {
        // It became terminal since it was read: the next round computes what that means.
        if (!isTaskStoreError(error, "TASK_TERMINAL")) throw error;
      }
    }
  }
}

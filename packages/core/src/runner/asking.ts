import { createHash } from "node:crypto";
import { encodeJson } from "../contract/json.ts";
import type { LeasedTask } from "../contract/leased-task.ts";
import { checkOptions, checks, type OptionTable } from "../contract/option-checks.ts";
import type { InputRequest } from "../contract/record.ts";
import { onAbort } from "../process/aborts.ts";
import { throughOutages } from "./persisted.ts";
import type { RunTaskOptions } from "./run-options.ts";
import type { InputOptions } from "./task-handler.ts";

const INPUT_OPTIONS: OptionTable<InputOptions> = {
  key: checks.text,
  timeoutMs: checks.number(0, Number.POSITIVE_INFINITY),
};

/** The questions of one run. */
export class Asking {
  readonly #leased: LeasedTask;
  readonly #signal: AbortSignal;
  readonly #options: Pick<RunTaskOptions, "deliver" | "inputTimeoutMs">;
  readonly #asked = new Map<string, number>();

  constructor(leased: LeasedTask, signal: AbortSignal, options: Pick<RunTaskOptions, "deliver" | "inputTimeoutMs">) {
    this.#leased = leased;
    this.#signal = signal;
    this.#options = options;
  }

  /** Asks the requestor, and waits for the answer. */
  async ask<Answer>(request: InputRequest, options: InputOptions = {}): Promise<Answer> {
    checkOptions("A question", options, INPUT_OPTIONS);
    const answered = new AbortController();
    const { signal } = answered;
    this.#signal.throwIfAborted();
    const key = options.key ?? this.#keyOf(request);
    const timeoutMs = options.timeoutMs ?? this.#options.inputTimeoutMs;
    const forget = onAbort(this.#signal, (reason) => answered.abort(reason));
    try {
      await this.#throughOutages(() => this.#leased.requestInputs({ [key]: request }));
      // A failure ends the wait. A success stores the answer, which the wait finds.
      this.#deliver(key, request, signal).catch((error: unknown) => answered.abort(error));
      return (await this.#throughOutages(() => this.#leased.awaitInput(key, { signal, timeoutMs }))) as Answer;
    } finally {
      forget();
      answered.abort();
    }
  }

  #throughOutages<T>(call: () => Promise<T>): Promise<T> {
    return throughOutages(this.#leased.lease.leaseMs, call, () => !this.#signal.aborted);
  }

  /** Takes a question that has no answer yet to the requestor, if there is a `deliver`. */
  async #deliver(key: string, request: InputRequest, signal: AbortSignal): Promise<void> {
    const { deliver } = this.#options;
    if (!deliver) return;
    const { taskId } = this.#leased;
    const record = await this.#leased.read(["inputRequests"]);
    if (!record || !Object.hasOwn(record.inputRequests, key)) return;
    const answer = await deliver(request, { taskId, owner: record.owner, key, signal });
    await this.#leased.provideInputs({ [key]: answer });
  }

  /** The same question at the same turn has the same key in every run. */
  #keyOf(request: InputRequest): string {
    const digest = createHash("sha256").update(encodeJson(request, "input request")).digest("hex").slice(0, 16);
    const turn = (this.#asked.get(digest) ?? 0) + 1;
    this.#asked.set(digest, turn);
    return `${request.method.split("/")[0]}-${digest}-${turn}`;
  }
}

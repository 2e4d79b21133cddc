import type { TaskStoreError } from "@mcp-task-store/core";
import { Batches, realTime } from "@mcp-task-store/core/backend";
import { type Commands, needsNoScript, REPEATABLE, type TaskCommand } from "./commands.ts";
import type { Timed } from "./deadlines.ts";
import { copyOf, isPassing, isRefusal, toStoreError, unreachable } from "./errors.ts";

/** A command on a task that may go with others. */
interface Call extends TaskCommand, Timed {
  readonly size: number;
  readonly resolve: (answer: unknown) => void;
  readonly reject: (error: unknown) => void;
}

/** Most calls and characters in a batch. */
const LIMITS = { calls: 32, size: 64 * 1024 };

/** The answer to a skipped read, after large reads in the same script. */
const LATER = "later";

/** What the answer of a failed command begins with, before the server's message. */
const FAILED = "failed:";

/**
 * Sends the commands of one turn of the event loop in one script, with an answer for each. A lone
 * command goes unchanged.
 *
 * The connection keeps the order of commands, so none waits for an answer. (Two lanes with one
 * batch under way each made batches so small that they took longer than single commands.)
 */
export class Together {
  readonly #commands: Commands;
  readonly #timeoutMs: number;
  readonly #calls = new Batches<Call>(
    (calls) => this.#send(calls),
    "nextTick",
    LIMITS,
    ({ size }) => size,
  );
  /** Commands without an answer. */
  #open = 0;
  /** The last command sent was alone in its turn. */
  #alone = false;

  constructor(commands: Commands, timeoutMs: number) {
    this.#commands = commands;
    this.#timeoutMs = timeoutMs;
  }

  run(name: TaskCommand["name"], taskId: string, args: readonly string[]): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const first = this.#open === 0 && this.#alone && this.#knows({ name, args });
      this.#open += 1;
      const until = realTime.now() + this.#timeoutMs;
      const call = { name, taskId, args, size: sizeOf(args), until, resolve, reject };
      // Sequential calls have no others to wait for.
      if (first) this.#sendAlone(call);
      else this.#calls.add(call);
    });
  }

  /** Sends pending calls now instead of at the end of this turn. */
  drain(): void {
    this.#calls.drain();
  }

  #send(calls: readonly Call[]): Promise<void> | undefined {
    const [first] = calls as readonly [Call];
    this.#alone = calls.length === 1;
    // An unknown script is sent again, and other commands would overtake it.
    if (this.#alone) return this.#knows(first) ? this.#sendAlone(first) : this.#oneByOne(calls);
    if (!this.#commands.known.has("batch")) return this.#sendBatch(calls);
    // Half of the open calls, so that the server has work while this process makes the rest.
    const most = Math.max(2, Math.ceil(this.#open / 2));
    for (let at = 0; at < calls.length; at += most) void this.#sendBatch(calls.slice(at, at + most));
    return undefined;
  }

  async #sendBatch(calls: readonly Call[]): Promise<void> {
    const [first] = calls as readonly [Call];
    // After a long wait, the batch would have only the first call's short deadline.
    if (timeLeft(first) < this.#timeoutMs / 2) return this.#apart(calls);
    let answers: readonly unknown[];
    try {
      answers = await this.#commands.runBatch(calls, first.until);
    } catch (error) {
      return this.#failed(calls, error as TaskStoreError);
    }
    this.#commands.known.add("batch");
    const again: Call[] = [];
    for (const [index, call] of calls.entries()) {
      const answer = failureIn(answers[index]) ?? answers[index];
      if (answer === LATER || isPassing(answer)) again.push(call);
      else if (answer instanceof Error) this.#reject(call, toStoreError(answer));
      else this.#resolve(call, answer);
    }
    if (again.length > 0) await this.#oneByOne(again);
  }

  /** The batch has no answer. */
  async #failed(calls: readonly Call[], error: TaskStoreError): Promise<void> {
    // No command has run, and one of them may be the reason.
    if (isRefusal(error)) return this.#oneByOne(calls);
    const again: Call[] = [];
    for (const call of calls) {
      if (error.write === "unknown" && REPEATABLE.has(call.name)) again.push(call);
      else this.#reject(call, copyOf(error));
    }
    if (again.length > 0) await this.#oneByOne(again);
  }

  /** Each alone, not after another's answer: the connection keeps the order of known scripts. */
  async #apart(calls: readonly Call[]): Promise<void> {
    for (const call of calls)
      if (this.#knows(call)) this.#sendAlone(call);
      else await this.#oneByOne([call]);
  }

  async #oneByOne(calls: readonly Call[]): Promise<void> {
    for (const call of calls) await new Promise<void>((resolve) => this.#sendAlone(call, resolve));
  }

  /** @param settled Called after the call is settled. */
  #sendAlone(call: Call, settled?: () => void): undefined {
    const resolve = (answer: unknown) => {
      if (!needsNoScript(call)) this.#commands.known.add(call.name);
      this.#resolve(call, answer);
      settled?.();
    };
    const reject = (error: unknown) => {
      this.#reject(call, error);
      settled?.();
    };
    if (timeLeft(call) > 0) this.#commands.runAlone(call, { until: call.until, resolve, reject });
    else reject(unreachable(new Error("Its time was over before it could be sent")));
  }

  #knows(call: Pick<TaskCommand, "name" | "args">): boolean {
    return needsNoScript(call) || this.#commands.known.has(call.name);
  }

  #resolve(call: Call, answer: unknown): void {
    this.#open -= 1;
    call.resolve(answer);
  }

  #reject(call: Call, error: unknown): void {
    this.#open -= 1;
    call.reject(error);
  }
}

/** The server's error in an answer, as if the command had been sent alone. */
function failureIn(answer: unknown): Error | undefined {
  if (typeof answer !== "string" || !answer.startsWith(FAILED)) return undefined;
  return Object.assign(new Error(answer.slice(FAILED.length)), { name: "ReplyError" });
}

function timeLeft({ until }: Timed): number {
  return until - realTime.now();
}

function sizeOf(args: readonly string[]): number {
  let size = 0;
  for (const each of args) size += each.length;
  return size;
}

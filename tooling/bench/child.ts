/** A process beside this one that does what it is asked to. */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";

interface Question<Order> {
  readonly id: number;
  /** Absent: how much CPU time has the process taken? */
  readonly order?: Order;
}

interface Answer {
  readonly id: number;
  readonly answer: unknown;
}

export class Child<Order> implements AsyncDisposable {
  readonly #process: ChildProcess;
  readonly #asked = new Map<number, PromiseWithResolvers<unknown>>();
  #lastId = 0;

  /** @param argument JSON, which the process reads from its command line */
  constructor(file: URL, argument: unknown, execArgv: readonly string[] = []) {
    this.#process = fork(file, [JSON.stringify(argument)], { execArgv: [...execArgv] });
    this.#process.on("message", ({ id, answer }: Answer) => {
      this.#asked.get(id)?.resolve(answer);
      this.#asked.delete(id);
    });
    this.#process.once("exit", () => {
      for (const { reject } of this.#asked.values()) reject(new Error("the other process has ended"));
    });
  }

  /** Several orders may be under way. */
  ask(order: Order): Promise<unknown> {
    return this.#ask({ order });
  }

  /** The CPU time so far, in ms. */
  async cpuMs(): Promise<number> {
    return (await this.#ask({})) as number;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const exit = once(this.#process, "exit");
    this.#process.disconnect();
    await exit;
  }

  #ask(question: Omit<Question<Order>, "id">): Promise<unknown> {
    this.#lastId += 1;
    const answered = Promise.withResolvers<unknown>();
    this.#asked.set(this.#lastId, answered);
    this.#process.send({ id: this.#lastId, ...question });
    return answered.promise;
  }
}

/** The other side: obeys until the parent disconnects. An error ends the process. */
export async function serve<Order>(obey: (order: Order) => Promise<unknown>): Promise<void> {
  process.on("message", async ({ id, order }: Question<Order>) => {
    const answer = order === undefined ? cpuMs() : await obey(order);
    process.send?.({ id, answer } satisfies Answer);
  });
  await once(process, "disconnect");
}

function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

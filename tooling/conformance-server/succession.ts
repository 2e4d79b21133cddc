import type { Turn } from "./proxy.ts";
import type { ServerProcess } from "./server-process.ts";

/** One server takes over. Two more start ahead, so that the next requests do not wait long. */
const STARTED = 3;

/**
 * Servers that answer one request each, and are then ended. Each answers only once the next one has
 * started. This is like a new release that takes over from the old one, with a moment to take over
 * tasks.
 */
export class Succession implements AsyncDisposable {
  readonly #start: () => ServerProcess;
  readonly #signal: "SIGTERM" | "SIGKILL";
  readonly #ready: ServerProcess[] = [];
  readonly #waiting: PromiseWithResolvers<ServerProcess>[] = [];
  readonly #live = new Set<ServerProcess>();
  readonly #endings: Promise<void>[] = [];
  readonly #problems: string[] = [];
  #closed = false;

  constructor(start: () => ServerProcess, signal: "SIGTERM" | "SIGKILL") {
    this.#start = start;
    this.#signal = signal;
    for (let i = 0; i < STARTED; i++) this.#add();
  }

  async next(): Promise<Turn> {
    const wanted = Promise.withResolvers<ServerProcess>();
    this.#waiting.push(wanted);
    this.#serve();
    const server = await wanted.promise;
    const url = await server.url;
    return { url, end: () => this.#end(server, this.#signal) };
  }

  #add(): void {
    const server = this.#start();
    this.#live.add(server);
    server.url.then(
      () => {
        this.#ready.push(server);
        this.#serve();
      },
      (error: Error) => {
        if (this.#closed) return;
        this.#problems.push(error.message);
        for (const { reject } of this.#waiting.splice(0)) reject(error);
      },
    );
  }

  #serve(): void {
    while (this.#ready.length > 1 && this.#waiting.length > 0) {
      this.#waiting.shift()?.resolve(this.#ready.shift() as ServerProcess);
      this.#add();
    }
  }

  #end(server: ServerProcess, signal: "SIGTERM" | "SIGKILL"): void {
    if (!this.#live.delete(server)) return;
    this.#endings.push(
      server.end(signal).then(() => {
        this.#problems.push(...server.problems);
      }),
    );
  }

  /** @throws Error if one of the servers had a problem */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    // A server that is starting does not handle the signal yet.
    await Promise.allSettled([...this.#live].map(({ url }) => url));
    for (const server of this.#live) this.#end(server, "SIGTERM");
    await Promise.all(this.#endings);
    if (this.#problems.length > 0) throw new Error(this.#problems.join("\n"));
  }
}

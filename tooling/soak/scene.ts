import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { Child } from "../bench/child.ts";
import type { StoreName } from "../bench/stores.ts";
import { Peer } from "../test/serving/support/rpc.ts";
import { type Host, startHost } from "./hosts.ts";
import { LIVES, LostTask } from "./lives.ts";
import type { Sample } from "./sample.ts";
import type { Order } from "./watched.ts";

/** What became of the lives that the soak began. */
export interface Tally {
  /** Lives that ended as they should, by kind. */
  readonly ended: Record<string, number>;
  /** Requests that failed before a task was acknowledged, as a database that is away makes them. */
  refused: number;
  /** Lives that were not begun, since too many were under way. */
  skipped: number;
  /** Acknowledged tasks that were lost. */
  readonly lost: string[];
  readonly faults: Record<string, number>;
}

const MOST_UNDER_WAY = 60;
/** The longest life of a task that its client does not know of: see `ttl` in `places.ts`. */
const QUIET_MS = 240_000;

/** A watched server on one store, its worker, and the load on it. */
export class Scene implements AsyncDisposable {
  readonly store: StoreName;
  readonly host: Host;
  readonly tally: Tally = { ended: {}, refused: 0, skipped: 0, lost: [], faults: {} };
  readonly #cleanUp: AsyncDisposableStack;
  readonly #watched: Child<Order>;
  readonly #peer: Peer;
  readonly #faults: [name: string, cause: () => Promise<unknown>][];
  readonly #underWay = new Set<Promise<void>>();
  #worker: ChildProcess | undefined;
  #begun = 0;
  #harmed = 0;

  private constructor(store: StoreName, host: Host, watched: Child<Order>, url: string, cleanUp: AsyncDisposableStack) {
    this.store = store;
    this.host = host;
    this.#watched = watched;
    this.#peer = new Peer(url);
    this.#cleanUp = cleanUp;
    const worker: Record<string, () => Promise<unknown>> =
      store === "memory"
        ? { "restarts of the worker": () => this.#watched.ask("worker") }
        : {
            "kills of the worker": () => this.#endWorker("SIGKILL"),
            "restarts of the worker": () => this.#endWorker("SIGTERM"),
          };
    this.#faults = Object.entries({
      "cut connections of clients": () => this.#watched.ask("cut clients"),
      ...worker,
      "second stores": () => this.#watched.ask("second"),
      ...host.faults,
    });
  }

  static async start(store: StoreName): Promise<Scene> {
    await using starting = new AsyncDisposableStack();
    const host = await startHost(store, starting);
    const watched = starting.use(
      new Child<Order>(new URL("watched.ts", import.meta.url), host.watched, [
        "--expose-gc",
        "--disable-warning=ExperimentalWarning",
      ]),
    );
    const url = (await watched.ask("address")) as string;
    const scene = new Scene(store, host, watched, url, starting.move());
    if (store !== "memory") await scene.#startWorker();
    return scene;
  }

  /** Begins lives at this rate for so long. `undefined`: as many as the store can do. */
  async load(rate: number | undefined, ms: number, signal: AbortSignal): Promise<void> {
    const start = performance.now();
    for (let turn = 1; performance.now() - start < ms && !signal.aborted; turn += 1) {
      if (rate === undefined) {
        while (this.#underWay.size >= MOST_UNDER_WAY / 2) await Promise.race(this.#underWay);
      } else {
        const early = start + (turn * 1000) / rate - performance.now();
        if (early > 0) await sleep(Math.min(early, ms), undefined, { signal }).catch(() => undefined);
      }
      this.#begin();
    }
  }

  #begin(): void {
    const names = Object.keys(LIVES);
    const name = names[this.#begun % names.length] as string;
    this.#begun += 1;
    if (this.#underWay.size >= MOST_UNDER_WAY) {
      this.tally.skipped += 1;
      return;
    }
    const life = this.#live(name).finally(() => this.#underWay.delete(life));
    this.#underWay.add(life);
  }

  async #live(name: string): Promise<void> {
    try {
      await LIVES[name]?.(this.#peer);
      this.tally.ended[name] = (this.tally.ended[name] ?? 0) + 1;
    } catch (error) {
      if (error instanceof LostTask) {
        this.tally.lost.push(`${name}: ${error.message}`);
        console.log(`${new Date().toISOString()} ${this.store}: lost: ${name}: ${error.message}`);
      } else this.tally.refused += 1;
    }
  }

  get lives(): number {
    return Object.values(this.tally.ended).reduce((sum, count) => sum + count, 0);
  }

  /** Causes the next fault, each in its turn. */
  async harm(): Promise<void> {
    const [name, cause] = this.#faults[this.#harmed % this.#faults.length] ?? [];
    this.#harmed += 1;
    if (!name || !cause) return;
    await cause();
    this.tally.faults[name] = (this.tally.faults[name] ?? 0) + 1;
  }

  get kindsOfFaults(): number {
    return this.#faults.length;
  }

  /**
   * What the watched process holds once no life is under way and no task is active. Tasks of
   * requests that failed may need a moment to end.
   */
  async quietSample(): Promise<Sample> {
    await Promise.all(this.#underWay);
    const deadline = Date.now() + QUIET_MS;
    for (;;) {
      await this.#watched.ask("close idle clients");
      const sample = await this.sample();
      const { active, undelivered } = sample.tasks;
      if ((active === 0 && undelivered === 0) || Date.now() > deadline) return sample;
      await sleep(250);
    }
  }

  async sample(): Promise<Sample> {
    const sample = (await this.#watched.ask("sample")) as Sample;
    const connections = await this.host.connections?.();
    return connections === undefined
      ? sample
      : { ...sample, held: { ...sample.held, "connections seen by the database": connections } };
  }

  /** CPU time that the watched process has taken, in ms. */
  cpuMs(): Promise<number> {
    return this.#watched.cpuMs();
  }

  async #startWorker(): Promise<void> {
    const worker = fork(new URL("worker.ts", import.meta.url), [JSON.stringify(this.host.worker)]);
    this.#worker = worker;
    const [said] = await Promise.race([once(worker, "message"), once(worker, "exit")]);
    if (said !== "ready") throw new Error(`the worker ended with ${said} before it was ready`);
  }

  async #endWorker(signal: NodeJS.Signals): Promise<void> {
    const worker = this.#worker as ChildProcess;
    const exit = once(worker, "exit");
    worker.kill(signal);
    await exit;
    await this.#startWorker();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#worker?.exitCode === null) {
      const exit = once(this.#worker, "exit");
      this.#worker.kill("SIGTERM");
      await exit;
    }
    await this.#cleanUp.disposeAsync();
  }
}

import { AssertionError } from "node:assert";
import { setTimeout as sleep } from "node:timers/promises";
import type { TaskStore, TaskStoreOptions } from "../contract.ts";
import { DEFAULT_PATIENCE_MS, type Harness, type HarnessCapabilities, type Place } from "./harness.ts";
import { quiet, quietly } from "./quiet.ts";
import { RemoteStore } from "./remote-store.ts";

/** What a case works with: a place of its own, of which everything that the case opens is closed in the end. */
export class Scene {
  readonly capabilities: HarnessCapabilities;
  readonly #harness: Harness;
  readonly #patienceMs: number;
  readonly #place: Place;
  readonly #others: Scene[] = [];
  readonly #stores = new Set<TaskStore>();
  readonly #processes = new Set<RemoteStore>();

  private constructor(harness: Harness, place: Place) {
    this.#harness = harness;
    this.#place = place;
    this.capabilities = harness.capabilities;
    this.#patienceMs = harness.patienceMs ?? DEFAULT_PATIENCE_MS;
  }

  /** Runs a case and leaves nothing behind, whether it passes, fails or hangs. */
  static async run(harness: Harness, body: (scene: Scene) => Promise<void>): Promise<void> {
    const scene = new Scene(harness, await harness.isolate());
    const running = within(8 * scene.#patienceMs, body(scene), "The end of the case");
    const [ran, ended] = [await settle(running), await settle(scene.#end())];
    // What the case found is worth more than what became of the clean-up after it.
    if (ran) throw ran.error;
    if (ended) throw ended.error;
  }

  /** Another handle to the same tasks, as good as one in another process. Deletes only when told to, unless asked otherwise. */
  open(options: TaskStoreOptions = {}): TaskStore {
    const store = this.#place.open({ sweepIntervalMs: false, fallbackPollMs: 600_000, ...options });
    this.#stores.add(store);
    return quietly(store, ["messages"]);
  }

  /** A handle in a process of its own. */
  async start(options: TaskStoreOptions = {}): Promise<RemoteStore> {
    const { remote } = this.#place;
    if (!remote) throw new Error('A place needs "remote" when the harness declares multiProcess');
    const store = RemoteStore.start();
    this.#processes.add(store);
    const opening = store.open(remote, { sweepIntervalMs: false, fallbackPollMs: 600_000, ...options });
    // On a busy machine, to start a process and load a driver takes many times longer than any call.
    await within(6 * this.#patienceMs, opening, "A store in another process");
    return store;
  }

  /** A place that has nothing in common with this one. */
  async elsewhere(): Promise<Scene> {
    const scene = new Scene(this.#harness, await this.#harness.isolate());
    this.#others.push(scene);
    return scene;
  }

  /** Moves the stores' clock by at least this much. */
  async advance(ms: number): Promise<void> {
    if (this.#place.advance) await this.#place.advance(ms);
    // A timer may be a little early by the clock of a database.
    else await sleep(ms + 20);
  }

  /**
   * How long a ttl or a lease is that the case waits out: as given where that takes real time, which has to be long enough
   * for what the case does meanwhile on a machine that stalls. Where the clock can be moved it is a multiple of it, for free.
   */
  span(ms: number): number {
    return this.#place.advance ? 60 * ms : ms;
  }

  get outage(): NonNullable<Place["outage"]> {
    if (!this.#place.outage) throw new Error('A place needs "outage" when the harness declares it');
    return this.#place.outage;
  }

  /** What the promise brings; fails the case when that takes too long. */
  soon<T>(promise: Promise<T>, what = "What was waited for"): Promise<T> {
    return quiet(within(this.#patienceMs, promise, what));
  }

  /** Closes every store of this place: the next one is opened by a program that starts anew. */
  async closeAll(): Promise<void> {
    await this.soon(Promise.all([...this.#stores].map((store) => store.close())), "Closing the stores");
    this.#stores.clear();
  }

  async #end(): Promise<void> {
    try {
      await Promise.all([...this.#processes].map((process) => process.kill()));
      await this.closeAll();
    } finally {
      await this.#place.destroy();
      for (const other of this.#others) await other.#end();
    }
  }
}

async function settle(promise: Promise<unknown>): Promise<{ error: unknown } | undefined> {
  try {
    await promise;
    return undefined;
  } catch (error) {
    return { error };
  }
}

async function within<T>(ms: number, promise: Promise<T>, what: string): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new AssertionError({ message: `${what} did not come within ${ms} ms` })), ms);
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

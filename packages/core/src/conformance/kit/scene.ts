import { AssertionError } from "node:assert";
import { setTimeout as sleep } from "node:timers/promises";
import type { TaskStoreOptions } from "../../contract/options.ts";
import type { TaskStore } from "../../contract/task-store.ts";
import { DEFAULT_PATIENCE_MS, type Harness, type HarnessCapabilities, type Place } from "../harness.ts";
import { quiet } from "./quiet.ts";
import { RemoteStore } from "./remote-store.ts";
import type { Trail } from "./trail.ts";

/** The place of one case. Its end closes everything that the case opened. */
export class Scene {
  readonly capabilities: HarnessCapabilities;
  readonly #harness: Harness;
  readonly #patienceMs: number;
  readonly #place: Place;
  readonly #trail: Trail;
  readonly #others: Scene[] = [];
  readonly #stores = new Set<TaskStore>();
  readonly #processes = new Set<RemoteStore>();

  private constructor(harness: Harness, place: Place, trail: Trail) {
    this.#harness = harness;
    this.#place = place;
    this.#trail = trail;
    this.capabilities = harness.capabilities;
    this.#patienceMs = harness.patienceMs ?? DEFAULT_PATIENCE_MS;
  }

  /** Runs a case and leaves nothing behind, whether it passes, fails or hangs. */
  static async run(id: string, harness: Harness, trail: Trail, body: (scene: Scene) => Promise<void>): Promise<void> {
    const scene = await Scene.#make(harness, trail);
    const running = within(8 * scene.#patienceMs, body(scene), `The end of ${id}`);
    const ran = await settle(running);
    trail.end();
    const ended = await settle(scene.#end());
    // The error of the case matters more than an error of the clean-up.
    if (ran) throw ran.error;
    if (ended) throw ended.error;
  }

  static async #make(harness: Harness, trail: Trail): Promise<Scene> {
    // A harness may create a database, or start a server.
    const patienceMs = 6 * (harness.patienceMs ?? DEFAULT_PATIENCE_MS);
    const place = await within(patienceMs, harness.isolate(), "The harness's new place");
    return new Scene(harness, place, trail);
  }

  /**
   * Opens another store on the same tasks, which stands for one in another process. It does not
   * sweep unless the options say so.
   */
  open(options: TaskStoreOptions = {}): TaskStore {
    const store = this.#place.open({ sweepIntervalMs: false, fallbackPollMs: 600_000, ...options });
    this.#stores.add(store);
    return this.#trail.follow(store, this.#trail.next("store"), ["messages", "operations", "events"]);
  }

  /** Opens a store in another process. */
  async start(options: TaskStoreOptions = {}): Promise<RemoteStore> {
    const { remote } = this.#place;
    if (!remote) throw new Error('A place needs "remote" when the harness declares multiProcess');
    const store = RemoteStore.start();
    this.#processes.add(store);
    const opening = store.open(remote, { sweepIntervalMs: false, fallbackPollMs: 600_000, ...options });
    // On a busy machine, starting a process and loading a driver take many times longer than any
    // call.
    const name = this.#trail.next("process");
    this.#trail.note(`${name} opens a store`);
    await within(6 * this.#patienceMs, opening, "A store in another process");
    return this.#trail.follow(store, name);
  }

  /** Makes another place, with tasks of its own. */
  async elsewhere(): Promise<Scene> {
    const scene = await Scene.#make(this.#harness, this.#trail);
    this.#trail.note(`${this.#trail.next("another place")}, with tasks of its own`);
    this.#others.push(scene);
    return scene;
  }

  /** Moves the stores' clock by at least this much. */
  async advance(ms: number): Promise<void> {
    this.#trail.note(`${ms} ms pass`);
    if (this.#place.advance) await this.#place.advance(ms);
    // By the clock of a database, a timer may fire a little early.
    else await sleep(ms + 20);
  }

  /**
   * The length of a ttl or lease that the case waits out. With the real clock it is `ms`, which has
   * to be long enough for the steps of the case on a slow machine. With a clock that can be moved
   * it is a multiple of `ms`, which costs no time.
   */
  span(ms: number): number {
    return this.#place.advance ? 60 * ms : ms;
  }

  get outage(): NonNullable<Place["outage"]> {
    if (!this.#place.outage) throw new Error('A place needs "outage" when the harness declares it');
    return this.#trail.follow(this.#place.outage, "outage");
  }

  /** Waits for the promise. Fails the case if it takes longer than `patienceMs`. */
  soon<T>(promise: Promise<T>, what = "What was waited for"): Promise<T> {
    return quiet(within(this.#patienceMs, promise, what));
  }

  /** Closes every store of this place. The next one stands for a program that starts again. */
  async closeAll(): Promise<void> {
    this.#trail.note("every store is closed");
    await this.#closeStores();
  }

  async #closeStores(): Promise<void> {
    await this.soon(Promise.all([...this.#stores].map((store) => store.close())), "Closing the stores");
    this.#stores.clear();
  }

  async #end(): Promise<void> {
    try {
      await Promise.all([...this.#processes].map((process) => process.kill()));
      await this.#closeStores();
    } finally {
      await within(6 * this.#patienceMs, this.#place.destroy(), "The end of the place's `destroy`");
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

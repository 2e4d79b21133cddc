import { aboutChange } from "../backend/rules.ts";
import { PAYLOAD_FIELDS, type PayloadField, type StoredTask } from "../backend/stored-task.ts";
import type { ChangedTask } from "../backend/task-backend.ts";
import { MAX_TIMER_MS } from "../contract/checks.ts";
import { storeClosed } from "../contract/errors.ts";
import * as real from "../process/real-time.ts";
import type { BackendGateway } from "./backend-gateway.ts";
import { Listening, type Needed } from "./listening.ts";

/**
 * Gets a task as it is now; `undefined` = the task does not exist. The hub calls it again only
 * after a possible change.
 */
export interface Watcher {
  /** Absent = every task. */
  readonly taskId?: string;
  /** The payloads of that task that it needs. */
  readonly payloads?: readonly PayloadField[];
  /** Of a watcher of every task: selects the tasks that it gets. */
  readonly wants?: (about: ChangedTask) => boolean;
  onTask(task: StoredTask | undefined): void;
  /** The backend failed before this watcher got a state, or the store was closed. */
  onError(error: unknown): void;
}

/**
 * Gets the name of a task that a claim may take; `undefined` = there may be one of any name. It
 * costs no read if the backend's signals describe the task.
 */
export type ClaimWatcher = (name: string | undefined) => void;

/**
 * How long listening goes on after the last watcher left, so that successive waits do not start and
 * stop it.
 */
const LINGER_MS = 1000;
/** How many tasks are read at once, without payloads and with them. */
const BATCH = 500;
const BATCH_WITH_PAYLOADS = 100;

/**
 * Turns the backend's signals into reads, and hands the tasks to the watchers. Each store has one
 * hub. For any number of watchers, it has one listener, one read per changed task, one fallback
 * timer for lost signals, and one timer that sees tasks expire. Without watchers, it has none of
 * these.
 */
export class ChangeHub {
  readonly #gateway: BackendGateway;
  readonly #listening: Listening;
  readonly #byTask = new Map<string, Set<Watcher>>();
  readonly #global = new Set<Watcher>();
  readonly #claims = new Set<ClaimWatcher>();
  readonly #told = new WeakSet<Watcher>();
  #dirty = new Set<string>();
  /** Dirty tasks whose signal did not say whether a claim may take them. */
  readonly #unknown = new Set<string>();
  #flushing = false;
  /** The last read was without payloads. */
  #bareLast = false;
  #timer: NodeJS.Timeout | undefined;
  #expiry: NodeJS.Timeout | undefined;
  #expiryAt = Number.POSITIVE_INFINITY;

  constructor(gateway: BackendGateway) {
    this.#gateway = gateway;
    this.#listening = new Listening(gateway, (taskId, about) => this.#changed(taskId, about));
  }

  /** Starts to call the watcher. With a task id, the present state comes first. */
  async add(watcher: Watcher): Promise<void> {
    const { taskId } = watcher;
    await this.#join(() => {
      if (taskId === undefined) this.#global.add(watcher);
      else {
        const watchers = this.#byTask.get(taskId) ?? new Set();
        this.#byTask.set(taskId, watchers.add(watcher));
      }
    });
    if (taskId !== undefined) this.#read(taskId);
  }

  addClaims(watcher: ClaimWatcher): Promise<void> {
    return this.#join(() => this.#claims.add(watcher));
  }

  deleteClaims(watcher: ClaimWatcher): void {
    this.#claims.delete(watcher);
    this.#linger();
  }

  /** Listening comes before the first read: a change after that read cannot be missed. */
  async #join(add: () => void): Promise<void> {
    if (this.#gateway.closed) throw storeClosed();
    const first = this.#idle;
    add();
    // The first one ends the lingering.
    if (first) this.#schedule(this.#gateway.settings.fallbackPollMs);
    await this.#listening.start(this.#needed);
  }

  delete(watcher: Watcher): void {
    if (watcher.taskId === undefined) this.#global.delete(watcher);
    else {
      const watchers = this.#byTask.get(watcher.taskId);
      watchers?.delete(watcher);
      if (watchers?.size === 0) this.#byTask.delete(watcher.taskId);
    }
    this.#linger();
  }

  #linger(): void {
    if (this.#idle || this.#listening.couldBeNarrower(this.#needed)) this.#schedule(LINGER_MS);
  }

  /** Ends every watcher with `STORE_CLOSED`. The backend's own close ends its listening. */
  close(): void {
    real.clearTimeout(this.#timer);
    clearTimeout(this.#expiry);
    for (const watcher of [...this.#global, ...[...this.#byTask.values()].flatMap((set) => [...set])])
      watcher.onError(storeClosed());
    this.#global.clear();
    this.#claims.clear();
    this.#byTask.clear();
  }

  get #idle(): boolean {
    return this.#global.size === 0 && this.#claims.size === 0 && this.#byTask.size === 0;
  }

  get #needed(): Needed {
    return this.#global.size === 0 && this.#byTask.size === 0 ? "claims" : "changes";
  }

  /** A signal: this task changed, or any may have. */
  #changed(taskId?: string, about?: ChangedTask): void {
    if (taskId === undefined) {
      this.#tellClaims(undefined);
      this.#readAll();
    } else {
      if (about?.claimable) this.#tellClaims(about.name);
      if (this.#isWanted(taskId, about)) this.#read(taskId);
    }
  }

  #readAll(): void {
    for (const taskId of this.#byTask.keys()) this.#read(taskId);
  }

  #read(taskId: string): void {
    this.#dirty.add(taskId);
    if (!this.#flushing) {
      this.#flushing = true;
      // After the present turn, so that signals and watchers that come together share one read.
      real.microtask(() => void this.#gateway.inContext(() => this.#flush()));
    }
  }

  #isWanted(taskId: string, about: ChangedTask | undefined): boolean {
    if (!about && this.#claims.size > 0) {
      this.#unknown.add(taskId);
      return true;
    }
    if (this.#byTask.has(taskId)) return true;
    for (const { wants } of this.#global) if (!about || !wants || wants(about)) return true;
    return false;
  }

  #tellClaims(name: string | undefined): void {
    for (const watcher of this.#claims) watcher(name);
  }

  async #flush(): Promise<void> {
    while (this.#dirty.size > 0 && !this.#gateway.closed) {
      const { ids, payloads } = this.#nextRead();
      // A watcher that comes during the read may know a later state, so the next read is for it.
      const audience = ids.map((id) => [...(this.#byTask.get(id) ?? [])]);
      for (const id of ids) this.#dirty.delete(id);
      try {
        const tasks = new Map(
          (await this.#gateway.call((backend) => backend.readMany(ids, payloads))).map((task) => [task.taskId, task]),
        );
        for (const [index, id] of ids.entries()) this.#tell(id, tasks.get(id), audience[index] as Watcher[]);
      } catch (error) {
        for (const id of ids) this.#fail(id, error);
      }
    }
    this.#flushing = false;
  }

  /**
   * Alternates between reads without and with payloads, because either kind may come without end.
   */
  #nextRead(): { ids: readonly string[]; payloads: readonly PayloadField[] } {
    const bare: string[] = [];
    const wanted = new Map<string, ReadonlySet<PayloadField>>();
    for (const id of this.#dirty) {
      const payloads = this.#payloadsOf(id);
      if (payloads.size === 0) bare.push(id);
      else wanted.set(id, payloads);
      if (bare.length === BATCH || wanted.size === BATCH_WITH_PAYLOADS) break;
    }
    this.#bareLast = bare.length > 0 && !(this.#bareLast && wanted.size > 0);
    if (this.#bareLast) return { ids: bare, payloads: [] };
    const fields = new Set([...wanted.values()].flatMap((payloads) => [...payloads]));
    return { ids: [...wanted.keys()], payloads: PAYLOAD_FIELDS.filter((field) => fields.has(field)) };
  }

  #payloadsOf(taskId: string): ReadonlySet<PayloadField> {
    return new Set([...(this.#byTask.get(taskId) ?? [])].flatMap(({ payloads = [] }) => payloads));
  }

  #tell(taskId: string, task: StoredTask | undefined, audience: readonly Watcher[]): void {
    const about = task && aboutChange(task);
    if (this.#unknown.delete(taskId) && about?.claimable) this.#tellClaims(about.name);
    const present = this.#byTask.get(taskId);
    for (const watcher of [...audience.filter((each) => present?.has(each)), ...this.#global]) {
      if (about && watcher.wants && !watcher.wants(about)) continue;
      this.#told.add(watcher);
      watcher.onTask(task);
    }
    if (task && task.expiresAt !== null && this.#byTask.has(taskId)) this.#expect(task.expiresAt - task.readAt + 1);
  }

  /** Watchers that got a state before go on waiting, because the fallback timer reads again. */
  #fail(taskId: string, error: unknown): void {
    this.#unknown.delete(taskId);
    for (const watcher of [...(this.#byTask.get(taskId) ?? [])]) if (!this.#told.has(watcher)) watcher.onError(error);
  }

  /** Sets the timer for the fallback read, or without watchers for the end of lingering. */
  #schedule(delayMs: number): void {
    real.clearTimeout(this.#timer);
    this.#timer = this.#gateway.inContext(() => real.setTimeout(() => this.#tick(), delayMs)).unref();
  }

  /**
   * Sets the timer for an expiry, unless it fires before. This timer is global, so that fake timers
   * move it along with the clock of the tasks.
   */
  #expect(delayMs: number): void {
    const delay = Math.min(Math.max(delayMs, 1), MAX_TIMER_MS);
    const at = performance.now() + delay;
    if (at >= this.#expiryAt) return;
    clearTimeout(this.#expiry);
    this.#expiryAt = at;
    const timer = this.#gateway.inContext(() => setTimeout(() => this.#expire(), delay));
    this.#expiry = timer;
    timer.unref();
  }

  #expire(): void {
    this.#expiryAt = Number.POSITIVE_INFINITY;
    if (!this.#gateway.closed) this.#readAll();
  }

  #tick(): void {
    if (this.#gateway.closed) return;
    if (this.#idle) {
      this.#listening.end();
      return;
    }
    this.#schedule(this.#gateway.settings.fallbackPollMs);
    void this.#listening.startNarrow(this.#needed).then(() => this.#readAll());
  }
}

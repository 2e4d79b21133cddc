import type { StoredTask } from "./backend.ts";
import type { Engine } from "./engine.ts";
import { storeClosed } from "./errors.ts";

/** Told of a task as it is now; `undefined` = it does not exist. Called again only after a possible change. */
export interface Watcher {
  /** Absent = every task. */
  readonly taskId?: string;
  onTask(task: StoredTask | undefined): void;
  /** The backend failed before this watcher was told anything, or the store was closed. */
  onError(error: unknown): void;
}

/** How long listening goes on after the last watcher left, so that waits in a row do not start and stop it. */
const LINGER_MS = 1000;
const BATCH = 500;

/**
 * One per store: turns the backend's signals into reads, and hands what was read to whoever watches. However many
 * watchers, there is one listener, one read per changed task, and one timer, which is the fallback for lost signals and
 * sees tasks expire. While nobody watches there is nothing.
 */
export class ChangeHub {
  readonly #engine: Engine;
  readonly #byTask = new Map<string, Set<Watcher>>();
  readonly #global = new Set<Watcher>();
  readonly #told = new WeakSet<Watcher>();
  #dirty = new Set<string>();
  #flushing = false;
  #listening: Promise<(() => Promise<void>) | undefined> | undefined;
  #stopped: Promise<unknown> = Promise.resolve();
  #timer: NodeJS.Timeout | undefined;
  #timerAt = Number.POSITIVE_INFINITY;

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  /** Starts telling the watcher; with a task id, its present state comes first. */
  async add(watcher: Watcher): Promise<void> {
    const { taskId } = watcher;
    if (this.#engine.closed) throw storeClosed();
    const first = this.#idle;
    if (taskId === undefined) this.#global.add(watcher);
    else {
      const watchers = this.#byTask.get(taskId) ?? new Set();
      this.#byTask.set(taskId, watchers.add(watcher));
    }
    // The first one ends the lingering.
    this.#schedule(this.#engine.settings.fallbackPollMs, first);
    // Listening comes before the first read: a change after that read cannot be missed.
    await this.#listen();
    if (taskId !== undefined) this.#changed(taskId);
  }

  delete(watcher: Watcher): void {
    if (watcher.taskId === undefined) this.#global.delete(watcher);
    else {
      const watchers = this.#byTask.get(watcher.taskId);
      watchers?.delete(watcher);
      if (watchers?.size === 0) this.#byTask.delete(watcher.taskId);
    }
    if (this.#idle) this.#schedule(LINGER_MS, true);
  }

  /** Ends every watcher with `STORE_CLOSED`. The backend's own close ends its listening. */
  close(): void {
    clearTimeout(this.#timer);
    for (const watcher of [...this.#global, ...[...this.#byTask.values()].flatMap((set) => [...set])])
      watcher.onError(storeClosed());
    this.#global.clear();
    this.#byTask.clear();
  }

  get #idle(): boolean {
    return this.#global.size === 0 && this.#byTask.size === 0;
  }

  #listen(): Promise<unknown> {
    this.#listening ??= this.#stopped
      .then(() => this.#engine.call((backend) => backend.listen((taskId) => this.#changed(taskId))))
      .catch((error) => {
        // The fallback timer tries again.
        this.#listening = undefined;
        if (!this.#engine.closed) this.#engine.report(error);
        return undefined;
      });
    return this.#listening;
  }

  /** A signal: this task changed, or any may have. */
  #changed(taskId?: string): void {
    if (taskId === undefined) for (const id of this.#byTask.keys()) this.#dirty.add(id);
    else if (this.#global.size > 0 || this.#byTask.has(taskId)) this.#dirty.add(taskId);
    if (!this.#flushing && this.#dirty.size > 0) {
      this.#flushing = true;
      // After the present turn, so that signals and watchers that come together share one read.
      queueMicrotask(() => void this.#flush());
    }
  }

  async #flush(): Promise<void> {
    while (this.#dirty.size > 0 && !this.#engine.closed) {
      const ids = [...this.#dirty].slice(0, BATCH);
      for (const id of ids) this.#dirty.delete(id);
      try {
        const tasks = new Map(
          (await this.#engine.call((backend) => backend.readMany(ids))).map((task) => [task.taskId, task]),
        );
        for (const id of ids) this.#tell(id, tasks.get(id));
      } catch (error) {
        for (const id of ids) this.#fail(id, error);
      }
    }
    this.#flushing = false;
  }

  #tell(taskId: string, task: StoredTask | undefined): void {
    for (const watcher of [...(this.#byTask.get(taskId) ?? []), ...this.#global]) {
      this.#told.add(watcher);
      watcher.onTask(task);
    }
    if (task && task.expiresAt !== null && this.#byTask.has(taskId)) this.#schedule(task.expiresAt - task.readAt + 1);
  }

  /** Those who were told before go on waiting: the fallback timer reads again. */
  #fail(taskId: string, error: unknown): void {
    for (const watcher of [...(this.#byTask.get(taskId) ?? [])]) if (!this.#told.has(watcher)) watcher.onError(error);
  }

  /** One timer: the earliest of the fallback, the next expiry, and the end of lingering. */
  #schedule(delayMs: number, replace = false): void {
    const delay = Math.min(Math.max(delayMs, 1), replace ? delayMs : this.#engine.settings.fallbackPollMs);
    const at = performance.now() + delay;
    if (!replace && at >= this.#timerAt) return;
    clearTimeout(this.#timer);
    this.#timerAt = at;
    this.#timer = setTimeout(() => this.#tick(), delay).unref();
  }

  #tick(): void {
    this.#timerAt = Number.POSITIVE_INFINITY;
    if (this.#engine.closed) return;
    if (this.#idle) {
      const listening = this.#listening;
      this.#listening = undefined;
      this.#stopped = Promise.resolve(listening?.then((stop) => stop?.())).catch((error: unknown) =>
        this.#engine.report(error),
      );
      return;
    }
    this.#schedule(this.#engine.settings.fallbackPollMs);
    void this.#listen().then(() => this.#changed());
  }
}

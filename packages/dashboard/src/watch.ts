/** Those who watch hear of changes this often at most. */
const PAUSE_MS = 1000;

/** Tells those who watch that something changed. It listens only while it has watchers. */
export class Watch {
  readonly #subscribe: () => Promise<() => void>;
  readonly #watchers = new Set<() => void>();
  readonly #end = new AbortController();
  #listening: Promise<() => void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #changed = false;

  /** @param subscribe Begins to call `tell` after changes, until its own function is called. */
  constructor(subscribe: () => Promise<() => void>) {
    this.#subscribe = subscribe;
  }

  /** Aborts when the dashboard is closed. */
  get closed(): AbortSignal {
    return this.#end.signal;
  }

  /** How many watch. */
  get size(): number {
    return this.#watchers.size;
  }

  /** Calls `listener` after changes until the returned function is called. */
  async add(listener: () => void): Promise<() => void> {
    this.#watchers.add(listener);
    this.#listening ??= this.#subscribe();
    const remove = () => {
      this.#watchers.delete(listener);
      if (this.#watchers.size === 0) this.#stop();
    };
    try {
      await this.#listening;
    } catch (error) {
      remove();
      throw error;
    }
    return remove;
  }

  close(): void {
    this.#end.abort();
    this.#watchers.clear();
    this.#stop();
  }

  /** Something has changed. */
  tell(): void {
    if (this.#timer !== undefined) {
      this.#changed = true;
      return;
    }
    this.#changed = false;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      if (this.#changed) this.tell();
    }, PAUSE_MS);
    for (const watcher of this.#watchers) watcher();
  }

  #stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const listening = this.#listening;
    this.#listening = undefined;
    listening?.then(
      (stop) => stop(),
      () => undefined,
    );
  }
}

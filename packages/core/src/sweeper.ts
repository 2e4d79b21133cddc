import type { Engine } from "./engine.ts";

const BATCH = 1000;

/** Deletes what has expired, in batches, from when the store is open until it is closed. */
export class Sweeper {
  readonly #engine: Engine;
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  start(): void {
    const { sweepIntervalMs } = this.#engine.settings;
    if (this.#timer || this.#stopped || sweepIntervalMs === false) return;
    this.#timer = setTimeout(async () => {
      await this.#sweep();
      this.#timer = undefined;
      this.start();
    }, sweepIntervalMs).unref();
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  async #sweep(): Promise<void> {
    try {
      let deleted = BATCH;
      while (deleted >= BATCH && !this.#stopped)
        deleted = await this.#engine.call((backend) => backend.deleteExpired(BATCH));
    } catch (error) {
      if (!this.#stopped) this.#engine.report(error);
    }
  }
}

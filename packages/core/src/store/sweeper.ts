import { inSteps } from "../backend/in-steps.ts";
import { clearTimeout, setImmediate, setTimeout } from "../process/real-time.ts";
import { isTraced, traced } from "../process/tracing.ts";
import type { BackendGateway } from "./backend-gateway.ts";

const BATCH = 1000;

/**
 * Deletes at most `limit` expired tasks and `limit` expired messages. Each step of the backend is
 * bounded, and the event loop gets a turn between two steps. Stops early when `stopped` returns
 * true. Returns how many tasks and messages were deleted.
 */
export function deleteExpired(
  gateway: BackendGateway,
  limit: number,
  stopped: () => boolean = () => false,
): Promise<number> {
  const run = () => inSteps((wrote) => deleteInSteps(gateway, limit, stopped, wrote));
  return isTraced("sweep") ? traced({ operation: "sweep", method: "deleteExpired" }, run) : run();
}

async function deleteInSteps(
  gateway: BackendGateway,
  limit: number,
  stopped: () => boolean,
  wrote: () => void,
): Promise<number> {
  let total = 0;
  for (;;) {
    const left = Math.min(limit - total, BATCH);
    const { deleted, more } = await gateway.call((backend) => backend.deleteExpired(left));
    total += deleted;
    if (deleted > 0) wrote();
    if (!more || total >= limit || stopped()) return total;
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** Deletes what has expired every `sweepIntervalMs`, from the opening of the store to its close. */
export class Sweeper {
  readonly #gateway: BackendGateway;
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor(gateway: BackendGateway) {
    this.#gateway = gateway;
  }

  start(): void {
    const { sweepIntervalMs } = this.#gateway.settings;
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
      await deleteExpired(this.#gateway, Number.POSITIVE_INFINITY, () => this.#stopped);
    } catch (error) {
      if (!this.#stopped) this.#gateway.report(error);
    }
  }
}

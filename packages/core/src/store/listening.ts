import type { OnChange, TaskBackend } from "../backend/task-backend.ts";
import type { BackendGateway } from "./backend-gateway.ts";

type Stop = () => Promise<void>;

/** What the watchers need to hear of: every change, or the tasks that a worker can claim. */
export type Needed = "changes" | "claims";

/** One listening at a time to the backend's signals. */
export class Listening {
  readonly #gateway: BackendGateway;
  readonly #onChange: OnChange;
  #present: Promise<Stop | undefined> | undefined;
  #hears: Needed = "changes";
  #ended: Promise<unknown> = Promise.resolve();

  constructor(gateway: BackendGateway, onChange: OnChange) {
    this.#gateway = gateway;
    this.#onChange = onChange;
  }

  /** The present listening hears of more than is needed, and the backend could do with less. */
  couldBeNarrower(needed: Needed): boolean {
    return this.#present !== undefined && this.#possible(needed) === "claims" && this.#hears === "changes";
  }

  /**
   * Resolves when no later change that is needed can be missed, or after a failure, which the next
   * call tries again. Listening for more than is needed serves as well.
   */
  start(needed: Needed): Promise<unknown> {
    if (this.#present && (this.#hears === "changes" || this.#possible(needed) === "claims")) return this.#present;
    return this.#restart(needed);
  }

  /** Like `start`, but listens for no more than is needed. */
  startNarrow(needed: Needed): Promise<unknown> {
    return this.couldBeNarrower(needed) ? this.#restart(needed) : this.start(needed);
  }

  /** The present listening goes on until another one has taken over. */
  #restart(needed: Needed): Promise<unknown> {
    const [before, heard] = [this.#present, this.#hears];
    const hears = this.#possible(needed);
    let failed = false;
    const present: Promise<Stop | undefined> = this.#ended
      .then(() => this.#gateway.call((backend) => this.#gateway.inContext(() => this.#listen(backend, hears))))
      .catch((error) => {
        failed = true;
        if (this.#present === present) {
          if (!before) this.#present = undefined;
          this.#hears = heard;
        }
        if (!this.#gateway.closed) this.#gateway.report(error);
        // It goes on.
        return before;
      });
    this.#present = present;
    this.#hears = hears;
    if (before) void present.then(() => failed || this.#stop(before));
    return present;
  }

  /** The next listening begins after the end of this one. */
  end(): void {
    if (this.#present) this.#ended = this.#stop(this.#present);
    this.#present = undefined;
  }

  #possible(needed: Needed): Needed {
    return this.#gateway.listensForClaims ? needed : "changes";
  }

  #listen(backend: TaskBackend, hears: Needed): Promise<Stop> {
    return hears === "claims" && backend.listenForClaims
      ? backend.listenForClaims(this.#onChange)
      : backend.listen(this.#onChange);
  }

  #stop(listening: Promise<Stop | undefined>): Promise<unknown> {
    return listening.then((stop) => stop?.()).catch((error: unknown) => this.#gateway.report(error));
  }
}

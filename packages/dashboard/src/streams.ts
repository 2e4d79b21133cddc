import { Refusal } from "./failures.ts";

/** Limits the streams that are open at a time. Visitors without a name count as one user. */
export class Streams {
  readonly #max: number;
  readonly #maxPerUser: number;
  readonly #byUser = new Map<string | undefined, number>();
  #open = 0;

  constructor(max: number, maxPerUser: number) {
    this.#max = max;
    this.#maxPerUser = maxPerUser;
  }

  /** Takes a place until the returned function is called. */
  take(user: string | undefined): () => void {
    const own = this.#byUser.get(user) ?? 0;
    if (own >= this.#maxPerUser) throw new Refusal(429, "TOO_MANY_STREAMS", "You have too many streams open");
    if (this.#open >= this.#max) throw new Refusal(503, "TOO_MANY_STREAMS", "Too many streams are open");
    this.#byUser.set(user, own + 1);
    this.#open += 1;
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      this.#open -= 1;
      const left = (this.#byUser.get(user) ?? 0) - 1;
      if (left > 0) this.#byUser.set(user, left);
      else this.#byUser.delete(user);
    };
  }
}

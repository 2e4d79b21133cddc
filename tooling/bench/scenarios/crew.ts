import { Child } from "../child.ts";
import type { Place } from "../places.ts";
import type { Order, Whose } from "./crew-process.ts";

/** Client processes on one place, made once, that share the operations of each run. */
export class Crew implements AsyncDisposable {
  readonly #children: readonly Child<Order>[];

  constructor(place: Place, whose: Whose, processes: number) {
    const { variant: _, ...address } = place;
    const file = new URL("./crew-process.ts", import.meta.url);
    this.#children = Array.from({ length: processes }, () => new Child<Order>(file, { address, whose }));
  }

  /** Lifecycles, with so many in flight in each process. */
  async live(tasks: number, most: number): Promise<void> {
    await this.#share(tasks, (share) => ({ order: "live", tasks: share, most }));
  }

  /** Claims and finishes tasks with so many workers in each process, and returns their ids. */
  async claim(tasks: number, workers: number): Promise<string[]> {
    const claimed = await this.#share(tasks, (share) => ({ order: "claim", tasks: share, workers }));
    return (claimed as string[][]).flat();
  }

  /** The CPU time of all processes so far, in ms. */
  async cpuMs(): Promise<number> {
    const times = await Promise.all(this.#children.map((child) => child.cpuMs()));
    return times.reduce((sum, ms) => sum + ms, 0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#children.map((child) => child[Symbol.asyncDispose]()));
  }

  #share(tasks: number, orderOf: (share: number) => Order): Promise<unknown[]> {
    const { length } = this.#children;
    return Promise.all(this.#children.map((child, index) => child.ask(orderOf(Math.floor((tasks + index) / length)))));
  }
}

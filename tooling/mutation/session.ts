import { conformanceCases } from "@mcp-task-store/core/conformance";
import { harnessOf, type Place } from "./harnesses.ts";
import type { Mutant } from "./mutant.ts";
import { CaseOrder } from "./order.ts";
import { type Server, serverFor } from "./places.ts";
import type { Task } from "./program.ts";
import { moduleOf } from "./targets.ts";
import { trial } from "./trial.ts";
import type { Verdict } from "./verdicts.ts";

/** Cases at a time in one process. They mostly wait. */
const CONCURRENCY: Readonly<Record<Place, number>> = { memory: 4, example: 4, sqlite: 3, postgres: 4, redis: 5 };

/** Mutants on one kind of store, which share a server. */
export class Session {
  readonly #place: Place;
  readonly #server: Server;
  readonly #order = new CaseOrder();
  #limitMs = 600_000;

  private constructor(place: Place, server: Server) {
    this.#place = place;
    this.#server = server;
  }

  /** Starts the server, and runs the suite once over the code as it is. */
  static async start(place: Place): Promise<Session> {
    const session = new Session(place, await serverFor(place));
    try {
      await session.#runUnchanged();
      return session;
    } catch (error) {
      await session.stop();
      throw error;
    }
  }

  async #runUnchanged(): Promise<void> {
    const { capabilities } = await harnessOf(this.#place, this.#server.url);
    const has = (name: string) => Boolean((capabilities as unknown as Record<string, unknown>)[name]);
    const cases = conformanceCases
      .filter(({ requires }) => requires.every((each) => (each.startsWith("!") ? !has(each.slice(1)) : has(each))))
      // Their processes take much longer than all other cases of the example.
      .filter(({ requires }) => this.#place !== "example" || !requires.includes("multiProcess"))
      .map(({ id }) => id);
    const onPassed = (id: string, took: number) => this.#order.took(id, took);
    const { status, by, why, ms } = await trial(this.#task(cases), undefined, this.#limitMs, onPassed);
    if (status !== "survived") throw new Error(`The code without a change fails: ${by}\n${why}`);
    this.#limitMs = 60_000 + 4 * ms;
    console.log(`${this.#server.name}: ${cases.length} cases pass without a change (${(ms / 1000).toFixed(1)} s)`);
  }

  async run(mutant: Mutant): Promise<Verdict> {
    const module = moduleOf(mutant.file, mutant.text());
    const verdict = await trial(this.#task(this.#order.for(mutant)), module, this.#limitMs);
    if (verdict.status === "killed") await this.#server.recover();
    if (verdict.status === "killed") this.#order.killed(mutant, verdict.by);
    return verdict;
  }

  stop(): Promise<void> {
    return this.#server.stop();
  }

  #task(cases: readonly string[]): Task {
    return { place: this.#place, url: this.#server.url, cases, concurrency: CONCURRENCY[this.#place] };
  }
}

import type { Entry } from "./entry.ts";
import { lapseOf, Queue } from "./queue.ts";
import { Turns } from "./turns.ts";

/** Active tasks by name and lease expiry, so that a claim need not scan all tasks. */
export class Claims {
  readonly #names = new Map<string, Queue>();
  /** By name, from the first claim with limits on. */
  readonly #turns = new Map<string, Turns>();
  /** The name whose last active task ended last. The next task often has the same name. */
  #emptied: string | undefined;

  add(entry: Entry): void {
    const { name } = entry.task;
    let queue = this.#names.get(name);
    if (!queue) {
      queue = new Queue();
      this.#names.set(name, queue);
    }
    queue.add(entry);
    this.#turns.get(name)?.add(entry);
  }

  /** The lease expiry has changed. */
  moved(entry: Entry, before: number): void {
    this.#names.get(entry.task.name)?.moved(entry, before);
    this.#turns.get(entry.task.name)?.moved(entry, before);
  }

  delete(entry: Entry): void {
    const { name } = entry.task;
    const queue = this.#names.get(name);
    if (!queue) return;
    queue.delete(entry);
    this.#turns.get(name)?.delete(entry);
    if (queue.active.size === 0) this.#empty(name);
  }

  /** Forgets the name that was emptied before, so that one empty name is kept at most. */
  #empty(name: string): void {
    const before = this.#emptied;
    this.#emptied = name;
    if (before === undefined || before === name) return;
    if (this.#names.get(before)?.active.size === 0) this.#names.delete(before);
  }

  /** All active tasks. */
  *active(): Generator<Entry, undefined> {
    for (const { active } of this.#names.values()) yield* active;
  }

  /** The claimable entry of one of these names whose lease lapsed first. */
  first(names: readonly string[], now: number): Entry | undefined {
    let first: Entry | undefined;
    for (const name of names) {
      const entry = this.#names.get(name)?.first(now);
      if (entry && (!first || lapseOf(entry) < lapseOf(first))) first = entry;
    }
    return first;
  }

  turnsOf(name: string): Turns {
    let turns = this.#turns.get(name);
    if (!turns) {
      turns = new Turns(this.#names.get(name)?.active ?? []);
      this.#turns.set(name, turns);
    }
    return turns;
  }
}

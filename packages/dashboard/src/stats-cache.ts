import type { TaskOperations, TaskStats } from "@mcp-task-store/core";

/** However many people watch, statistics are made this often at most. */
const FRESH_MS = 2000;
/** Making them takes at most one part in so many of the time. */
const IDLE_PARTS = 10;

interface Made {
  readonly stats: Promise<TaskStats>;
  until: number;
}

/** Shares statistics among those who watch. */
export class StatsCache {
  readonly #operations: TaskOperations;
  readonly #scan: number;
  readonly #made = new Map<string, Made>();

  constructor(operations: TaskOperations, scan: number) {
    this.#operations = operations;
    this.#scan = scan;
  }

  read(owners: readonly (string | null)[] | undefined): Promise<TaskStats> {
    const key = owners === undefined ? "" : JSON.stringify(owners);
    const now = performance.now();
    for (const [each, { until }] of this.#made) if (until <= now) this.#made.delete(each);
    const found = this.#made.get(key);
    if (found) return found.stats;
    const stats = this.#operations.stats({ scan: this.#scan, owner: owners });
    const made: Made = { stats, until: Number.POSITIVE_INFINITY };
    this.#made.set(key, made);
    const settled = () => {
      const end = performance.now();
      made.until = end + Math.max(FRESH_MS, IDLE_PARTS * (end - now));
    };
    made.stats.then(settled, () => this.#made.delete(key));
    return made.stats;
  }

  /** After an act, whose effect should be seen at once. */
  forget(): void {
    for (const [key, { until }] of this.#made) if (until !== Number.POSITIVE_INFINITY) this.#made.delete(key);
  }
}

import { isTerminal } from "@mcp-task-store/core";
import {
  matchesFilter,
  type SearchFilter,
  type SearchPage,
  type SearchQuery,
  type StoredTask,
} from "@mcp-task-store/core/backend";
import type { Commands } from "./commands.ts";
import { type TaskRow, toStoredWith } from "./rows.ts";
import type { ServerClock } from "./server-clock.ts";

/** Most tasks that one script looks at, so that other callers get their turn. */
const SEARCH_BATCH = 200;

/** Operators' searches, by scripts of bounded length. */
export class Search {
  readonly #commands: Commands;
  readonly #clock: ServerClock;
  readonly #watch: () => Promise<void>;

  /** @param watch Fills the set of active and failed tasks. */
  constructor(commands: Commands, clock: ServerClock, watch: () => Promise<void>) {
    this.#commands = commands;
    this.#clock = clock;
    this.#watch = watch;
  }

  async search({ filter, order, after, limit, scan, payloads }: SearchQuery): Promise<SearchPage> {
    // The script has looked for the texts, and does not return what it looked at.
    const { texts: _, ...checked } = filter;
    const fixed = [onlyWatched(filter) ? "1" : "0", conditions(filter), ...payloads];
    const tasks: StoredTask[] = [];
    let scanned = 0;
    let next = after === null ? "" : `${after}`;
    for (;;) {
      const most = [`${Math.min(scan - scanned, SEARCH_BATCH)}`, `${limit - tasks.length}`];
      const answer = await this.#commands.run("search", "", [order, next, ...most, ...fixed]);
      if (answer === "unfilled") {
        await this.#watch();
        continue;
      }
      const [now, found, seen, rest] = answer as [string, (string | TaskRow)[], number, string];
      const readAt = this.#clock.told(now);
      for (let index = 0; index < found.length; index += 2) {
        const task = toStoredWith(payloads, found[index] as string, found[index + 1] as TaskRow, readAt);
        if (matchesFilter(task, checked)) tasks.push(task);
      }
      scanned += seen;
      next = rest;
      if (next === "") return { tasks, scanned, next: null };
      if (scanned >= scan || tasks.length >= limit) return { tasks, scanned, next: Number(next) };
    }
  }
}

/** Whether the set of active and failed tasks has all that the filter takes. */
function onlyWatched({ statuses }: SearchFilter): boolean {
  return statuses?.every((status) => status === "failed" || !isTerminal(status)) ?? false;
}

/** The conditions that the script checks, as JSON. */
function conditions({ statuses, names, owners, idPrefix, texts }: SearchFilter): string {
  return JSON.stringify({ statuses, names, owners, texts, idPrefix });
}

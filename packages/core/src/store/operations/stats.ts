import { stuckReason } from "../../backend/search.ts";
import type { PayloadField, StoredTask } from "../../backend/stored-task.ts";
import type {
  MinuteStats,
  NameStats,
  Percentiles,
  StatsOptions,
  TaskFilter,
  TaskStats,
} from "../../contract/operations.ts";
import { isTerminal, type TaskStatus } from "../../contract/task.ts";
import type { BackendGateway } from "../backend-gateway.ts";
import { search } from "./bulk.ts";
import { conditionOf, STUCK } from "./filter.ts";
import { historyOf, isHeld } from "./history.ts";

const MINUTE_MS = 60_000;
const MINUTES = 60;
/** Owners in the answer: those with most tasks. */
const OWNERS = 100;
const STEP = 1000;

type Counts = Record<TaskStatus, number>;

const noCounts = (): Counts => ({ working: 0, input_required: 0, completed: 0, failed: 0, cancelled: 0 });

/** The tasks that ended in one minute. */
interface Minute {
  completed: number;
  failed: number;
  cancelled: number;
  readonly waits: number[];
  readonly runs: number[];
}

/** Looks at the active tasks, and at the newest of all tasks up to `scan`. */
export async function statsOf(
  gateway: BackendGateway,
  { scan = 100_000, owner }: StatsOptions,
  paused: readonly string[],
): Promise<TaskStats> {
  const tally = new Tally(paused);
  const see = (task: StoredTask) => tally.add(task);
  const active = await walk(gateway, { status: "active", owner }, scan, [], see);
  // How long a task waited and ran is in its history.
  const ended = await walk(gateway, { status: "ended", owner }, scan, ["history"], see);
  return tally.stats(active.scanned + ended.scanned, active.complete && ended.complete);
}

async function walk(
  gateway: BackendGateway,
  where: TaskFilter,
  scan: number,
  payloads: readonly PayloadField[],
  see: (task: StoredTask) => void,
): Promise<{ scanned: number; complete: boolean }> {
  const condition = conditionOf(where, "stats");
  let scanned = 0;
  let after: number | null = null;
  do {
    const page = { order: "newest", after, limit: STEP, scan: scan - scanned, payloads } as const;
    const found: Awaited<ReturnType<typeof search>> = await search(gateway, condition, page);
    for (const task of found.tasks) see(task);
    scanned += found.scanned;
    after = found.next;
  } while (after !== null && scanned < scan);
  return { scanned, complete: after === null };
}

class Tally {
  readonly #paused: ReadonlySet<string>;
  readonly #counts = noCounts();
  readonly #names = new Map<string, NameStats>();
  readonly #owners = new Map<string, Counts>();
  readonly #minutes = new Map<number, Minute>();
  #now = 0;

  constructor(paused: readonly string[]) {
    this.#paused = new Set(paused);
    for (const name of paused) this.#name(name);
  }

  add(task: StoredTask): void {
    const { status, leaseExpiresAt, readAt } = task;
    this.#now = Math.max(this.#now, readAt);
    const name = this.#name(task.name);
    this.#counts[status] += 1;
    name.counts[status] += 1;
    this.#owner(task.owner ?? "")[status] += 1;
    if (isTerminal(status)) this.#ended(task);
    else if (isHeld(task)) name.running += 1;
    else if (leaseExpiresAt !== null && leaseExpiresAt <= readAt) {
      name.claimable += 1;
      name.oldestClaimableMs = Math.max(name.oldestClaimableMs ?? 0, readAt - leaseExpiresAt);
    }
    if (stuckReason(task, STUCK)) name.stuck += 1;
  }

  stats(scanned: number, complete: boolean): TaskStats {
    const names = [...this.#names.values()];
    const sum = (of: (name: NameStats) => number) => names.reduce((total, name) => total + of(name), 0);
    const oldest = names.flatMap(({ oldestClaimableMs }) => oldestClaimableMs ?? []);
    const now = this.#now === 0 ? Date.now() : this.#now;
    return {
      at: new Date(now).toISOString(),
      counts: this.#counts,
      names: Object.fromEntries([...this.#names].toSorted(([one], [other]) => (one < other ? -1 : 1))),
      owners: Object.fromEntries(
        [...this.#owners].toSorted(([, one], [, other]) => total(other) - total(one)).slice(0, OWNERS),
      ),
      running: sum(({ running }) => running),
      claimable: sum(({ claimable }) => claimable),
      oldestClaimableMs: oldest.length > 0 ? Math.max(...oldest) : undefined,
      stuck: sum(({ stuck }) => stuck),
      minutes: Array.from({ length: MINUTES }, (_, index) =>
        this.#minuteStats(Math.floor(now / MINUTE_MS) - MINUTES + 1 + index),
      ),
      scanned,
      complete,
    };
  }

  #name(name: string): NameStats {
    let found = this.#names.get(name);
    if (!found) {
      const counts = noCounts();
      found = {
        counts,
        running: 0,
        claimable: 0,
        oldestClaimableMs: undefined,
        stuck: 0,
        paused: this.#paused.has(name),
      };
      this.#names.set(name, found);
    }
    return found;
  }

  #owner(owner: string): Counts {
    let found = this.#owners.get(owner);
    if (!found) {
      found = noCounts();
      this.#owners.set(owner, found);
    }
    return found;
  }

  #ended(task: StoredTask): void {
    const { status, updatedAt, createdAt, readAt } = task;
    if (updatedAt < readAt - MINUTES * MINUTE_MS) return;
    const index = Math.floor(updatedAt / MINUTE_MS);
    let minute = this.#minutes.get(index);
    if (!minute) {
      minute = { completed: 0, failed: 0, cancelled: 0, waits: [], runs: [] };
      this.#minutes.set(index, minute);
    }
    minute[status as "completed" | "failed" | "cancelled"] += 1;
    const taken = historyOf(task).filter(({ event }) => event === "taken");
    const [first, last] = [taken[0], taken.at(-1)];
    if (!first || !last) return;
    minute.waits.push(Math.max(0, new Date(first.at).getTime() - createdAt));
    minute.runs.push(Math.max(0, updatedAt - new Date(last.at).getTime()));
  }

  #minuteStats(index: number): MinuteStats {
    const { completed = 0, failed = 0, cancelled = 0, waits = [], runs = [] } = this.#minutes.get(index) ?? {};
    return {
      minute: new Date(index * MINUTE_MS).toISOString(),
      completed,
      failed,
      cancelled,
      waitMs: percentiles(waits),
      runMs: percentiles(runs),
    };
  }
}

function total(counts: Counts): number {
  return Object.values(counts).reduce((sum, count) => sum + count, 0);
}

function percentiles(values: readonly number[]): Percentiles | undefined {
  if (values.length === 0) return undefined;
  const sorted = values.toSorted((one, other) => one - other);
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)] as number;
  return { p50: at(0.5), p95: at(0.95), p99: at(0.99) };
}

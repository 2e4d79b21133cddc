import type { Patch, StoredTask } from "./backend.ts";
import type { ClaimedTask, Lease, OwnerOptions } from "./contract.ts";
import type { Engine, WriteGuard } from "./engine.ts";
import { cannotUpdate, invalid } from "./errors.ts";
import { isStorableKey } from "./json.ts";
import { toRecord } from "./record.ts";
import { checkNumber, DEFAULT_LEASE_MS, MAX_TTL_MS } from "./settings.ts";

function durationOf(options: { durationMs?: number | undefined }): number {
  return Math.ceil(checkNumber("durationMs", options.durationMs ?? DEFAULT_LEASE_MS, 1, MAX_TTL_MS));
}

function leaseOf(task: StoredTask, durationMs: number): Lease {
  return Object.freeze({ taskId: task.taskId, token: task.leaseToken, attempt: task.attempt, durationMs });
}

/** Runners' rights to tasks. */
export class Leases {
  readonly #engine: Engine;

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  async acquire(taskId: string, options: OwnerOptions & { durationMs?: number | undefined }): Promise<Lease> {
    const durationMs = durationOf(options);
    const guard = { scope: this.#engine.scope(options.owner), leaseFree: true } as const;
    return leaseOf(await this.#write(taskId, guard, { action: "take", durationMs }), durationMs);
  }

  async renew(lease: Lease): Promise<void> {
    await this.#write(lease.taskId, { scope: null, lease }, { action: "renew", durationMs: lease.durationMs });
  }

  async release(lease: Lease): Promise<void> {
    await this.#write(lease.taskId, { scope: null, lease }, { action: "release", durationMs: 0 });
  }

  async claim(options: { names: readonly string[]; durationMs?: number | undefined }): Promise<ClaimedTask | null> {
    const durationMs = durationOf(options);
    const names = [...new Set(options.names)].filter((name) => typeof name === "string" && isStorableKey(name));
    if (names.length === 0) throw invalid("claimTask needs at least one name");
    const claimed = await this.#engine.call((backend) => backend.claim({ names, durationMs }));
    return claimed ? { lease: leaseOf(claimed, durationMs), record: toRecord(claimed) } : null;
  }

  #write(taskId: string, guard: WriteGuard, lease: NonNullable<Patch["lease"]>): Promise<StoredTask> {
    return this.#engine.write(taskId, guard, { lease }, (at) => cannotUpdate(taskId, at, undefined));
  }
}

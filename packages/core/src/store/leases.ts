import type { Answer } from "../backend/answer.ts";
import type { StoredTask } from "../backend/stored-task.ts";
import type { Patch } from "../backend/task-backend.ts";
import {
  ACQUIRE_OPTIONS,
  CLAIM_MANY_OPTIONS,
  CLAIM_OPTIONS,
  leaseCheck,
  RELEASE_OPTIONS,
  RENEW_OPTIONS,
} from "../contract/call-options.ts";
import { DEFAULT_LEASE_MS, isStorableKey } from "../contract/checks.ts";
import { cannotUpdate, invalid, isTaskStoreError, naming } from "../contract/errors.ts";
import { checkOptions } from "../contract/option-checks.ts";
import type {
  ClaimTaskOptions,
  ClaimTasksOptions,
  LeaseOptions,
  ReleaseOptions,
  RenewOptions,
} from "../contract/options.ts";
import type { OwnerOptions } from "../contract/owner.ts";
import type { ClaimedTask, Lease, TaskRecord } from "../contract/record.ts";
import type { BackendGateway, WriteGuard } from "./backend-gateway.ts";
import { LimitedClaims } from "./limited-claims.ts";
import { historyLine, holderHere } from "./operations/history.ts";
import { toRecord } from "./record.ts";
import { failuresStep, stepOf } from "./steps.ts";

function durationOf(options: LeaseOptions): number {
  return Math.ceil(options.leaseMs ?? DEFAULT_LEASE_MS);
}

function leaseOf(task: StoredTask, leaseMs: number): Lease {
  return Object.freeze({ taskId: task.taskId, token: task.leaseToken, attempt: task.attempt, leaseMs });
}

/** Characters of an error that the history keeps. */
const ERROR_LENGTH = 300;

function takenBy({ holder }: LeaseOptions): string {
  return historyLine({ event: "taken", holder: holderHere(holder) });
}

function checkLease(lease: Lease): void {
  const wanted = leaseCheck(lease, "", "");
  if (wanted !== undefined) throw invalid(`The lease must be ${wanted}`);
}

/** The leases of runners on tasks. */
export class Leases {
  readonly #gateway: BackendGateway;
  readonly #limited: LimitedClaims;

  constructor(gateway: BackendGateway) {
    this.#gateway = gateway;
    this.#limited = new LimitedClaims(gateway);
  }

  async acquire(taskId: string, options: OwnerOptions & LeaseOptions): Promise<Lease> {
    checkOptions("acquireLease", options, ACQUIRE_OPTIONS);
    const leaseMs = durationOf(options);
    const guard = { scope: this.#gateway.scope(options.owner), leaseFree: true } as const;
    const history = takenBy(options);
    return leaseOf(await this.#write(taskId, guard, { lease: { action: "take", leaseMs }, history }), leaseMs);
  }

  async renew(lease: Lease, options: RenewOptions): Promise<void> {
    checkLease(lease);
    checkOptions("renewLease", options, RENEW_OPTIONS);
    const { traceparent } = options;
    const renewed = { lease: { action: "renew", leaseMs: lease.leaseMs } } as const;
    const patch =
      traceparent === undefined ? renewed : { ...renewed, history: historyLine({ event: "traced", traceparent }) };
    await this.#write(lease.taskId, { scope: null, lease }, patch);
  }

  async release(lease: Lease, options: ReleaseOptions): Promise<void> {
    checkLease(lease);
    checkOptions("releaseLease", options, RELEASE_OPTIONS);
    const { delayMs, failures, step } = options;
    if (step && failures !== undefined) throw invalid("releaseLease takes either a step or failures", lease.taskId);
    const error = options.error?.slice(0, ERROR_LENGTH);
    const history = historyLine({ event: "given back", error, delayMs });
    const patch: { -readonly [Field in keyof Patch]: Patch[Field] } = {
      lease: { action: "release", leaseMs: Math.ceil(delayMs ?? 0) },
      history,
    };
    if (step) patch.step = stepOf(step, this.#gateway.encode);
    if (failures !== undefined) patch.step = failuresStep(failures, this.#gateway.encode);
    await this.#write(lease.taskId, { scope: null, lease }, patch);
  }

  async claim(options: ClaimTaskOptions): Promise<ClaimedTask | null> {
    checkOptions("claimTask", options, CLAIM_OPTIONS);
    const [claimed] = await this.#claim(options, 1);
    return claimed ?? null;
  }

  async claimMany(options: ClaimTasksOptions): Promise<ClaimedTask[]> {
    checkOptions("claimTasks", options, CLAIM_MANY_OPTIONS);
    return this.#claim(options, options.limit);
  }

  async #claim(options: ClaimTaskOptions, limit: number): Promise<ClaimedTask[]> {
    const leaseMs = durationOf(options);
    const names = [...new Set(options.names)].filter(isStorableKey);
    if (names.length === 0) throw invalid("A claim needs at least one name");
    const query = { leaseMs, limit, history: takenBy(options) };
    for (;;) {
      const claimed = await (options.concurrency
        ? this.#limited.claim(names, options.concurrency, query)
        : this.#gateway.call((backend) => backend.claim({ names, ...query })));
      const readable = claimed.flatMap((task) => {
        const record = this.#recordOf(task);
        return record ? [{ lease: leaseOf(task, leaseMs), record }] : [];
      });
      // Others may wait behind those that cannot be read.
      if (readable.length > 0 || claimed.length === 0) return readable;
    }
  }

  /**
   * The record, or `undefined` if it cannot be read here. Then the lease is left to lapse: a runner
   * that has the key may take the task, and the task expires in its time.
   */
  #recordOf(task: StoredTask): TaskRecord | undefined {
    try {
      return toRecord(task);
    } catch (error) {
      if (!isTaskStoreError(error, "PAYLOAD_UNREADABLE")) throw error;
      this.#gateway.report(naming(task.taskId, error));
      return undefined;
    }
  }

  #write(taskId: string, guard: WriteGuard, patch: Patch): Answer<StoredTask> {
    return this.#gateway.write(taskId, guard, patch, (at) => cannotUpdate(taskId, at, undefined));
  }
}

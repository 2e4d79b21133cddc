import "../runtime.ts";

// The names for authors of backends, and of packages that build on a store. The root entry point
// has the contract that users see, and the errors.

export { Codec } from "../codec/codec.ts";
export { concurrencyCheck } from "../contract/call-options.ts";
export { MAX_KEY_LENGTH } from "../contract/checks.ts";
export { assertJson, isCoded } from "../contract/json.ts";
export { errorObjectOf, messageOf, rpcCodeOf } from "../contract/json-rpc.ts";
export {
  checkBeside,
  checkEither,
  checkOptions,
  checks,
  type OptionCheck,
  type OptionTable,
} from "../contract/option-checks.ts";
export { readTaskMetrics, TASK_METRICS, type TaskMetric, type TaskSample } from "../monitoring/metrics.ts";
export { deadline, onAbort } from "../process/aborts.ts";
export { type Context, presentContext } from "../process/context.ts";
export { keptAlive } from "../process/keep-alive.ts";
export * as realTime from "../process/real-time.ts";
export { reporter } from "../process/reporter.ts";
export { pause, type StepKeeper, Steps } from "../runner/steps.ts";
export { WORKER_OPTIONS } from "../runner/worker.ts";
export { DurableTaskStore } from "../store/durable-task-store.ts";
export { splitOptions } from "../store/settings.ts";
export { type Advice, byAdvice, driverCode, type FailedWrite, mismatch, unavailable } from "./advice.ts";
export type { Answer } from "./answer.ts";
export { Batches, type BatchLimits, type Gathering } from "./batches.ts";
export { GatheredClaims } from "./claims.ts";
export { type Due, DueHeap } from "./due-heap.ts";
export {
  type EventBackend,
  eventKind,
  type Settlement,
  type StoredEvent,
  type StoredNotifier,
} from "./event-backend.ts";
export { inSteps } from "./in-steps.ts";
export { Quota, type QuotaLimit } from "./quota.ts";
export {
  isStepText,
  isTaskText,
  type Rewrite,
  type StepText,
  stepOf,
  type TaskText,
  type TextField,
} from "./rewrites.ts";
export {
  aboutChange,
  appendHistory,
  applyPatch,
  guardHolds,
  HISTORY_LENGTH,
  initialTask,
  isActive,
  isClaimable,
  isExpired,
  isInScope,
  isVisibleChange,
  KEPT_AFTER_DELAY_MS,
  withPayloads,
} from "./rules.ts";
export { matchesFilter, searchByList, stuckReason } from "./search.ts";
export type { Bounds, SearchFilter, SearchPage, SearchQuery } from "./search-query.ts";
export { PAYLOAD_FIELDS, type PayloadField, type StoredTask } from "./stored-task.ts";
export type {
  BackendHost,
  Caps,
  ChangedTask,
  ClaimQuery,
  DeletionStep,
  Guard,
  InsertOutcome,
  LimitedClaimQuery,
  ListQuery,
  NewTask,
  OnChange,
  OwnerScope,
  Patch,
  PushOutcome,
  RestoredTask,
  Step,
  TaskBackend,
  UpdateOutcome,
} from "./task-backend.ts";

export type {
  Capabilities,
  Caps,
  ClaimQuery,
  Guard,
  InsertOutcome,
  ListQuery,
  NewTask,
  OwnerScope,
  Patch,
  PayloadField,
  PushOutcome,
  StoredTask,
  TaskBackend,
  UpdateOutcome,
} from "./backend.ts";
export {
  ANY_OWNER,
  type Caller,
  type ClaimedTask,
  type CreateTaskOptions,
  type InputRequest,
  type Lease,
  type Limits,
  type Owner,
  type OwnerOptions,
  type SubscribeOptions,
  type TaskChange,
  type TaskOutcome,
  type TaskRecord,
  type TaskSnapshot,
  type TaskStore,
  type TaskStoreOptions,
  type TtlLimits,
  type WaitForTaskOptions,
  type WaitOptions,
  type WriteOptions,
} from "./contract.ts";
export { DurableTaskStore } from "./durable-task-store.ts";
export {
  isTaskStoreError,
  JsonRpcError,
  TaskStoreError,
  type TaskStoreErrorCode,
  type TaskStoreErrorDetails,
} from "./errors.ts";
export { MAX_KEY_LENGTH } from "./json.ts";
export type { QueuedMessage, TaskMessageQueue } from "./message-queue.ts";
export type { RemoteOutcome, RemoteReference, RemoteTask } from "./remote-task.ts";
export {
  applyPatch,
  guardHolds,
  initialTask,
  isActive,
  isClaimable,
  isExpired,
  isInScope,
  isVisibleChange,
  withPayloads,
} from "./rules.ts";
export {
  type CreateMessageResult,
  type ElicitResult,
  type InputOptions,
  type RunOutcome,
  type RunTaskOptions,
  runTask,
  type TaskContext,
  type TaskHandler,
} from "./run-task.ts";
export {
  type ActiveStatus,
  type ErrorObject,
  generateTaskId,
  isTaskStatus,
  isTerminal,
  isValidTransition,
  type Meta,
  MODEL_IMMEDIATE_RESPONSE_META_KEY,
  RELATED_TASK_META_KEY,
  type Request,
  type RequestId,
  type Result,
  type Task,
  type TaskStatus,
  type TerminalStatus,
  TRANSITIONS,
} from "./task.ts";
export {
  type FollowedTask,
  type FollowOptions,
  type PollerOptions,
  startPoller,
  type TaskPoller,
} from "./task-poller.ts";
export { startWorker, type TaskWorker, type WorkerOptions } from "./worker.ts";

import "./runtime.ts";

// The names for authors of servers and clients. Every store package exports them as well.

export { type AesGcmOptions, aesGcm, type PayloadKey } from "./codec/aes-gcm.ts";
export { type CompressOptions, compress } from "./codec/compress.ts";
export { directoryStorage } from "./codec/directory-storage.ts";
export { type OffloadOptions, offload } from "./codec/offload.ts";
export type { Capabilities } from "./contract/capabilities.ts";
export type {
  ObjectPage,
  ObjectQuery,
  ObjectStorage,
  PayloadCodec,
  PayloadPlace,
  PayloadStage,
  StagedPayload,
  StagedTasks,
} from "./contract/codec.ts";
export {
  isTaskStoreError,
  JsonRpcError,
  TaskStoreError,
  type TaskStoreErrorCode,
  type TaskStoreErrorDetails,
} from "./contract/errors.ts";
export {
  type DeliveredEvent,
  type DeliveryOutcome,
  type EventLease,
  type EventPage,
  type EventTask,
  type KeptEvent,
  type ListEventsOptions,
  type NotifierStatus,
  type RedeliverOptions,
  type RegisterNotifierOptions,
  TASK_EVENT_KINDS,
  type TakeEventsOptions,
  type TakenEvent,
  type TaskEvent,
  type TaskEventKind,
  type TaskEvents,
} from "./contract/events.ts";
export { FILTER_WORDS, parseTaskFilter } from "./contract/filter-text.ts";
export type { QueuedMessage, TaskMessageQueue } from "./contract/messages.ts";
export type {
  BulkOptions,
  BulkOutcome,
  CancelTasksOptions,
  CopyOptions,
  CopyOutcome,
  ExportedTask,
  ExportOptions,
  HistoryEntry,
  ImportOptions,
  ImportOutcome,
  ListRecordsOptions,
  MinuteStats,
  NameStats,
  OperatorField,
  OperatorRecord,
  OperatorRecordWith,
  PayloadFilter,
  Percentiles,
  RecordPage,
  RerunOptions,
  RotateOptions,
  RotationOutcome,
  RotationProgress,
  StatsOptions,
  StatusOrKind,
  StuckLimits,
  StuckReason,
  TaskFilter,
  TaskOperations,
  TaskStats,
  Time,
  TimeRange,
} from "./contract/operations.ts";
export type {
  CancelTaskOptions,
  ClaimTaskOptions,
  ConcurrencyLimits,
  CreateTaskOptions,
  GetRecordOptions,
  Holder,
  LeaseOptions,
  Limits,
  NewTaskOptions,
  NewTaskRequest,
  ReleaseOptions,
  RenewOptions,
  SubscribeOptions,
  TaskStoreOptions,
  TtlLimits,
  WaitForTaskOptions,
  WaitOptions,
  WriteOptions,
} from "./contract/options.ts";
export { ANY_OWNER, type Caller, type Owner, type OwnerOptions } from "./contract/owner.ts";
export type {
  ClaimedTask,
  InputRequest,
  KeptStep,
  Lease,
  RecordField,
  TaskChange,
  TaskOutcome,
  TaskRecord,
  TaskRecordWith,
  TaskSnapshot,
  TaskSteps,
} from "./contract/record.ts";
export {
  type ActiveStatus,
  type CreatedTask,
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
} from "./contract/task.ts";
export type {
  RunnerStore,
  SdkTaskStore,
  TaskInputs,
  TaskLeases,
  TaskReads,
  TaskStepReads,
  TaskStore,
  TaskWaits,
  TaskWrites,
  TransactionalWrites,
} from "./contract/task-store.ts";
export { type CheckReadyOptions, checkReady, type Readiness } from "./monitoring/check-ready.ts";
export type { MonitoredStores, TaskMetricsOptions } from "./monitoring/metrics.ts";
export { prometheusText } from "./monitoring/prometheus-text.ts";
export { type AuditLine, auditLog } from "./notifier/audit-log.ts";
export { DeliveryError } from "./notifier/delivery-error.ts";
export type { Deliver, DeliveryBackoff, FailedDelivery, NotifierOptions } from "./notifier/options.ts";
export { startNotifier, type TaskNotifier } from "./notifier/start-notifier.ts";
export { type WebhookBody, type WebhookOptions, webhook } from "./notifier/webhook.ts";
export type { RemoteOutcome, RemoteReference, RemoteTask } from "./poller/remote-task.ts";
export { startPoller } from "./poller/start-poller.ts";
export type { FollowedTask, FollowOptions, PollerOptions, TaskPoller } from "./poller/task-poller.ts";
export type { LostMessage, TracedOperation, TraceMessage } from "./process/tracing.ts";
export {
  type DrainOptions,
  type DrainOutcome,
  drain,
  type RanTask,
  type RunNextOptions,
  runNext,
} from "./runner/drain.ts";
export type { HandlerWithOptions, TaskHandlers } from "./runner/handlers.ts";
export type {
  CreateMessageResult,
  ElicitedContent,
  ElicitParams,
  ElicitResult,
  SampleParams,
  SamplingContent,
  SamplingMessage,
} from "./runner/questions.ts";
export type { RetryOptions } from "./runner/retry.ts";
export type { HandlerOptions, RunOutcome, RunTaskOptions } from "./runner/run-options.ts";
export { runTask } from "./runner/run-task.ts";
export type { StepContext, StepOptions } from "./runner/steps.ts";
export type { DeliverContext, InputOptions, TaskContext, TaskHandler } from "./runner/task-handler.ts";
export {
  startWorker,
  type TaskWorker,
  type WorkerOptions,
} from "./runner/worker.ts";
export { copyTasks } from "./store/operations/copy.ts";

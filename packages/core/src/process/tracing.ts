import { channel, tracingChannel } from "node:diagnostics_channel";
import type { Request } from "../contract/task.ts";

/** What is published, as `mcp-task-store.create` and so on. */
export type TracedOperation = "create" | "claim" | "run" | "write" | "wait" | "ask" | "answer" | "lease" | "sweep";

/**
 * What subscribers get of an operation, the same object at its start and at its end. Node adds
 * `result` or `error`.
 */
export interface TraceMessage {
  readonly operation: TracedOperation;
  /** The method that was called, for instance `finishTask`. */
  readonly method: string;
  taskId?: string | undefined;
  /** The tool's name; of a claim, the names that it asks for. */
  readonly name?: string | undefined;
  readonly names?: readonly string[] | undefined;
  /** Of a run: 1 for the first one. More means that the runner before it was lost. */
  readonly attempt?: number | undefined;
  /** Of a run: the `traceparent` of the task's last run that was traced, in any process. */
  readonly formerTrace?: string | undefined;
  /** At the start of a run, a subscriber may set it: it is kept for the runs after it. */
  traceparent?: string | undefined;
  /**
   * The request of a new task or of a run. At the start of `create`, a subscriber may replace it,
   * for instance by one whose `_meta` has a `traceparent`.
   */
  request?: Request | undefined;
  /** At the start, a subscriber may set it: the operation then runs inside. */
  within?: (<T>(run: () => T) => T) | undefined;
  result?: unknown;
  error?: unknown;
}

const PREFIX = "mcp-task-store";
const channels = new Map<TracedOperation, ReturnType<typeof tracingChannel<object, TraceMessage>>>();

function channelOf(operation: TracedOperation) {
  let found = channels.get(operation);
  if (!found) {
    found = tracingChannel<object, TraceMessage>(`${PREFIX}.${operation}`);
    channels.set(operation, found);
  }
  return found;
}

const lost = channel(`${PREFIX}.lost`);

/** Whether anybody listens to this operation. Ask before making a message. */
export function isTraced(operation: TracedOperation): boolean {
  return channelOf(operation).hasSubscribers;
}

/** Runs the operation, and publishes its start and its end. */
export function traced<T>(message: TraceMessage, run: () => Promise<T>): Promise<T> {
  return channelOf(message.operation).tracePromise(() => (message.within ? message.within(run) : run()), message);
}

/** Like `traced`, for an operation that is over when it returns. */
export function tracedNow<T>(message: TraceMessage, run: () => T): T {
  let outcome = (): T => {
    throw new Error("A subscriber did not run the operation");
  };
  const published = traced(message, async () => {
    try {
      const value = run();
      outcome = () => value;
      return value;
    } catch (error) {
      outcome = () => {
        throw error;
      };
      throw error;
    }
  });
  published.catch(() => undefined);
  return outcome();
}

/** What subscribers of `mcp-task-store.lost` get when a run has lost its lease. */
export interface LostMessage {
  readonly taskId: string;
  readonly name: string;
  readonly attempt: number;
  readonly error: unknown;
}

export function publishLost(message: LostMessage): void {
  if (lost.hasSubscribers) lost.publish(message);
}

// Carries a call out, and says what its caller saw.
import {
  isTaskStoreError,
  type Lease,
  type Task,
  type TaskSnapshot,
  type TaskStore,
  TaskStoreError,
} from "@mcp-task-store/core";
import {
  type Answer,
  type Call,
  isRead,
  type PauseCall,
  type QueueCall,
  type Seen,
  type TaskCall,
} from "./operation.ts";

/** The task that a call is about. */
export interface Target {
  /** Its name in the history, which is the name of its tool as well. */
  readonly register: string;
  readonly id: string;
  readonly owner: string;
}

/** Answers by register. A call that tells nothing of a task has none for it. */
export type Answers = Record<string, Answer>;

/** How long waits wait. A wait without an answer tells nothing. */
const WAIT_MS = 25;

/** What callers can learn beside answers. */
export interface Learned {
  lease?: Lease;
  id?: string;
}

/** Calls for one task. `learned` gets what later calls need. */
export async function callTask(
  store: TaskStore,
  target: Target,
  call: TaskCall,
  learned: Learned,
): Promise<Answer | undefined> {
  try {
    const seen = await seenBy(store, target, call, learned);
    return seen && { seen };
  } catch (error) {
    return failure(error, call);
  }
}

/** What a failed call tells. `undefined`: nothing, since it changed nothing and saw nothing. */
export function failure(error: unknown, call: Call): Answer | undefined {
  if ((error as Error).name === "TimeoutError") return undefined;
  if ((error as Error).name === "JsonRpcError") return { seen: { outcome: (error as Error).message } };
  if (!isTaskStoreError(error)) return { error: String(error) };
  if (error.code === "BACKEND_UNAVAILABLE")
    return error.write === "not-applied" || isRead(call) ? undefined : "unknown";
  // The task was there when the wait began.
  if (error.code === "TASK_EXPIRED") return { error: "TASK_NOT_FOUND" };
  return { error: error.status === undefined ? error.code : `${error.code} ${error.status}` };
}

/** @throws what the store throws, and `TASK_NOT_FOUND` where the store returns `null` */
async function seenBy(store: TaskStore, target: Target, call: TaskCall, learned: Learned): Promise<Seen | undefined> {
  const { id, owner, register } = target;
  const lease = "token" in call && call.token !== undefined ? leaseOf(id, call) : undefined;
  const fenced = lease ? { owner, lease } : { owner };
  switch (call.do) {
    case "create": {
      const { ttl, claimAfterMs, grain, once } = call;
      const options = { name: register, owner, ttl, claimAfterMs, arguments: { grain } };
      if (!once) {
        await store.createTask({ ...options, taskId: id });
        return { created: true };
      }
      const { taskId, created } = await store.createTask({ ...options, dedupeKey: register });
      learned.id = taskId;
      return { created };
    }
    case "read":
      if (call.by === "getTask") return seenInTask(there(await store.getTask(id, { owner })));
      return seenInRecord(
        there(await (call.by === "getRecord" ? store.getRecord(id, { owner }) : store.operations.getRecord(id))),
      );
    case "readAsOther":
      return seenInTask(there(await store.getTask(id, { owner: `not ${owner}` })));
    case "readResult": {
      const { by } = call;
      const result = await (by === "getTaskResult"
        ? store.getTaskResult(id, { owner })
        : store.waitForResult(id, { owner, timeoutMs: WAIT_MS }));
      return { outcome: result["text"] as string };
    }
    case "readSteps": {
      const { results, failures } = await store.readSteps(id, { owner });
      return { steps: JSON.stringify([...results].sort()), failures };
    }
    case "awaitInput":
      return { answer: (await store.awaitInput(id, call.key, { owner, timeoutMs: WAIT_MS })) as string };
    case "wait": {
      const options = { owner, until: "change", after: call.after, timeoutMs: WAIT_MS } as const;
      const { task, revision, attempt, claimableAt } = await store.waitForTask(id, options);
      return { ...seenInTask(task), revision, attempt, ended: claimableAt === undefined };
    }
    case "update": {
      const { status, message, checkpoint, step } = call;
      if (checkpoint === undefined && !step && status !== undefined && !lease) {
        await store.updateTaskStatus(id, status as "working", message, { owner });
        return {};
      }
      const kept = step && { name: step[0], result: step[1] };
      const change = { status: status as "working", statusMessage: message, checkpoint, step: kept };
      return seenIn(await store.updateTask(id, change, fenced));
    }
    case "finish": {
      const { status, outcome: text } = call;
      if (status === "completed" && !lease) {
        await store.storeTaskResult(id, status, { text }, { owner });
        return {};
      }
      if (status === "completed") return seenIn(await store.finishTask(id, { status, result: { text } }, fenced));
      const error = { code: -32000, message: text };
      return seenIn(await store.finishTask(id, { status: "failed", error }, fenced));
    }
    case "cancel":
      return seenIn(await store.cancelTask(id, { owner, statusMessage: call.message }));
    case "ask": {
      const question = { method: "elicitation/create", params: { question: call.question } };
      return seenIn(await store.requestInputs(id, { [call.key]: question }, fenced));
    }
    case "answer": {
      if (call.operator) await store.operations.answerInput(id, call.key, call.text);
      else return { taken: (await store.provideInputs(id, { [call.key]: call.text }, { owner })).join() };
      return {};
    }
    case "acquire": {
      const taken = await store.acquireLease(id, { owner, leaseMs: call.leaseMs });
      learned.lease = taken;
      return { token: taken.token, attempt: taken.attempt };
    }
    case "renew":
      await store.renewLease(leaseOf(id, call));
      return {};
    case "release": {
      const { delayMs, failures, step } = call;
      const kept = step ? { step: { name: step[0], result: step[1] } } : failures === undefined ? {} : { failures };
      await store.releaseLease(leaseOf(id, call), { delayMs, ...kept });
      return {};
    }
    case "requeue":
      return seenIn(await store.operations.requeueTask(id));
    case "remove": {
      const { done, skipped } = await store.operations.removeTasks({ id });
      if (done === 1) return { removed: true };
      if (skipped.active === 1) return { removed: false };
      return undefined;
    }
    case "claim":
    case "sweep":
      throw new Error("These calls are for several tasks");
  }
}

/** The tasks on a page. It leaves out only tasks that do not exist. */
export async function list(store: TaskStore, targets: readonly Target[], owner: string): Promise<Answers> {
  try {
    const { tasks } = await store.listTasks(undefined, { owner });
    const found = new Map(tasks.map((task) => [task.taskId, task]));
    return eachOf(targets, ({ id }) => {
      const task = found.get(id);
      return task ? { seen: seenInTask(task) } : { error: "TASK_NOT_FOUND" };
    });
  } catch (error) {
    return failedFor(targets, error, { do: "read", by: "listTasks" });
  }
}

/** `pause` and `resume` are for the first of the tasks. */
export async function callPauses(store: TaskStore, targets: readonly Target[], call: PauseCall): Promise<Answers> {
  const [{ register = "" } = {}] = targets;
  try {
    if (call.do === "readPaused") {
      const names = await store.operations.pausedNames();
      return eachOf(targets, (target) => ({ seen: { paused: names.includes(target.register) } }));
    }
    await (call.do === "pause" ? store.operations.pauseClaims(register) : store.operations.resumeClaims(register));
    return { [register]: { seen: {} } };
  } catch (error) {
    return failedFor(targets, error, call);
  }
}

/** A claim tells nothing of the tasks that it did not take. */
export async function claim(
  store: TaskStore,
  targets: readonly Target[],
  leaseMs: number,
  learned: Map<string, Lease>,
): Promise<Answers> {
  const names = targets.map(({ register }) => register);
  try {
    const answers: Answers = {};
    for (const { lease, record } of await store.claimTasks({ names, leaseMs, limit: 2 })) {
      learned.set(record.name, lease);
      const twice = answers[record.name] !== undefined;
      answers[record.name] = twice
        ? { error: "taken twice by one claim" }
        : { seen: { ...seenInRecord(record), token: lease.token, attempt: lease.attempt } };
    }
    return answers;
  } catch (error) {
    return failedFor(targets, error, { do: "claim", leaseMs });
  }
}

export async function callQueue(
  store: TaskStore,
  queue: string,
  call: QueueCall,
  reports: () => number,
): Promise<Answer | undefined> {
  const before = reports();
  try {
    if (call.do === "enqueue") {
      const message = { jsonrpc: "2.0", method: "notifications/message" } as const;
      await store.messages.enqueue(
        queue,
        { type: "notification", timestamp: call.item, message },
        undefined,
        call.most,
      );
      return { seen: {} };
    }
    const first = call.do === "dequeue" ? await store.messages.dequeue(queue) : undefined;
    const taken = call.do === "dequeueAll" ? await store.messages.dequeueAll(queue) : first ? [first] : [];
    // It never rejects. It tells `onError` instead, and returns nothing.
    if (call.do === "dequeueAll" && taken.length === 0 && reports() > before) return "unknown";
    return { seen: { items: taken.map(({ timestamp }) => timestamp).join() } };
  } catch (error) {
    return failure(error, call);
  }
}

function failedFor(targets: readonly Target[], error: unknown, call: Call): Answers {
  const answer = failure(error, call);
  return answer ? eachOf(targets, () => answer) : {};
}

function eachOf(targets: readonly Target[], answer: (target: Target) => Answer): Answers {
  return Object.fromEntries(targets.map((target) => [target.register, answer(target)]));
}

export function there<T>(found: T | null): T {
  if (found === null) throw new TaskStoreError("TASK_NOT_FOUND", "There is no task");
  return found;
}

function seenInTask({ status, statusMessage }: Task) {
  return { status, message: statusMessage ?? null };
}

export function seenIn({ task, revision }: TaskSnapshot): Seen {
  return { ...seenInTask(task), revision };
}

type Found = NonNullable<Awaited<ReturnType<TaskStore["getRecord"]>>>;

function seenInRecord(record: Found): Seen {
  const { task, revision, attempt, claimableAt, request, result, error, checkpoint, inputRequests } = record;
  const { grain = null } = (request.params?.["arguments"] ?? {}) as { grain?: number };
  return {
    ...seenInTask(task),
    revision,
    attempt,
    grain,
    ended: claimableAt === undefined,
    outcome: (result?.["text"] as string | undefined) ?? error?.message ?? null,
    checkpoint: (checkpoint as string | undefined) ?? null,
    open: Object.entries(inputRequests)
      .map(([key, { params }]) => `${key}=${params?.["question"]}`)
      .join(),
  };
}

function leaseOf(taskId: string, call: TaskCall): Lease {
  const { token = 0, leaseMs = 30_000 } = call as { token?: number; leaseMs?: number };
  return { taskId, token, attempt: 1, leaseMs };
}

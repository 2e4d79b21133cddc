import { types } from "node:util";
import { ANY_OWNER, isTaskStoreError, JsonRpcError, type TaskStore } from "@mcp-task-store/core";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Place, stores } from "../fixtures/stores.ts";
import { hostileValue, isLongRun, runs, TIMEOUT_MS, Trapped } from "./hostile.ts";

// Whatever a program passes to a method, the method answers or rejects with an error of the
// contract. It never throws, and a refused call writes nothing.

/** A task of the test, its lease, and values of the generator. */
interface Given {
  readonly taskId: string;
  readonly lease: unknown;
}

/** Well-formed arguments, by method. A wait has an end. */
const CALLS: Record<string, (given: Given) => unknown[]> = {
  createTask: () => [{ name: "made", arguments: { a: 1 }, owner: "o", ttl: 60_000, dedupeKey: "k" }],
  createTaskOfSdk1: () => [{ ttl: 60_000 }, 1, { method: "tools/call", params: { name: "made" } }, "session"],
  getTask: ({ taskId }) => [taskId, "session"],
  getRecord: ({ taskId }) => [taskId, { owner: "o", fields: ["result"] }],
  storeTaskResult: ({ taskId }) => [taskId, "completed", { content: [] }, "session"],
  getTaskResult: ({ taskId }) => [taskId, "session"],
  updateTaskStatus: ({ taskId }) => [taskId, "working", "message", "session"],
  listTasks: () => ["cursor", "session"],
  updateTask: ({ taskId, lease }) => [taskId, { statusMessage: "m", checkpoint: { a: 1 } }, { lease, owner: "o" }],
  finishTask: ({ taskId, lease }) => [taskId, { status: "failed", error: { code: 1, message: "m" } }, { lease }],
  cancelTask: ({ taskId }) => [taskId, { owner: "o", statusMessage: "m" }],
  requestInputs: ({ taskId, lease }) => [taskId, { q: { method: "elicitation/create", params: {} } }, { lease }],
  provideInputs: ({ taskId }) => [taskId, { q: { action: "accept" } }, { owner: "o" }],
  awaitInput: () => ["unknown", "q", { owner: "o", timeoutMs: 1 }],
  waitForTask: () => ["unknown", { until: "end", timeoutMs: 1, fields: ["result"] }],
  waitForResult: () => ["unknown", { timeoutMs: 1 }],
  subscribe: () => [() => undefined, { taskId: "unknown", names: ["n"], statuses: ["working"] }],
  acquireLease: ({ taskId }) => [taskId, { owner: "o", leaseMs: 1_000 }],
  renewLease: ({ lease }) => [lease, { leaseMs: 1_000 }],
  releaseLease: ({ lease }) => [lease, { delayMs: 1 }],
  claimTask: () => [{ names: ["none"], leaseMs: 1_000 }],
  claimTasks: () => [{ names: ["none"], limit: 2, leaseMs: 1_000 }],
  watchClaimable: () => [() => undefined],
  readSteps: ({ taskId }) => [taskId, { owner: "o" }],
  deleteExpired: () => [{ limit: 1 }],
};

const OPERATIONS: Record<string, (given: Given) => unknown[]> = {
  listRecords: () => [{ where: { status: "failed" }, order: "newest", limit: 2, fields: ["result"] }],
  stats: () => [{ by: "name" }],
  getRecord: ({ taskId }) => [taskId],
  cancelTasks: () => [{ name: "none" }, { dryRun: true }],
  removeTasks: () => [{ name: "none" }, { dryRun: true }],
  requeueTask: ({ taskId }) => [taskId],
  rerunTask: ({ taskId }) => [taskId],
  answerInput: ({ taskId }) => [taskId, { q: { action: "accept" } }],
  pauseClaims: () => ["none"],
  resumeClaims: () => ["none"],
};

const BULK: ReadonlySet<string> = new Set(["cancelTasks", "removeTasks"]);

const MESSAGES: Record<string, (given: Given) => unknown[]> = {
  enqueue: ({ taskId }) => [taskId, { type: "request", message: { jsonrpc: "2.0", id: 1, method: "m" }, timestamp: 1 }],
  dequeue: ({ taskId }) => [taskId, "session"],
  dequeueAll: ({ taskId }) => [taskId, "session"],
};

const calls = [
  ...Object.keys(CALLS).map((name) => ["store", name] as const),
  ...Object.keys(OPERATIONS).map((name) => ["operations", name] as const),
  ...Object.keys(MESSAGES).map((name) => ["messages", name] as const),
];

const drawn = fc.record({
  call: fc.constantFrom(...calls),
  changes: fc.array(fc.record({ at: fc.nat(), value: hostileValue }), { minLength: 1, maxLength: 2 }),
});

function argumentsOf([part, name]: (typeof calls)[number], given: Given): unknown[] {
  const table = part === "store" ? CALLS : part === "operations" ? OPERATIONS : MESSAGES;
  return (table[name] as (given: Given) => unknown[])(given);
}

function methodOf(store: TaskStore, [part, name]: (typeof calls)[number]): (...args: unknown[]) => Promise<unknown> {
  const object: object = part === "store" ? store : store[part];
  const method: unknown = Reflect.get(object, name === "createTaskOfSdk1" ? "createTask" : name);
  return (method as (...args: unknown[]) => Promise<unknown>).bind(object);
}

/** Replaces an argument, or a field of one. */
function replace(args: unknown[], at: number, value: unknown): void {
  const places: [object, string][] = args.flatMap((argument, index) => [
    [args, String(index)] as [object, string],
    ...(isPlain(argument) ? Object.keys(argument).map((key) => [argument, key] as [object, string]) : []),
  ]);
  const [holder, key] = places[at % places.length] as [object, string];
  Reflect.set(holder, key, value);
}

function isPlain(value: unknown): value is object {
  if (typeof value !== "object" || value === null || types.isProxy(value)) return false;
  return Object.getPrototypeOf(value) === Object.prototype;
}

describe.each(isLongRun ? stores : stores.filter(({ name }) => name === "memory" || name === "SQLite"))(
  "$name",
  ({ usePlaces }) => {
    const newPlace = usePlaces();

    test("every method with hostile arguments", { timeout: TIMEOUT_MS }, async () => {
      await using place: Place = await newPlace();
      const store = place.open({ sweepIntervalMs: false });
      const newCanary = async () => {
        const { taskId } = await store.createTask({ name: "canary", owner: "canary" });
        return { taskId, before: await store.getRecord(taskId, { owner: ANY_OWNER }) };
      };
      let canary = await newCanary();
      await fc.assert(
        fc.asyncProperty(drawn, async ({ call, changes }) => {
          const { taskId } = await store.createTask({ name: "target", owner: "o" });
          const lease = await store.acquireLease(taskId, { owner: ANY_OWNER });
          const args = argumentsOf(call, { taskId, lease: { ...lease } });
          for (const { at, value } of changes) replace(args, at, value());
          const target = await store.getRecord(taskId, { owner: ANY_OWNER });
          let answer: unknown;
          try {
            answer = await methodOf(store, call)(...args);
          } catch (error) {
            expectOfContract(error);
            if (isTaskStoreError(error, "INVALID_ARGUMENT"))
              expect(await store.getRecord(taskId, { owner: ANY_OWNER })).toEqual(target);
          }
          if (typeof answer === "function") answer();
          // Acts on all tasks are meant for the canary, too.
          if (BULK.has(call[1])) canary = await newCanary();
          expect(await store.getRecord(canary.taskId, { owner: ANY_OWNER })).toEqual(canary.before);
        }),
        runs(250),
      );
    });
  },
);

function expectOfContract(error: unknown): void {
  if (isTaskStoreError(error)) expect(error.code).not.toBe("BACKEND_UNAVAILABLE");
  else if (!(error instanceof JsonRpcError || error instanceof Trapped || nameOf(error) === "TimeoutError"))
    throw new Error("The method failed with an error that the contract does not name", { cause: error });
}

/** A wait that takes too long rejects with the reason of `AbortSignal.timeout`. */
function nameOf(error: unknown): unknown {
  return error instanceof DOMException && error.name;
}

// Each call refuses wrong options before any write, and the error suggests the option that was
// meant.
import { isTaskStoreError, runTask, startPoller, startWorker, type TaskStore } from "@mcp-task-store/core";
import { checkOptions, checks, DurableTaskStore, type TaskBackend } from "@mcp-task-store/core/backend";
import { expect, test } from "vitest";

const REQUEST = { method: "tools/call", params: { name: "render" } };

/** A store over a backend that records its calls. */
function spied(options = {}): { store: TaskStore; calls: string[] } {
  const calls: string[] = [];
  const backend = new Proxy({} as TaskBackend, {
    get: (_, name) =>
      name === "capabilities"
        ? { durable: false, multiProcess: false }
        : async () => {
            calls.push(String(name));
            throw new Error(`${String(name)} was called`);
          },
  });
  return { store: new DurableTaskStore(backend, options), calls };
}

/** The message of the `INVALID_ARGUMENT` that the call throws or rejects with. */
async function refusal(call: () => unknown): Promise<string> {
  try {
    await call();
  } catch (error) {
    if (isTaskStoreError(error, "INVALID_ARGUMENT")) return error.message;
    throw error;
  }
  throw new Error("It was not refused");
}

test.each<[what: string, options: object, says: RegExp]>([
  ["a misspelt option", { pageSizes: 3 }, /"pageSizes": did you mean "pageSize"\?/],
  ["an option in the wrong case", { onerror: () => undefined }, /"onerror": did you mean "onError"\?/],
  ["an option without its unit", { sweepInterval: 5 }, /"sweepInterval": did you mean "sweepIntervalMs"\?/],
  ["an option unlike any other", { colour: "red" }, /"colour"\. It takes owner, isolation/],
  ["an option named like an inherited property", JSON.parse('{"constructor": 1, "__proto__": 1}'), /does not know/],
  [
    "a nested misspelling",
    { limits: { ttl: { defualt: 1 } } },
    /"limits.ttl.defualt": did you mean "limits.ttl.default"/,
  ],
  [
    "a number instead of an object",
    { limits: { ttl: 60_000 } },
    /limits\.ttl must be an object with default, min or max/,
  ],
  ["an array instead of an object", { limits: [] }, /limits must be an object .* not an array/],
  ["a string instead of a function", { owner: "alice" }, /owner must be a function, not a string/],
  ["a string instead of a number", { pageSize: "10" }, /pageSize must be a whole number from 1 to 1000, not a string/],
  ["true instead of false or a number", { sweepIntervalMs: true }, /sweepIntervalMs must be false or a number/],
  ["null", { fallbackPollMs: null }, /fallbackPollMs must be a number .* not null/],
  ["an unknown mode", { isolation: "none" }, /isolation must be "sdk" or "strict"/],
  ["limits that contradict each other", { limits: { ttl: { min: 2, max: 1 } } }, /limits\.ttl\.max/],
])("a store refuses %s", async (_, options, says) => {
  expect(await refusal(() => spied(options))).toMatch(says);
});

test("an undefined option counts as not given, and messages never hold a value", async () => {
  expect(() => spied({ pageSize: undefined, anything: undefined })).not.toThrow();
  const secret = "s3cret";
  expect(await refusal(() => spied({ owner: secret }))).not.toContain(secret);
  const table = { host: checks.text };
  expect(await refusal(() => checkOptions("connect", { hots: secret }, table))).not.toContain(secret);
  expect(await refusal(() => checkOptions("connect", secret, table))).not.toContain(secret);
});

const handler = () => ({});
const lease = { taskId: "t", token: 1, attempt: 1, leaseMs: 1000 };
const result = { content: [] };
const controller = new AbortController();

test.each<[what: string, call: (store: TaskStore) => unknown, says: RegExp]>([
  ["createTask", (store) => store.createTask({ tll: 1 } as object, 1, REQUEST), /"tll": did you mean "ttl"/],
  [
    "createTask without options",
    (store) => store.createTask(undefined as never, 1, REQUEST),
    /createTask takes an object/,
  ],
  ["a caller", (store) => store.getTask("t", { ownr: "alice" } as object), /"ownr": did you mean "owner"/],
  ["getRecord", (store) => store.getRecord("t", { onwer: "alice" } as object), /"onwer": did you mean "owner"/],
  ["updateTask", (store) => store.updateTask("t", { statusMesage: "x" } as object), /"statusMesage"/],
  [
    "updateTask's options",
    (store) => store.updateTask("t", { status: "working" }, { leese: lease } as object),
    /"leese"/,
  ],
  [
    "a lease without a token",
    (store) => store.updateTask("t", { status: "working" }, { lease: { taskId: "t" } as never }),
    /lease must be a lease/,
  ],
  [
    "finishTask",
    (store) => store.finishTask("t", { status: "completed", result, messsage: "" } as never),
    /"messsage"/,
  ],
  [
    "finishTask with two ends",
    (store) => store.finishTask("t", { status: "failed", result, error: { code: 1, message: "" } } as never),
    /not with both/,
  ],
  [
    "cancelTask",
    (store) => store.cancelTask("t", { message: "x" } as object),
    /"message": did you mean "statusMessage"/,
  ],
  [
    "requestInputs",
    (store) => store.requestInputs("t", { a: { method: "x" } }, { lease: 1 } as never),
    /lease must be/,
  ],
  ["provideInputs", (store) => store.provideInputs("t", { a: 1 }, { owners: "x" } as object), /"owners"/],
  [
    "awaitInput",
    (store) => store.awaitInput("t", "a", { timeout: 5 } as object),
    /"timeout": did you mean "timeoutMs"/,
  ],
  ["waitForTask", (store) => store.waitForTask("t", { timeout: 5 } as object), /"timeout": did you mean "timeoutMs"/],
  [
    "waitForTask with a controller",
    (store) => store.waitForTask("t", { signal: controller as never }),
    /signal must be an AbortSignal/,
  ],
  ["waitForTask with text", (store) => store.waitForTask("t", { after: "3" } as never), /after must be a number/],
  ["waitForResult", (store) => store.waitForResult("t", { abort: controller.signal } as object), /"abort"/],
  [
    "subscribe",
    (store) => store.subscribe(() => undefined, { taskID: "t" } as object),
    /"taskID": did you mean "taskId"/,
  ],
  ["subscribe without a listener", (store) => store.subscribe("t" as never), /subscribe needs a listener/],
  ["acquireLease", (store) => store.acquireLease("t", { durationMs: 5 } as object), /"durationMs"/],
  ["renewLease", (store) => store.renewLease({ taskId: "t" } as never), /The lease must be/],
  ["releaseLease", (store) => store.releaseLease(undefined as never), /The lease must be/],
  ["claimTask with one name", (store) => store.claimTask({ names: "render" } as never), /names must be an array/],
  [
    "claimTask with another kind of name",
    (store) => store.claimTask({ names: ["a", 1] } as never),
    /names must be an array/,
  ],
  ["deleteExpired", (store) => store.deleteExpired({ limit: "10" } as never), /limit must be a number/],
  ["enqueue", (store) => store.messages.enqueue("t", {} as never, undefined, "3" as never), /maxSize must be a number/],
  ["runTask without a handler", (store) => runTask(store, "t", undefined as never), /runTask needs a handler/],
  ["runTask", (store) => runTask(store, "t", handler, { timeout: 5 } as object), /"timeout": did you mean "timeoutMs"/],
  [
    "runTask with a lease of another length",
    (store) => runTask(store, "t", handler, { lease, leaseMs: 5 }),
    /leaseMs has no effect beside lease/,
  ],
  ["runTask without a store", () => runTask({} as never, "t", handler), /runTask needs a task store/],
  [
    "startWorker with a handler of another kind",
    (store) => startWorker(store, { render: "x" } as never),
    /handler of "render" must be a function/,
  ],
  [
    "startWorker with a Map",
    (store) => startWorker(store, new Map([["render", "x"]]) as never),
    /handler of "render" must be a function/,
  ],
  ["startWorker without handlers", (store) => startWorker(store, undefined as never), /startWorker needs handlers/],
  [
    "startWorker",
    (store) => startWorker(store, { render: handler }, { concurency: 4 } as object),
    /"concurency": did you mean "concurrency"/,
  ],
  [
    "startWorker with text",
    (store) => startWorker(store, { render: handler }, { keepAlive: "false" } as never),
    /keepAlive must be true or false/,
  ],
  ["startPoller without poll", (store) => startPoller(store, {} as never), /startPoller needs poll/],
  [
    "startPoller",
    (store) => startPoller(store, { poll: handler, interval: 5 } as never),
    /"interval": did you mean "intervalMs"/,
  ],
  [
    "startPoller with text",
    (store) => startPoller(store, { poll: handler, onEnd: "x" } as never),
    /onEnd must be a function/,
  ],
])("%s refuses wrong arguments before it calls the backend", async (_, call, says) => {
  const { store, calls } = spied();
  expect(await refusal(() => call(store))).toMatch(says);
  expect(calls).toEqual([]);
  expect(controller.signal.aborted).toBe(false);
});

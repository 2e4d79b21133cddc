import { once } from "node:events";
import {
  ANY_OWNER,
  type FollowedTask,
  MemoryTaskStore,
  type PollerOptions,
  type RemoteOutcome,
  type RemoteTask,
  startPoller,
  type TaskPoller,
  type TaskStore,
  TaskStoreError,
} from "@mcp-task-store/memory";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { RemoteTasks, unknownTask } from "./fixtures/remote-tasks.ts";

const code = (value: TaskStoreError["code"]) => expect.objectContaining({ name: "TaskStoreError", code: value });
const A = { taskId: "a" };
const DONE = { content: [{ type: "text", text: "done" }] };
const NEVER = 2 ** 31 - 1;
const unreachable = () => Object.assign(new Error("connect ECONNREFUSED"), { code: "ECONNREFUSED" });

// Timers and clocks are the test's: what is due in an hour comes at once, and at exactly that time.
let remote: RemoteTasks;
let store: TaskStore;
let errors: { error: unknown; task: FollowedTask | undefined }[];
let changes: RemoteTask[];
let ends: RemoteOutcome[];
let stalls: { at: number; task: FollowedTask }[];
let pollers: TaskPoller[];

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "Date", "performance"] });
  remote = new RemoteTasks();
  store = new MemoryTaskStore({ sweepIntervalMs: false, fallbackPollMs: NEVER });
  [errors, changes, ends, stalls, pollers] = [[], [], [], [], []];
});
afterEach(async () => {
  await Promise.all(pollers.map((poller) => poller.stop()));
  await store.close();
  vi.restoreAllMocks();
  vi.useRealTimers();
});

function start(options: Partial<PollerOptions> = {}, on = store): TaskPoller {
  const startedAt = performance.now();
  const poller = startPoller(on, {
    poll: remote.poll,
    onError: (error, task) => errors.push({ error, task }),
    onChange: (_, state) => changes.push(state),
    onEnd: (_, outcome) => ends.push(outcome),
    onStalled: (task) => stalls.push({ at: performance.now() - startedAt, task }),
    idleIntervalMs: 0,
    ...options,
  });
  pollers.push(poller);
  return poller;
}

const advance = (ms: number) => vi.advanceTimersByTimeAsync(ms);
const record = (taskId: string) => store.getRecord(taskId, { owner: ANY_OWNER });

/** The store with something done before each call. */
function before(on: TaskStore, intercept: (method: string) => void): TaskStore {
  return new Proxy(on, {
    get(target, key) {
      const value: unknown = Reflect.get(target, key, target);
      if (typeof value !== "function") return value;
      return async (...args: unknown[]) => {
        intercept(String(key));
        return Reflect.apply(value, target, args);
      };
    },
  });
}

describe("the interval of a task", () => {
  test.each(["pollIntervalMs", "pollInterval"])("is what the remote last said in %s", async (field) => {
    remote.set("a", { [field]: 5000 });
    await start().follow(A);
    await advance(10_000);
    remote.set("a", { [field]: 2000 });
    await advance(9000);
    remote.set("a", { [field]: 60_000 });
    await advance(121_000);
    expect(remote.times("a")).toEqual([0, 5000, 10_000, 15_000, 17_000, 19_000, 21_000, 81_000]);
  });

  test("is intervalMs when the remote says nothing sensible", async () => {
    remote.set("a", { pollIntervalMs: "soon" as unknown as number });
    remote.set("b");
    const poller = start({ intervalMs: 700 });
    await Promise.all([poller.follow(A), poller.follow({ taskId: "b" })]);
    await advance(1400);
    expect(remote.times("a")).toEqual([0, 700, 1400]);
    expect(remote.times("b")).toEqual([0, 700, 1400]);
  });

  test.each([
    [0, 250],
    [1e300, 8000],
  ])("of %d is brought into the bounds", async (pollIntervalMs, expected) => {
    remote.set("a", { pollIntervalMs });
    await start({ minIntervalMs: 250, maxIntervalMs: 8000 }).follow(A);
    await advance(2 * expected);
    expect(remote.times("a")).toEqual([0, expected, 2 * expected]);
  });

  test("begins when the remote has answered", async () => {
    remote.set("a", { pollIntervalMs: 1000 });
    const poll: PollerOptions["poll"] = async (reference) => {
      const task = remote.poll(reference);
      await new Promise((resolve) => setTimeout(resolve, 400));
      return task;
    };
    await start({ poll }).follow(A);
    await advance(2800);
    expect(remote.times("a")).toEqual([0, 1400, 2800]);
  });

  test("grows by a fifth while nothing changes, up to idleIntervalMs, and a change ends that", async () => {
    remote.set("a", { pollIntervalMs: 1000 });
    await start({ idleIntervalMs: 1500 }).follow(A);
    await advance(1000 + 1200 + 1440 + 1500 + 1500);
    // The first poll was news; each after it was not.
    const gaps = () => remote.times("a").map((at, index, all) => at - (all[index - 1] ?? 0));
    expect(gaps().slice(1)).toEqual([1000, 1200, 1440, 1500, 1500]);
    remote.set("a", { pollIntervalMs: 1000, statusMessage: "half-way" });
    await advance(1500 + 1000 + 1200);
    expect(gaps().slice(6)).toEqual([1500, 1000, 1200]);
  });

  test("that the remote asked for is not touched by a shorter idleIntervalMs", async () => {
    remote.set("a", { pollIntervalMs: 50_000 });
    await start({ idleIntervalMs: 30_000 }).follow(A);
    await advance(150_000);
    expect(remote.times("a")).toEqual([0, 50_000, 100_000, 150_000]);
  });

  test("comes before the first poll of a task that was just created", async () => {
    remote.set("a", { pollIntervalMs: 3000 });
    const poller = start();
    const taskId = await poller.follow(A, { task: { taskId: "a", status: "working", pollIntervalMs: 3000 } });
    await advance(1000);
    poller.refresh(taskId);
    await advance(1999);
    expect(remote.times("a")).toEqual([]);
    await advance(3001);
    expect(remote.times("a")).toEqual([3000, 6000]);
  });

  test("is kept by refresh, which ends what came on top of it", async () => {
    remote.set("a", { pollIntervalMs: 1000 });
    const poller = start({ idleIntervalMs: 60_000 });
    const taskId = await poller.follow(A);
    await advance(55_000);
    const before = remote.times("a").length;
    expect(remote.times("a").at(-1)).toBeLessThan(54_000);
    poller.refresh(taskId);
    await advance(1300);
    // At once, since more than an interval has passed; then as if it had just changed.
    expect(remote.times("a").slice(before)).toEqual([55_000, 56_200]);
    poller.refresh(taskId);
    await advance(1000);
    expect(remote.times("a").at(-1)).toBe(57_200);
    poller.refresh("no such task");
  });

  test("is kept while a poll is under way", async () => {
    remote.set("a");
    const answers: (() => void)[] = [];
    const poll: PollerOptions["poll"] = (reference) =>
      new Promise((resolve) => answers.push(() => resolve(remote.poll(reference))));
    const poller = start({ poll });
    const taskId = await poller.follow(A);
    await advance(5000);
    poller.refresh(taskId);
    await advance(5000);
    expect(answers).toHaveLength(1);
    answers[0]?.();
    await advance(1000);
    expect(answers).toHaveLength(2);
  });

  test("counts from a poll that refresh brought forward", async () => {
    remote.set("a", { pollIntervalMs: 1000 });
    const poller = start({ idleIntervalMs: 60_000 });
    const taskId = await poller.follow(A);
    // The next one would come at about 59 s, after one of another task.
    await advance(54_000);
    remote.set("b", { pollIntervalMs: 3000 });
    await poller.follow({ taskId: "b" });
    await advance(1000);
    remote.set("a", { pollIntervalMs: 20_000 });
    poller.refresh(taskId);
    await advance(0);
    const before = remote.times("a").length;
    await advance(19_000);
    expect(remote.times("a")).toHaveLength(before);
  });
});

describe("many tasks", () => {
  test("have one timer, and no more polls at once than allowed", async () => {
    let running = 0;
    let most = 0;
    const poll: PollerOptions["poll"] = async (reference) => {
      running += 1;
      most = Math.max(most, running);
      await new Promise((resolve) => setTimeout(resolve, 10));
      running -= 1;
      return remote.poll(reference);
    };
    const poller = start({ poll, concurrency: 7 });
    const names = Array.from({ length: 2000 }, (_, index) => `task-${index}`);
    for (const name of names) remote.set(name, { pollIntervalMs: 10_000 });
    await Promise.all(names.map((taskId) => poller.follow({ taskId })));
    // Of the store there is none: nobody waits.
    expect(vi.getTimerCount()).toBe(1);
    await advance(5);
    expect(running).toBe(7);
    // As many rounds of 10 ms as it takes.
    await advance(Math.ceil(2000 / 7) * 10);
    expect(most).toBe(7);
    expect(names.filter((name) => remote.times(name).length !== 1)).toEqual([]);
    expect(vi.getTimerCount()).toBe(1);
    for (const name of names) remote.set(name, { status: "completed", result: { name } });
    const outcomes = Promise.all(
      (await Promise.all(names.map((taskId) => poller.follow({ taskId })))).map((id) => poller.wait(id)),
    );
    await advance(20_000);
    expect(await outcomes).toEqual(names.map((name) => ({ status: "completed", result: { name } })));
    expect(errors).toEqual([]);
  });

  test("that wait for their turn cost nothing", async () => {
    const poller = start({
      poll: () => new Promise<never>(() => undefined),
      concurrency: 2,
      timeoutMs: 60_000,
      claimMs: NEVER,
    });
    for (let index = 0; index < 5; index += 1) await poller.follow({ taskId: String(index) });
    await advance(10);
    const timers = vi.spyOn(globalThis, "setTimeout");
    await advance(50_000);
    expect(timers).not.toHaveBeenCalled();
  });

  test("are polled in the order in which they are due", async () => {
    const poller = start();
    const order: string[] = [];
    const intervals = [900, 300, 700, 100, 500, 200, 800, 400, 600];
    for (const interval of intervals) {
      const taskId = String(interval);
      remote.set(taskId, { pollIntervalMs: interval });
      await poller.follow({ taskId }, { task: { taskId, status: "working", pollIntervalMs: interval } });
    }
    await advance(900);
    const first = [...remote.polls].map(([taskId, [at]]) => ({ taskId, at }));
    order.push(...first.map(({ taskId }) => taskId));
    expect(order).toEqual(intervals.toSorted((a, b) => a - b).map(String));
    expect(first.every(({ taskId, at }) => Number(taskId) === at)).toBe(true);
  });

  test("that hang or fail hold up no other", async () => {
    remote.set("a", { pollIntervalMs: 1000 });
    remote.fail("down", unreachable());
    const hang = new Promise<never>(() => undefined);
    const poll: PollerOptions["poll"] = (reference) => (reference.taskId === "hangs" ? hang : remote.poll(reference));
    const poller = start({ poll });
    for (const taskId of ["hangs", "down", "a"]) await poller.follow({ taskId });
    await advance(3000);
    expect(remote.times("a")).toEqual([0, 1000, 2000, 3000]);
  });
});

describe("the end of a task", () => {
  const cases: [string, Partial<RemoteTask>, RemoteOutcome][] = [
    ["a result", { status: "completed", result: DONE }, { status: "completed", result: DONE }],
    [
      "the result of a tool that failed",
      { status: "completed", result: { ...DONE, isError: true }, statusMessage: "no luck" },
      { status: "completed", result: { ...DONE, isError: true }, statusMessage: "no luck" },
    ],
    [
      "a JSON-RPC error",
      { status: "failed", error: { code: -32603, message: "broken", data: { why: 1 } } },
      { status: "failed", error: { code: -32603, message: "broken", data: { why: 1 } } },
    ],
    [
      "a JSON-RPC error like that of an unknown task",
      { status: "failed", error: { code: -32602, message: "no such tool" } },
      { status: "failed", error: { code: -32602, message: "no such tool" } },
    ],
    [
      "a cancellation",
      { status: "cancelled", statusMessage: "by you" },
      { status: "cancelled", statusMessage: "by you" },
    ],
    ["no result", { status: "completed" }, { status: "completed" }],
    [
      "neither result nor error",
      { status: "failed", statusMessage: "why" },
      { status: "failed", statusMessage: "why" },
    ],
    [
      "an error that is none",
      { status: "failed", error: { text: "oh" } as never },
      { status: "failed", error: { code: -32603, message: "The task failed" } },
    ],
  ];
  test.each(cases)("with %s is stored, and it is not polled again", async (_, state, outcome) => {
    remote.set("a");
    const poller = start();
    const taskId = await poller.follow(A);
    const waiting = poller.wait(taskId);
    await advance(1000);
    remote.set("a", state);
    await advance(1000);
    expect(await waiting).toEqual(outcome);
    expect(await poller.wait(taskId)).toEqual(outcome);
    expect(ends).toEqual([outcome]);
    expect((await record(taskId))?.task.status).toBe(outcome.status);
    await advance(600_000);
    expect(remote.times("a")).toEqual([0, 1000, 2000]);
    expect(vi.getTimerCount()).toBeLessThanOrEqual(2);
    expect(errors).toEqual([]);
  });

  test("is there for whoever uses the local store", async () => {
    remote.set("a", { status: "completed", result: DONE });
    const taskId = await start().follow(A);
    const waiting = store.waitForResult(taskId);
    await advance(0);
    expect(await waiting).toEqual(DONE);
  });

  test.each(["completed", "failed"] as const)("of a %s task of 2025-11-25 is fetched", async (status) => {
    remote.set("a", { status, statusMessage: "see the result" });
    const fetchResult = vi.fn(async () => ({ ...DONE, isError: status === "failed" }));
    const poller = start({ fetchResult });
    const taskId = await poller.follow({ ...A, server: "one" });
    await advance(0);
    expect(await poller.wait(taskId)).toEqual({
      status,
      statusMessage: "see the result",
      result: { ...DONE, isError: status === "failed" },
    });
    expect(fetchResult.mock.calls).toEqual([[{ ...A, server: "one" }, { signal: expect.any(AbortSignal) }]]);
  });

  test.each([
    [Object.assign(new Error("bad arguments"), { code: -32602 }), { code: -32602, message: "bad arguments" }],
    [
      Object.assign(new Error("mine"), { name: "JsonRpcError", code: 7, data: [1] }),
      { code: 7, message: "mine", data: [1] },
    ],
  ])("of a failed task of 2025-11-25 may be an error: %s", async (thrown, error) => {
    remote.set("a", { status: "failed" });
    const poller = start({ fetchResult: () => Promise.reject(thrown) });
    const taskId = await poller.follow(A);
    await advance(0);
    expect(await poller.wait(taskId)).toEqual({ status: "failed", error });
  });

  test.each([
    ["completed", Object.assign(new Error("internal"), { code: -32603 })],
    ["failed", unreachable()],
    // As SDKs say that a connection was closed, or that an HTTP server answered 503.
    ["failed", Object.assign(new Error("Connection closed"), { code: -32000 })],
    ["failed", Object.assign(new Error("Service Unavailable"), { code: 503 })],
  ] as const)("of a %s task is fetched again after: %s", async (status, error) => {
    remote.set("a", { status });
    const fetchResult = vi.fn(async () => DONE);
    fetchResult.mockRejectedValueOnce(error).mockRejectedValueOnce(error);
    const poller = start({ fetchResult });
    const taskId = await poller.follow(A);
    await advance(60_000);
    expect(await poller.wait(taskId)).toEqual({ status, result: DONE });
    expect(errors.map((entry) => entry.error)).toEqual([error, error]);
    // The task itself had ended.
    expect(remote.times("a")).toEqual([0]);
  });

  test("whose result is gone is that of an unknown task", async () => {
    remote.set("a", { status: "completed" });
    const poller = start({ fetchResult: () => Promise.reject(unknownTask()) });
    const taskId = await poller.follow(A);
    await advance(0);
    expect(await poller.wait(taskId)).toMatchObject({ status: "failed", lost: "unknown" });
  });

  test("that the store refuses becomes an error that says so", async () => {
    await store.close();
    store = new MemoryTaskStore({ sweepIntervalMs: false, limits: { payloadBytes: 2000 } });
    remote.set("a", { status: "completed", result: { text: "x".repeat(3000) } });
    const poller = start();
    const taskId = await poller.follow(A);
    await advance(5000);
    expect(await poller.wait(taskId)).toMatchObject({ status: "failed", error: { code: -32603 } });
    expect(errors.map(({ error }) => error)).toEqual([code("PAYLOAD_TOO_LARGE")]);
  });
});

describe("a task that cannot be read", () => {
  test("is polled on, ever more rarely and at random, until it can be", async () => {
    remote.set("a", { pollIntervalMs: 1000 });
    remote.fail("a", unreachable());
    const random = vi.spyOn(Math, "random").mockReturnValue(0);
    const poller = start({ errorIntervalMs: 10_000 });
    const taskId = await poller.follow(A);
    await advance(2000 + 4000 + 8000 + 10_000 + 10_000);
    expect(remote.times("a")).toEqual([0, 2000, 6000, 14_000, 24_000, 34_000]);
    random.mockReturnValue(1);
    await advance(10_000 + 5000);
    expect(remote.times("a").slice(6)).toEqual([44_000, 49_000]);
    expect(errors).toHaveLength(8);
    expect(errors.at(-1)).toEqual({ error: unreachable(), task: expect.objectContaining({ taskId, reference: A }) });
    expect((await record(taskId))?.task.status).toBe("working");
    remote.fail("a", undefined);
    await advance(5000 + 2000);
    expect(remote.times("a").slice(8)).toEqual([54_000, 55_000, 56_000]);
    expect(errors).toHaveLength(8);
  });

  test("because the answer does not come is polled again after timeoutMs, and the signal ends the poll", async () => {
    remote.set("a");
    const signals: AbortSignal[] = [];
    const poll: PollerOptions["poll"] = (reference, { signal }) => {
      signals.push(signal);
      const task = remote.poll(reference);
      return signals.length === 1 ? new Promise<never>(() => undefined) : task;
    };
    vi.spyOn(Math, "random").mockReturnValue(0);
    await start({ poll, timeoutMs: 5000 }).follow(A);
    await advance(4999);
    expect(signals[0]?.aborted).toBe(false);
    await advance(1 + 2000 + 1000);
    expect(signals[0]?.reason).toMatchObject({ name: "TimeoutError" });
    expect(remote.times("a")).toEqual([0, 7000, 8000]);
    expect(errors).toEqual([{ error: expect.objectContaining({ name: "TimeoutError" }), task: expect.anything() }]);
    expect(signals[1]?.aborted).toBe(false);
  });

  test.each([undefined, null, "text", {}, { taskId: "a", status: "unheard-of" }])(
    "because the remote answered %o is polled on",
    async (answer) => {
      const poller = start({ poll: () => answer as RemoteTask });
      const taskId = await poller.follow(A);
      await advance(10_000);
      expect(errors.length).toBeGreaterThan(1);
      expect((await record(taskId))?.task.status).toBe("working");
    },
  );

  test.each([true, false])("because the remote does not know it ends (read before: %s)", async (before) => {
    if (before) remote.set("a");
    const poller = start();
    const taskId = await poller.follow(A);
    if (before) await advance(500);
    remote.fail("a", unknownTask());
    await advance(1000);
    const outcome = {
      status: "failed",
      lost: "unknown",
      error: { code: -32602, message: "The server does not know the task, or not any more", data: expect.anything() },
    };
    expect(await poller.wait(taskId)).toEqual(outcome);
    expect(ends).toEqual([outcome]);
    expect(errors).toEqual([]);
    await advance(60_000);
    expect(remote.times("a")).toHaveLength(before ? 2 : 1);
  });

  test.each([-32603, -32021, 404])("with the code %d is polled on", async (value) => {
    remote.fail("a", Object.assign(new Error("no"), { code: value }));
    const taskId = await start().follow(A);
    await advance(60_000);
    expect(errors.length).toBeGreaterThan(3);
    expect((await record(taskId))?.task.status).toBe("working");
  });

  test.each(["ttlMs", "ttl"])("is given up once its %s is over, and not before", async (field) => {
    const state = { createdAt: new Date().toISOString(), [field]: 100_000, pollIntervalMs: 10_000 };
    remote.set("a", state);
    vi.spyOn(Math, "random").mockReturnValue(1);
    const poller = start({ errorIntervalMs: 0 });
    const taskId = await poller.follow(A);
    await advance(30_000);
    remote.fail("a", unreachable());
    await advance(70_000);
    expect((await record(taskId))?.task.status).toBe("working");
    await advance(10_000);
    expect(await poller.wait(taskId)).toMatchObject({ status: "failed", lost: "unreachable" });
    expect(remote.times("a").at(-1)).toBe(110_000);
  });

  test("past its ttl is not given up while it can be read, nor for one failure", async () => {
    remote.set("a", { createdAt: new Date().toISOString(), ttlMs: 5000 });
    const poller = start();
    const taskId = await poller.follow(A);
    await advance(60_000);
    remote.fail("a", unreachable());
    await advance(1000);
    remote.fail("a", undefined);
    await advance(10_000);
    expect(errors).toHaveLength(1);
    remote.set("a", { status: "completed", result: DONE });
    await advance(1000);
    expect(await poller.wait(taskId)).toEqual({ status: "completed", result: DONE });
  });
});

describe("what is told", () => {
  test("is each new state, once, with its questions", async () => {
    const ask = (message: string) => ({ method: "elicitation/create", params: { message } });
    const states: Partial<RemoteTask>[] = [
      { status: "working" },
      { status: "working", statusMessage: "half-way" },
      { status: "working", statusMessage: "half-way", lastUpdatedAt: "2026-01-01T00:00:09.000Z" },
      { status: "input_required", inputRequests: { name: ask("Your name?") } },
      // Another question under the same status.
      { status: "input_required", inputRequests: { name: ask("Your name?"), age: ask("Your age?") } },
      { status: "working" },
      { status: "completed", result: DONE },
    ];
    const poller = start();
    remote.set("a", states[0]);
    const taskId = await poller.follow(A);
    for (const state of states) {
      remote.set("a", state);
      await advance(3000);
      const stored = await record(taskId);
      expect(stored?.task.status).toBe(state.status);
      if (state.status === "input_required")
        expect(stored?.checkpoint).toMatchObject({ remote: { inputRequests: state.inputRequests } });
    }
    expect(changes).toEqual(states.map((state) => expect.objectContaining(state)));
    // What the remote no longer says is not kept.
    expect((await record(taskId))?.task.statusMessage).toBe("");
    expect(await poller.wait(taskId)).toEqual({ status: "completed", result: DONE });
  });

  test("is a task that does not move for stalledAfterMs, once each time", async () => {
    remote.set("a", { pollIntervalMs: 1000 });
    const poller = start({ stalledAfterMs: 5500 });
    const taskId = await poller.follow(A);
    await advance(20_500);
    expect(stalls).toEqual([
      { at: 6000, task: expect.objectContaining({ taskId, remote: expect.objectContaining({ status: "working" }) }) },
    ]);
    expect(await record(taskId)).toMatchObject({ checkpoint: { stalled: true }, task: { status: "working" } });
    remote.set("a", { pollIntervalMs: 1000, statusMessage: "on we go" });
    await advance(1000);
    expect(await record(taskId)).toMatchObject({ checkpoint: { stalled: false } });
    // Another interval is no movement.
    remote.set("a", { pollIntervalMs: 2000, statusMessage: "on we go" });
    await advance(40_000);
    expect(stalls.map(({ at }) => at)).toEqual([6000, 28_000]);
    expect(remote.times("a").at(-1)).toBeGreaterThan(50_000);
  });

  test("is not a stall while the task cannot be read", async () => {
    remote.set("a");
    await start({ stalledAfterMs: 5000, errorIntervalMs: 0 }).follow(A);
    await advance(1500);
    remote.fail("a", unreachable());
    await advance(30_000);
    expect(stalls).toEqual([]);
    remote.fail("a", undefined);
    remote.set("a", { statusMessage: "moved meanwhile" });
    await advance(1500);
    expect(stalls).toEqual([]);
  });

  test("may be told to callbacks that throw or reject", async () => {
    const warnings: unknown[] = [];
    const onWarning = (warning: unknown) => warnings.push(warning);
    process.on("warning", onWarning);
    try {
      remote.set("a");
      const bug = () => {
        throw new Error("a bug in a callback");
      };
      const poller = start({
        onChange: bug,
        onStalled: bug,
        onError: bug,
        onEnd: async () => bug(),
        stalledAfterMs: 1500,
      });
      const taskId = await poller.follow(A);
      await advance(3000);
      remote.fail("a", unreachable());
      await advance(3000);
      remote.fail("a", undefined);
      remote.set("a", { status: "completed", result: DONE });
      await advance(60_000);
      expect(await poller.wait(taskId)).toEqual({ status: "completed", result: DONE });
      await new Promise(setImmediate);
      expect(warnings.length).toBeGreaterThanOrEqual(5);
    } finally {
      process.off("warning", onWarning);
    }
  });

  test("are errors as process warnings if nobody listens", async () => {
    remote.fail("a", unreachable());
    const warned = once(process, "warning");
    await start({ onError: undefined }).follow(A);
    await advance(0);
    expect((await warned)[0]).toMatchObject({ message: "connect ECONNREFUSED" });
  });
});

describe("the local store", () => {
  test("is not written to by polls that find nothing new, but for the lease", async () => {
    const calls = new Map<string, number>();
    const counting = before(store, (method) => calls.set(method, (calls.get(method) ?? 0) + 1));
    remote.set("a", { pollIntervalMs: 1000 });
    await start({ leaseMs: 120_000, stalledAfterMs: NEVER }, counting).follow(A);
    await advance(1000);
    expect(Object.fromEntries(calls)).toMatchObject({ createTask: 1, acquireLease: 1, updateTask: 1 });
    calls.clear();
    await advance(599_000);
    expect(remote.times("a")).toHaveLength(601);
    // Ten minutes; a renewal in each. A look for tasks that finds none writes nothing.
    expect(Object.fromEntries(calls)).toEqual({ renewLease: 10, claimTask: 599 });
  });

  test("has one task for a reference, in whatever order its keys are", async () => {
    remote.set("a");
    const [one, other] = [start(), start()];
    const ids = await Promise.all([
      one.follow({ taskId: "a", server: { url: "u", name: "n" } }),
      one.follow({ server: { name: "n", url: "u" }, taskId: "a" }),
      other.follow({ taskId: "a", server: { url: "u", name: "n" } }),
    ]);
    expect(new Set(ids).size).toBe(1);
    await advance(0);
    expect(remote.times("a")).toEqual([0]);
    const elsewhere = await one.follow({ taskId: "a", server: { url: "v", name: "n" } });
    expect(ids).not.toContain(elsewhere);
    remote.set("a", { status: "completed", result: DONE });
    await advance(1000);
    // A task that ended is not followed again.
    const polls = remote.times("a").length;
    expect(await one.follow({ taskId: "a", server: { url: "u", name: "n" } })).toBe(ids[0]);
    await advance(10_000);
    expect(remote.times("a")).toHaveLength(polls);
  });

  test("keeps the pollers of different names apart", async () => {
    remote.set("a");
    const [one, other] = [start(), start({ name: "other" })];
    const ids = [await one.follow(A), await other.follow(A)];
    expect(new Set(ids).size).toBe(2);
    await one.stop();
    await advance(10_000);
    expect(remote.times("a")).toHaveLength(11);
    await expect(other.unfollow(ids[0] as string)).rejects.toEqual(code("TASK_NOT_FOUND"));
  });

  test("that fails for a while loses nothing", async () => {
    let up = true;
    const down = new TaskStoreError("BACKEND_UNAVAILABLE", "down");
    const failing = before(store, (method) => {
      if (!up && method !== "getRecord") throw down;
    });
    remote.set("a");
    remote.set("b");
    const poller = start({ leaseMs: 16_000, errorIntervalMs: 2000 }, failing);
    const [a, b] = [await poller.follow(A), await poller.follow({ taskId: "b" })];
    await advance(1000);
    up = false;
    remote.set("a", { statusMessage: "news" });
    remote.set("b", { status: "completed", result: DONE });
    await advance(10_000);
    expect(errors.length).toBeGreaterThan(0);
    expect(errors.every(({ error }) => error === down)).toBe(true);
    expect((await record(a))?.task.statusMessage).toBeUndefined();
    up = true;
    await advance(4000);
    expect((await record(a))?.task.statusMessage).toBe("news");
    expect(await poller.wait(b)).toEqual({ status: "completed", result: DONE });
    // Each was told once, and the task that had ended was not polled again.
    expect(changes).toHaveLength(4);
    expect(ends).toHaveLength(1);
    expect(remote.times("b")).toEqual([0, 1000, 2000].slice(0, remote.times("b").length));
  });

  test("is told of a task that is no longer followed, and the poll under way ends", async () => {
    const signals: AbortSignal[] = [];
    const poll: PollerOptions["poll"] = (_, { signal }) => {
      signals.push(signal);
      return new Promise<never>(() => undefined);
    };
    const poller = start({ poll });
    const taskId = await poller.follow(A);
    await advance(1000);
    const waiting = poller.wait(taskId);
    await poller.unfollow(taskId);
    expect(signals[0]?.aborted).toBe(true);
    expect(await waiting).toEqual({ status: "cancelled", statusMessage: "The task is no longer followed." });
    await advance(600_000);
    expect(signals).toHaveLength(1);
    expect([errors, ends]).toEqual([[], []]);
    await poller.unfollow(taskId);
    await expect(poller.unfollow("no such task")).rejects.toEqual(code("TASK_NOT_FOUND"));
  });

  test("may cancel a task by itself: its poller stops at the latest when it renews", async () => {
    remote.set("a");
    const poller = start({ leaseMs: 10_000 });
    const taskId = await poller.follow(A);
    await advance(1000);
    await store.cancelTask(taskId, { owner: ANY_OWNER });
    await advance(60_000);
    expect(remote.times("a").at(-1)).toBeLessThanOrEqual(5000);
    expect(errors).toEqual([]);
  });

  test("that is closed ends the poller", async () => {
    remote.set("a");
    await start().follow(A);
    await advance(0);
    await store.close();
    await advance(10_000);
    expect(vi.getTimerCount()).toBe(0);
    expect(errors).toEqual([]);
  });
});

describe("another poller on the same store", () => {
  test("takes up every unfinished task, and polls it at once", async () => {
    const names = Array.from({ length: 300 }, (_, index) => `task-${index}`);
    for (const name of names) remote.set(name, { pollIntervalMs: 100_000 });
    const first = start();
    await Promise.all(names.map((taskId) => first.follow({ taskId })));
    await advance(1000);
    remote.set("task-7", { status: "completed", result: DONE });
    await advance(100_000);
    await first.stop();
    expect(names.map((name) => remote.times(name).length)).toEqual(names.map(() => 2));
    changes = [];
    start();
    await advance(50);
    expect(names.map((name) => remote.times(name).length)).toEqual(names.map((name) => (name === "task-7" ? 2 : 3)));
    expect(changes).toEqual([]);
  });

  test("tells again of a task that waits for input, and not of one that was found stalled", async () => {
    // An SDK may leave undefined where JSON has nothing.
    const params = { message: "Your name?", mode: undefined };
    const inputRequests = { name: { method: "elicitation/create", params } };
    remote.set("a", { status: "input_required", inputRequests });
    const first = start({ stalledAfterMs: 5000 });
    const taskId = await first.follow(A);
    await advance(6000);
    await first.stop();
    expect([changes.length, stalls.length]).toEqual([1, 1]);
    const known = await record(taskId);
    const second = start({ stalledAfterMs: 5000 });
    await advance(20_000);
    expect(changes).toEqual([expect.objectContaining({ inputRequests }), expect.objectContaining({ inputRequests })]);
    expect(stalls).toHaveLength(1);
    // Told, but nothing new.
    expect((await record(taskId))?.revision).toBe(known?.revision);
    await second.stop();
  });

  test.each(["a state that was read", "its creation"])(
    "counts the time that a task does not move from %s on",
    async (since) => {
      remote.set("a");
      const first = start({ stalledAfterMs: 10_000 });
      await first.follow(A, since === "its creation" ? { task: remote.poll(A) } : {});
      await advance(6500);
      await first.stop();
      await advance(1000);
      start({ stalledAfterMs: 10_000 });
      await advance(10_000);
      expect(stalls.map(({ at }) => Math.floor(at / 100))).toEqual([30]);
    },
  );

  test("takes a task over when the lease lapses, and the poller that could not renew it leaves it", async () => {
    let up = true;
    const cut = before(store, (method) => {
      if (!up && method !== "getRecord") throw new TaskStoreError("BACKEND_UNAVAILABLE", "down");
    });
    const polledBy: string[] = [];
    const by = (name: string): Partial<PollerOptions> => ({
      leaseMs: 8000,
      poll(reference) {
        polledBy.push(name);
        return remote.poll(reference);
      },
    });
    remote.set("a");
    const first = start(by("first"), cut);
    const second = start(by("second"));
    const taskId = await first.follow(A);
    await advance(30_000);
    expect(new Set(polledBy)).toEqual(new Set(["first"]));
    up = false;
    await advance(10_000);
    polledBy.length = 0;
    up = true;
    await advance(30_000);
    expect(new Set(polledBy)).toEqual(new Set(["second"]));
    remote.set("a", { status: "completed", result: DONE });
    await advance(1000);
    expect(await second.wait(taskId)).toEqual({ status: "completed", result: DONE });
    expect(ends).toHaveLength(1);
  });

  test("leaves what a poller writes whose lease was taken over without effect", async () => {
    remote.set("a");
    const first = start({ leaseMs: 8000 });
    const taskId = await first.follow(A);
    await advance(1000);
    // Time passes for the store alone, as for a process that was suspended.
    const later = vi.spyOn(Date, "now").mockReturnValue(Date.now() + 10_000);
    await store.acquireLease(taskId, { owner: ANY_OWNER, durationMs: 3_600_000 });
    later.mockRestore();
    remote.set("a", { status: "completed", result: DONE });
    await advance(60_000);
    expect((await record(taskId))?.task.status).toBe("working");
    expect(ends).toEqual([]);
    expect(remote.times("a")).toHaveLength(3);
  });
});

describe("stop()", () => {
  test("ends the polls under way, whether or not they heed their signal, and takes no more tasks", async () => {
    const signals: AbortSignal[] = [];
    const poll: PollerOptions["poll"] = (_, { signal }) => {
      signals.push(signal);
      return new Promise<never>(() => undefined);
    };
    const poller = start({ poll });
    await poller.follow(A);
    await advance(10);
    await poller.stop();
    expect(signals.map(({ reason }) => reason)).toEqual([expect.objectContaining({ name: "AbortError" })]);
    expect(vi.getTimerCount()).toBe(0);
    expect(errors).toEqual([]);
    await expect(poller.follow({ taskId: "b" })).rejects.toEqual(code("INVALID_ARGUMENT"));
    await poller.stop();
  });

  test("gives back what was being followed or claimed meanwhile", async () => {
    remote.set("a");
    remote.set("b");
    const waiting = start();
    await waiting.follow({ taskId: "b" });
    await waiting.stop();
    const poller = start();
    const following = poller.follow(A);
    await Promise.all([advance(0), poller.stop(), following]);
    const other = start();
    const polls = [remote.times("a").length, remote.times("b").length];
    await advance(10);
    expect([remote.times("a").length, remote.times("b").length]).toEqual(polls.map((count) => count + 1));
    await other.stop();
  });
});

test.each([
  { poll: undefined as never },
  { concurrency: 0 },
  { timeoutMs: 0 },
  { intervalMs: Number.NaN },
  { minIntervalMs: 0 },
  { minIntervalMs: 10, maxIntervalMs: 9 },
  { idleIntervalMs: -1 },
  { errorIntervalMs: -1 },
  { stalledAfterMs: 0 },
  { leaseMs: 1 },
  { claimMs: 2 ** 31 },
  { name: "tools/call" },
  { name: "" },
])("options that cannot be right are refused: %o", (options) => {
  expect(() => start(options)).toThrow(code("INVALID_ARGUMENT"));
});

test.each([undefined, null, {}, { taskId: 7 }, { taskId: "a", id: 1n }, { taskId: "a", ttl: Number.NaN }])(
  "a reference that cannot be right is refused: %o",
  async (reference) => {
    await expect(start().follow(reference as never)).rejects.toEqual(code("INVALID_ARGUMENT"));
  },
);

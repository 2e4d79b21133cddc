import { type RunOutcome, runTask, startWorker, type TaskContext, type WorkerOptions } from "@mcp-task-store/core";
import { describe, expect, test } from "vitest";
import { code } from "../../../../tooling/test/fixtures/errors.ts";
import { untilAborted } from "../../../../tooling/test/fixtures/events.ts";
import { stores } from "../../../../tooling/test/fixtures/stores.ts";
import { DONE, useScene } from "./support.ts";

const AT_ONCE = { delayMs: 0, limit: 3 } as const;

describe.each(stores)("retries over $name", (kind) => {
  const scene = useScene(kind);

  /** Runs the task until it has ended, and returns the outcomes of its runs. */
  async function worked(taskId: string, handler: (task: TaskContext) => unknown, options: WorkerOptions) {
    const outcomes: RunOutcome[] = [];
    const onRun = (_: string, outcome: RunOutcome) => void outcomes.push(outcome);
    const worker = startWorker(scene.store, { work: handler as never }, { claimPollMs: 5, onRun, ...options });
    await scene.other.waitForTask(taskId);
    await worker.stop();
    return outcomes;
  }

  test("a failed attempt gives the task back, and a later one ends it", async () => {
    const taskId = await scene.newTask({ claimAfterMs: 0 });
    const seen: unknown[] = [];
    const handler = async ({ attempt, failures }: TaskContext) => {
      seen.push([attempt, failures, (await scene.other.getTask(taskId))?.status]);
      if (failures < 2) throw new Error(`no luck ${failures}`);
      return DONE;
    };
    const outcomes = await worked(taskId, handler, { retry: AT_ONCE });
    expect(seen).toEqual([
      [1, 0, "working"],
      [1, 1, "working"],
      [1, 2, "working"],
    ]);
    expect(outcomes).toMatchObject([
      { stored: false, status: "working", reason: code("TASK_GIVEN_BACK"), error: { message: "no luck 0" } },
      { stored: false, error: { message: "no luck 1" } },
      { stored: true, status: "completed" },
    ]);
    const { history = [] } = (await scene.other.operations.getRecord(taskId)) ?? {};
    const errors = history.flatMap((entry) => (entry.event === "given back" ? [entry.error] : []));
    expect(errors).toEqual(["no luck 0", "no luck 1"]);
  });

  test("the last error is the outcome, or what `failureResult` makes of it", async () => {
    const fail = ({ failures }: TaskContext) => {
      throw new Error(`no luck ${failures}`);
    };
    const one = await scene.newTask({ claimAfterMs: 0 });
    await worked(one, fail, { retry: { ...AT_ONCE, limit: 1 } });
    expect(await scene.record(one)).toMatchObject({ error: { code: -32603, message: "no luck 1" } });
    const two = await scene.newTask({ claimAfterMs: 0 });
    const failureResult = (error: unknown) => ({ content: [], isError: true, said: (error as Error).message });
    await worked(two, fail, { retry: { ...AT_ONCE, limit: 1 }, failureResult });
    expect(await scene.record(two)).toMatchObject({
      task: { status: "failed" },
      result: { isError: true, said: "no luck 1" },
    });
  });

  test("`when` decides by the error, and an error that it throws is the outcome", async () => {
    const fail = ({ failures }: TaskContext) => {
      throw new Error(failures === 1 ? "fatal" : "passing");
    };
    const when = (error: unknown) => (error as Error).message === "passing";
    const one = await scene.newTask({ claimAfterMs: 0 });
    await worked(one, fail, { retry: { ...AT_ONCE, when } });
    expect(await scene.record(one)).toMatchObject({ error: { message: "fatal" } });
    const two = await scene.newTask({ claimAfterMs: 0 });
    const broken = () => {
      throw new Error("a bug in when");
    };
    await worked(two, fail, { retry: { ...AT_ONCE, when: broken } });
    expect(await scene.record(two)).toMatchObject({ error: { message: "a bug in when" } });
  });

  test("attempts lost with their runner count apart", async () => {
    const taskId = await scene.newTask({ claimAfterMs: 0 });
    const lost = await scene.store.claimTask({ names: ["work"], leaseMs: 1000 });
    expect(lost?.lease.attempt).toBe(1);
    await scene.place.skip(1000);
    const seen: number[][] = [];
    const handler = ({ attempt, failures }: TaskContext) => {
      seen.push([attempt, failures]);
      if (failures < 2) throw new Error("no luck");
      return DONE;
    };
    await worked(taskId, handler, { retry: AT_ONCE, maxAttempts: 2 });
    expect(seen).toEqual([
      [2, 0],
      [2, 1],
      [2, 2],
    ]);
    expect(await scene.record(taskId)).toMatchObject({ task: { status: "completed" }, attempt: 2 });
  });

  test("delays grow by the factor up to their limit", async () => {
    const taskId = await scene.newTask({ claimAfterMs: 0, ttl: 3_600_000 });
    const retry = { limit: 5, delayMs: 1000, factor: 10, maxDelayMs: 20_000, jitter: 0 };
    for (const _ of [1, 2, 3]) {
      await runTask(scene.store, taskId, () => Promise.reject(new Error("no luck")), { retry });
      await scene.place.skip(20_000);
    }
    const { history = [] } = (await scene.other.operations.getRecord(taskId)) ?? {};
    expect(history.flatMap((entry) => (entry.event === "given back" ? [entry.delayMs] : []))).toEqual([
      1000, 10_000, 20_000,
    ]);
  });

  test("an attempt that reaches its deadline is repeated, and a cancelled task is not", async () => {
    const one = await scene.newTask({ claimAfterMs: 0 });
    const slow = (task: TaskContext) => (task.failures > 0 ? DONE : untilAborted(task));
    const outcomes = await worked(one, slow, { retry: AT_ONCE, timeoutMs: 30 });
    expect(outcomes).toMatchObject([{ stored: false, reason: { name: "TimeoutError" } }, { stored: true }]);
    const two = await scene.newTask({ claimAfterMs: 0 });
    const cancels = async () => {
      await scene.other.cancelTask(two);
      throw new Error("no luck");
    };
    await worked(two, cancels, { retry: AT_ONCE });
    expect(await scene.record(two)).toMatchObject({ task: { status: "cancelled" } });
  });

  test("a worker that stops gives the task back without a failure", async () => {
    const taskId = await scene.newTask({ claimAfterMs: 0 });
    const begun = Promise.withResolvers<void>();
    const waits = ({ signal }: TaskContext) =>
      new Promise<never>((_, reject) => {
        signal.addEventListener("abort", () => reject(signal.reason));
        begun.resolve();
      });
    const failureResult = () => DONE;
    const worker = startWorker(scene.store, { work: waits }, { retry: AT_ONCE, failureResult });
    await begun.promise;
    await worker.stop();
    expect(await scene.other.readSteps(taskId)).toMatchObject({ failures: 0 });
    expect(await scene.record(taskId)).toMatchObject({ task: { status: "working" }, attempt: 0 });
  });
});

test("options of retries are checked at once", async () => {
  const store = { createTask: () => undefined } as never;
  for (const retry of [{ limit: -1 }, { limit: 1.5 }, { factor: 0 }, { jitter: 2 }, { when: 1 }, { delay: 1 }, 3])
    expect(() => startWorker(store, { work: () => DONE }, { retry: retry as never })).toThrow(
      expect.objectContaining({ code: "INVALID_ARGUMENT" }),
    );
});

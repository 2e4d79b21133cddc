import { runTask, startWorker, type TaskContext } from "@mcp-task-store/core";
import { describe, expect, test } from "vitest";
import { code } from "../../../../tooling/test/fixtures/errors.ts";
import { rejection, untilAborted } from "../../../../tooling/test/fixtures/events.ts";
import { stores, withMethods } from "../../../../tooling/test/fixtures/stores.ts";
import { DONE, useScene } from "./support.ts";

const RECORD = { content: [{ type: "text", text: "done" }] };

describe.each(stores)("steps over $name", (kind) => {
  const scene = useScene(kind);

  /** Runs the handler in a run that then loses its lease. */
  async function takenOver(taskId: string, handler: (task: TaskContext) => Promise<unknown>) {
    const lost = async (task: TaskContext) => {
      await handler(task);
      await scene.other.operations.requeueTask(taskId);
      return untilAborted(task);
    };
    return runTask(scene.store, taskId, lost, { leaseMs: 300 });
  }

  test("a run that takes over gets the kept results, and does the rest", async () => {
    const taskId = await scene.newTask();
    const done: string[] = [];
    const order = async (task: TaskContext) => {
      const paid = await task.step("pay", ({ idempotencyKey }) => {
        done.push(`pay ${idempotencyKey}`);
        return { id: 7, at: [1] };
      });
      await task.step("note", () => {
        done.push("note");
      });
      return paid;
    };
    expect(await takenOver(taskId, order)).toMatchObject({ stored: false, reason: code("LEASE_LOST") });
    const seen: unknown[] = [];
    await runTask(scene.other, taskId, async (task) => {
      seen.push(await order(task), await task.step("ship", () => "shipped"));
      return RECORD;
    });
    expect(seen).toEqual([{ id: 7, at: [1] }, "shipped"]);
    expect(done).toEqual([expect.stringMatching(/^pay [\w-]{43}$/), "note"]);
    expect(await scene.other.getTaskResult(taskId)).toEqual(RECORD);
  });

  test("a step has its own idempotency key, the same in every attempt and run", async () => {
    const keys: string[] = [];
    const pay = (task: TaskContext, name: string) =>
      task.step(
        name,
        ({ idempotencyKey, attempt }) => {
          keys.push(idempotencyKey);
          if (attempt < 3) throw new Error("busy");
        },
        { retry: { limit: 2, delayMs: 0 } },
      );
    const [one, two] = [await scene.newTask(), await scene.newTask()];
    for (const taskId of [one, two])
      await runTask(scene.store, taskId, async (task) => {
        await pay(task, "a");
        await pay(task, "b");
        return DONE;
      });
    expect(keys).toHaveLength(12);
    expect([...new Set(keys)]).toEqual([0, 3, 6, 9].map((at) => keys[at]));
  });

  test("a name that came before, a result that is no JSON and a step after the run are refused", async () => {
    const taskId = await scene.newTask();
    let late: TaskContext | undefined;
    const errors: unknown[] = [];
    await runTask(scene.store, taskId, async (task) => {
      late = task;
      await task.step("pay", () => 1);
      errors.push(await rejection(task.step("pay", () => 2)), await rejection(task.sleep("pay", 1)));
      errors.push(await rejection(task.step("", () => 2)), await rejection(task.step("x", "y" as never)));
      errors.push(await rejection(task.step("big", () => 1n)));
      errors.push(await rejection(task.step("z", () => 1, { retries: 1 } as never)));
      errors.push(await rejection(task.sleep("w", -1)));
      return DONE;
    });
    expect(errors).toEqual(Array(7).fill(code("INVALID_ARGUMENT")));
    expect(String(errors[0])).toContain('a step "pay"');
    expect(await rejection((late as TaskContext).step("late", () => 1))).toEqual(code("TASK_TERMINAL"));
  });

  test("a failed step rejects, is not kept, and runs again in the next run", async () => {
    const taskId = await scene.newTask();
    let calls = 0;
    const pay = (task: TaskContext) =>
      task.step("pay", () => {
        calls += 1;
        if (calls === 1) throw new Error("no money");
        return calls;
      });
    await takenOver(taskId, (task) => rejection(pay(task)));
    let paid: unknown;
    await runTask(scene.other, taskId, async (task) => {
      paid = await pay(task);
      return DONE;
    });
    expect(paid).toBe(2);
  });

  test("retries of a step end at its limit, at `when`, and with the run", async () => {
    const taskId = await scene.newTask();
    const attempts: Record<string, number> = {};
    const failing = (task: TaskContext, name: string, retry: object) =>
      rejection(
        task.step(
          name,
          ({ attempt }) => {
            attempts[name] = attempt;
            throw new Error(`${name} ${attempt}`);
          },
          { retry: { delayMs: 0, ...retry } },
        ),
      );
    const errors: unknown[] = [];
    const outcome = await runTask(scene.store, taskId, async (task) => {
      errors.push(await failing(task, "limit", { limit: 2 }));
      errors.push(await failing(task, "when", { when: (error: Error) => error.message !== "when 2" }));
      const cut = failing(task, "cut", { delayMs: 3_600_000, maxDelayMs: 3_600_000 });
      await scene.other.cancelTask(taskId);
      errors.push(await cut);
      return DONE;
    });
    expect(errors.map((error) => (error as Error).message)).toEqual([
      "limit 3",
      "when 2",
      expect.stringContaining("cancelled"),
    ]);
    expect(attempts).toEqual({ limit: 3, when: 2, cut: 1 });
    expect(outcome).toMatchObject({ stored: false, status: "cancelled" });
  });

  test("a step ends at its deadline, and its signal aborts with the run", async () => {
    const taskId = await scene.newTask();
    const reasons: unknown[] = [];
    await runTask(scene.store, taskId, async (task) => {
      const never = (name: string, timeoutMs?: number) =>
        rejection(
          task.step(
            name,
            ({ signal }) =>
              new Promise<never>((_, reject) => {
                signal.addEventListener("abort", () => {
                  reasons.push(signal.reason);
                  reject(signal.reason);
                });
              }),
            { timeoutMs },
          ),
        );
      expect(await never("late", 10)).toMatchObject({ name: "TimeoutError" });
      // A function that does not heed its signal is left behind.
      const deaf = task.step("deaf", () => new Promise<never>(() => undefined), { timeoutMs: 10 });
      expect(await rejection(deaf)).toMatchObject({ name: "TimeoutError" });
      const cut = never("cut");
      await scene.other.cancelTask(taskId);
      expect(await cut).toEqual(code("TASK_TERMINAL"));
      return DONE;
    });
    expect(reasons).toEqual([expect.objectContaining({ name: "TimeoutError" }), code("TASK_TERMINAL")]);
  });

  test("a sleep gives the task back, and the run after it goes on behind the sleep", async () => {
    const taskId = await scene.newTask();
    const seen: string[] = [];
    const handler = async (task: TaskContext) => {
      await task.step("before", () => void seen.push("before"));
      task.signal.addEventListener("abort", () => void seen.push(task.signal.reason.code));
      await task.sleep("nap", 60_000);
      seen.push(`after, attempt ${task.attempt}`);
      return DONE;
    };
    const outcome = await runTask(scene.store, taskId, handler);
    expect(outcome).toMatchObject({ stored: false, status: "working", reason: code("TASK_GIVEN_BACK") });
    expect(await scene.other.getTask(taskId)).toMatchObject({ status: "working" });
    expect(await runTask(scene.other, taskId, handler)).toMatchObject({ reason: code("LEASE_HELD") });
    await scene.place.skip(60_000);
    const worker = startWorker(scene.other, { work: handler }, { claimPollMs: 10 });
    expect(await scene.store.waitForResult(taskId)).toEqual(DONE);
    await worker.stop();
    expect(seen).toEqual(["before", "TASK_GIVEN_BACK", "after, attempt 1"]);
  });

  test("a handler that swallows the end of its sleep changes nothing more", async () => {
    const taskId = await scene.newTask();
    const outcome = await runTask(scene.store, taskId, async (task) => {
      await task.sleep("nap", 60_000).catch(() => undefined);
      expect(await task.progress("still here")).toBe(false);
      await rejection(task.step("more", () => 1));
      await rejection(task.elicit({ message: "Well?", requestedSchema: { type: "object", properties: {} } }));
      return DONE;
    });
    expect(outcome).toMatchObject({ stored: false, reason: code("TASK_GIVEN_BACK"), result: DONE });
    expect(await scene.record(taskId)).toMatchObject({ task: { status: "working" }, inputRequests: {}, revision: 1 });
    expect([...(await scene.other.readSteps(taskId)).results.keys()]).toEqual(["nap"]);
  });

  test("questions and steps go together: the run after an answer asks nothing again and repeats nothing", async () => {
    const taskId = await scene.newTask();
    let paid = 0;
    const requestedSchema = { type: "object", properties: { sure: { type: "boolean" } } } as const;
    const handler = async (task: TaskContext) => {
      await task.step("pay", () => {
        paid += 1;
      });
      const { content } = await task.elicit({ message: "Sure?", requestedSchema });
      return { content: [], structuredContent: { sure: content?.sure } };
    };
    const first = runTask(scene.store, taskId, handler, { leaseMs: 300 });
    const { inputRequests } = await scene.other.waitForTask(taskId, {
      until: ["input_required"],
      fields: ["inputRequests"],
    });
    const [key = ""] = Object.keys(inputRequests);
    await scene.other.operations.requeueTask(taskId);
    const second = runTask(scene.other, taskId, handler);
    await scene.other.provideInputs(taskId, { [key]: { action: "accept", content: { sure: true } } });
    expect(await second).toMatchObject({ stored: true, result: { structuredContent: { sure: true } } });
    await first;
    expect(paid).toBe(1);
  });

  test("a kept step whose answer was lost is written again, and the work is not", async () => {
    const taskId = await scene.newTask();
    let [writes, paid] = [0, 0];
    const flaky = withMethods(scene.store, {
      async updateTask(...args) {
        const written = await scene.store.updateTask(...args);
        writes += 1;
        if (writes === 1)
          throw Object.assign(new Error("cut"), { name: "TaskStoreError", code: "BACKEND_UNAVAILABLE" });
        return written;
      },
    });
    const outcome = await runTask(flaky, taskId, async (task) => {
      await task.step("pay", () => {
        paid += 1;
      });
      return DONE;
    });
    expect([outcome.stored, writes, paid]).toEqual([true, 2, 1]);
  });
});

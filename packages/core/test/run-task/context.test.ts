import { runTask, type TaskHandler } from "@mcp-task-store/core";
import { describe, expect, test } from "vitest";
import { code } from "../../../../tooling/test/fixtures/errors.ts";
import { aborted, untilAborted } from "../../../../tooling/test/fixtures/events.ts";
import { stores } from "../../../../tooling/test/fixtures/stores.ts";
import { DONE, useScene } from "./support.ts";

describe.each(stores)("runTask over $name", (kind) => {
  const scene = useScene(kind);

  describe("questions", () => {
    const form = {
      message: "Which city?",
      requestedSchema: { type: "object", properties: { city: { type: "string" } } },
    };
    const answer = { action: "accept", content: { city: "Oslo" } };

    test.each([
      ["elicit", "elicitation/create"],
      ["sample", "sampling/createMessage"],
    ] as const)("%s parks the task until another handle answers", async (ask, method) => {
      const taskId = await scene.newTask();
      const { outcome } = await scene.start(taskId, async (task) => ({ got: await task[ask](form as never) }));
      const parked = await scene.other.waitForTask(taskId, { until: ["input_required"] });
      const { inputRequests } = await scene.record(taskId);
      const [key = ""] = Object.keys(inputRequests);
      expect(inputRequests).toEqual({ [key]: { method, params: form } });
      expect(await scene.other.provideInputs(taskId, { unknown: {}, [key]: answer })).toEqual([key]);
      expect((await scene.other.waitForTask(taskId, { until: "change", after: parked.revision })).task.status).not.toBe(
        "input_required",
      );
      expect(await outcome).toEqual({ stored: true, status: "completed", result: { got: answer } });
    });

    test("two questions at a time are both visible, and each gets its own answer", async () => {
      const taskId = await scene.newTask();
      const { outcome } = await scene.start(taskId, async ({ elicit }) => ({
        got: await Promise.all([elicit(form, { key: "from" }), elicit(form, { key: "to" })]),
      }));
      let revision = 0;
      while (Object.keys((await scene.record(taskId)).inputRequests).length < 2)
        ({ revision } = await scene.other.waitForTask(taskId, { until: "change", after: revision }));
      await scene.other.provideInputs(taskId, { to: { action: "decline" } });
      expect(await scene.record(taskId)).toMatchObject({
        task: { status: "input_required" },
        inputRequests: { from: {} },
      });
      await scene.other.provideInputs(taskId, { from: answer });
      expect((await outcome).result).toEqual({ got: [answer, { action: "decline" }] });
    });

    test("a run that takes over asks again and gets the stored answer at once", async () => {
      const taskId = await scene.newTask();
      const { runner, resume } = scene.stalled();
      const answered = Promise.withResolvers<void>();
      const { outcome: lost } = await scene.start(
        taskId,
        async ({ elicit, signal }) => {
          await elicit(form);
          answered.resolve();
          throw await aborted(signal);
        },
        { leaseMs: 10_000, heartbeatMs: 1 },
        runner,
      );
      await scene.other.waitForTask(taskId, { until: ["input_required"] });
      const [key = ""] = Object.keys((await scene.record(taskId)).inputRequests);
      await scene.other.provideInputs(taskId, { [key]: answer });
      await answered.promise;
      await scene.place.skip(10_001);

      const statuses: string[] = [];
      const stop = await scene.store.subscribe(({ task }) => statuses.push(task.status), { taskId });
      const second = await runTask(scene.other, taskId, async ({ elicit, attempt }) => ({
        attempt,
        got: await elicit(form),
      }));
      expect(second).toMatchObject({ stored: true, result: { attempt: 2, got: answer } });
      await scene.store.waitForTask(taskId);
      stop();
      expect(statuses).not.toContain("input_required");
      resume();
      expect(await lost).toMatchObject({ stored: false });
    });

    test("the same question asked twice in a run counts as two questions", async () => {
      const taskId = await scene.newTask();
      const { outcome } = await scene.start(taskId, async ({ elicit }) => ({
        got: [await elicit(form), await elicit(form)],
      }));
      for (const round of [1, 2]) {
        await scene.other.waitForTask(taskId, { until: ["input_required"] });
        const [key = ""] = Object.keys((await scene.record(taskId)).inputRequests);
        await scene.other.provideInputs(taskId, { [key]: { round } });
      }
      expect((await outcome).result).toEqual({ got: [{ round: 1 }, { round: 2 }] });
    });

    test("a missing answer fails the task, unless the handler goes on without it", async () => {
      const [strict, lenient] = [await scene.newTask(), await scene.newTask()];
      const failed = await runTask(scene.store, strict, ({ elicit }) => elicit(form), { inputTimeoutMs: 5 });
      expect(failed).toMatchObject({ stored: true, status: "failed", error: { name: "TimeoutError" } });
      const handler: TaskHandler = ({ elicit }) => elicit(form, { timeoutMs: 5 }).catch(() => DONE);
      expect(await runTask(scene.store, lenient, handler)).toMatchObject({ stored: true, status: "completed" });
      expect((await scene.record(lenient)).inputRequests).toEqual({});
    });

    test("a key that already had another question is refused", async () => {
      const taskId = await scene.newTask();
      const { outcome } = await scene.start(taskId, async ({ elicit }) => {
        await elicit({ message: "one" }, { key: "a" });
        return elicit({ message: "two" }, { key: "a" });
      });
      await scene.other.waitForTask(taskId, { until: ["input_required"] });
      await scene.other.provideInputs(taskId, { a: answer });
      expect(await outcome).toMatchObject({ stored: true, status: "failed", error: code("INVALID_ARGUMENT") });
    });
  });

  describe("progress", () => {
    test("sets the message and saves the checkpoint, which only the next run sees", async () => {
      const taskId = await scene.newTask();
      const { runner, resume } = scene.stalled();
      const { outcome, task } = await scene.start(taskId, untilAborted, { leaseMs: 10_000, heartbeatMs: 1 }, runner);
      expect(await task.progress("1 of 2", { next: 2 })).toBe(true);
      expect(await task.progress("still 1 of 2")).toBe(true);
      const { statusMessage, ...wire } = (await scene.other.getTask(taskId)) ?? {};
      expect(statusMessage).toBe("still 1 of 2");
      expect(JSON.stringify(wire)).not.toContain("next");
      await scene.place.skip(10_001);
      const second = await runTask(scene.other, taskId, ({ checkpoint }) => ({ checkpoint }));
      expect(second).toMatchObject({ stored: true, result: { checkpoint: { next: 2 } } });
      resume();
      expect(await outcome).toMatchObject({ stored: false });
    });

    test("changes nothing after the handler has returned", async () => {
      const taskId = await scene.newTask();
      const { task, outcome } = await scene.start(taskId, () => DONE);
      await outcome;
      expect(await task.progress("late")).toBe(false);
      expect((await scene.record(taskId)).task.statusMessage).toBeUndefined();
    });

    test("throws in the handler when the checkpoint cannot be stored", async () => {
      const taskId = await scene.newTask();
      const outcome = await runTask(scene.store, taskId, async ({ progress }) => {
        await progress("half", { count: 1n });
        return DONE;
      });
      expect(outcome).toMatchObject({ stored: true, status: "failed", error: code("INVALID_ARGUMENT") });
    });
  });
});

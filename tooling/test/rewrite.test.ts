import { randomUUID } from "node:crypto";
import {
  PAYLOAD_FIELDS,
  type Patch,
  type Rewrite,
  type StoredTask,
  type TaskBackend,
} from "@mcp-task-store/core/backend";
import { describe, expect, onTestFinished, test } from "vitest";
import { type Place, stores } from "./fixtures/stores.ts";

// What a backend promises about `rewrite`: each text is replaced where it is still as it was read,
// and nothing else changes.

const ACTIVE = { scope: null };
const SMALL = '"small"';
const LARGE = JSON.stringify("large".repeat(1000));

describe.each(stores)("rewrite, over $name", (kind) => {
  const newPlace = kind.usePlaces();

  type Backend = TaskBackend & Required<Pick<TaskBackend, "rewrite">>;

  async function opened(place: Place): Promise<Backend> {
    const backend = place.openBackend();
    await backend.open({ report: (error) => expect.unreachable(String(error)) });
    onTestFinished(() => backend.close());
    return backend as Backend;
  }

  async function insert(backend: TaskBackend, request: string, ttl: number | null = 3_600_000): Promise<string> {
    const taskId = randomUUID();
    const task = { taskId, owner: "ada", name: "grind", ttl, pollInterval: 5, request, claimAfterMs: 0 };
    const outcome = await backend.insert(task, { activeTasks: null, activeTasksPerOwner: null });
    expect(outcome).toHaveProperty("inserted");
    return taskId;
  }

  /** Everything that the backend keeps for the task, but for the time of the read. */
  async function stored(backend: TaskBackend, taskId: string) {
    const [found] = await backend.readMany([taskId], [...PAYLOAD_FIELDS, "history"]);
    const { readAt: _, ...task } = found as StoredTask;
    const steps = await backend.stepsOf?.([taskId]);
    steps?.sort((one, other) => (one.name < other.name ? -1 : 1));
    return { task, steps, messages: await backend.messagesOf?.([taskId]) };
  }

  test.each([
    ["small texts by large ones", SMALL, LARGE],
    ["large texts by small ones", LARGE, SMALL],
    ["large texts by large ones", LARGE, `${LARGE} `],
  ])("replaces %s, and nothing else", async (_, from, to) => {
    await using place = await newPlace();
    const writer = await opened(place);
    const taskId = await insert(writer, from);
    const other = await insert(writer, from);
    for (const id of [taskId, other]) {
      const patch = { statusMessage: from, inputs: from, checkpoint: from, history: "taken" };
      await writer.update(id, ACTIVE, { ...patch, lease: { action: "take", leaseMs: 60_000 } });
      for (const step of ["", "a step", "another"])
        await writer.update(id, ACTIVE, { step: { name: step, body: from } });
      for (const message of ["1", from, "3", from]) await writer.push(id, message, null, 3_600_000);
      await writer.update(id, ACTIVE, { status: "failed", outcome: from });
    }
    // All signals of these changes are sent, and none is found again by a look back.
    await writer.close();
    await place.skip(5000);

    const backend = await opened(place);
    const before = await stored(backend, taskId);
    const ofOther = await stored(backend, other);
    await backend.events?.register("rewrites", ["progress", "input_required", "end"]);
    const changed: (string | undefined)[] = [];
    const stop = await backend.listen((id) => changed.push(id));

    const fields = [
      "request",
      "statusMessage",
      "inputs",
      "checkpoint",
      "outcome",
      "step:",
      "step:a step",
      "message",
    ] as const;
    const texts: Rewrite[] = fields.map((field) => ({ field, from, to }));
    const { history } = before.task;
    texts.push({ field: "history", from: `${history}`, to: `${history}more` });
    const reader = await opened(place);
    expect(await backend.rewrite(taskId, texts)).toEqual(texts.map(() => true));

    const payloads = { request: to, statusMessage: to, inputs: to, checkpoint: to, outcome: to };
    const after = {
      task: { ...before.task, ...payloads, history: `${history}more` },
      steps: before.steps?.map((step) => (step.name === "another" ? step : { ...step, body: to })),
      messages: before.messages?.map((each) => (each.message === from ? { ...each, message: to } : each)),
    };
    expect(await stored(reader, taskId)).toEqual(after);
    expect(await stored(reader, other)).toEqual(ofOther);
    expect(await backend.events?.list("rewrites", false, 0, 10)).toEqual([]);
    await backend.events?.unregister("rewrites");
    // A signal of the rewrite would come before that of a later change.
    const last = await insert(reader, from);
    await expect.poll(() => changed, { timeout: 30_000 }).toContain(last);
    expect(changed).not.toContain(taskId);
    await stop();
    // What was replaced is what the queue gives.
    expect(await reader.shift(taskId, null)).toEqual(["1", to, "3", to]);
  });

  test("leaves texts that are not as they were read, and tasks that do not exist", async () => {
    await using place = await newPlace();
    const backend = await opened(place);
    const taskId = await insert(backend, SMALL);
    await backend.update(taskId, ACTIVE, { checkpoint: LARGE, step: { name: "a", body: SMALL } });
    await backend.push(taskId, SMALL, null, 3_600_000);
    const before = await stored(backend, taskId);
    const texts: Rewrite[] = [
      { field: "request", from: LARGE, to: "1" },
      { field: "checkpoint", from: SMALL, to: "2" },
      { field: "outcome", from: SMALL, to: "3" },
      { field: "statusMessage", from: "", to: "4" },
      { field: "history", from: "", to: "4" },
      { field: "step:a", from: LARGE, to: "5" },
      { field: "step:b", from: SMALL, to: "6" },
      { field: "message", from: LARGE, to: "7" },
    ];
    expect(await backend.rewrite(taskId, texts)).toEqual(texts.map(() => false));
    expect(await stored(backend, taskId)).toEqual(before);
    // One text that was overwritten does not keep another from being replaced.
    const mixed: Rewrite[] = [
      { field: "request", from: SMALL, to: LARGE },
      { field: "checkpoint", from: SMALL, to: "2" },
    ];
    expect(await backend.rewrite(taskId, mixed)).toEqual([true, false]);
    expect(await stored(backend, taskId)).toEqual({ ...before, task: { ...before.task, request: LARGE } });

    const expired = await insert(backend, SMALL, 0);
    for (const id of [expired, randomUUID()]) {
      const rewritten = await backend.rewrite(id, [{ field: "request", from: SMALL, to: LARGE }]);
      expect(rewritten).toEqual([false]);
    }
  });

  test("replaces messages whose task does not exist, but no expired ones", async () => {
    await using place = await newPlace();
    const backend = await opened(place);
    const taskId = randomUUID();
    await backend.push(taskId, "old", null, 0);
    await backend.push(taskId, "kept", null, 3_600_000);
    const rewritten = await backend.rewrite(taskId, [
      { field: "message", from: "old", to: "new" },
      { field: "message", from: "kept", to: "replaced" },
    ]);
    expect(rewritten).toEqual([false, true]);
    expect(await backend.shift(taskId, null)).toEqual(["replaced"]);
  });

  test("never undoes a write that another handle makes meanwhile", { timeout: 60_000 }, async () => {
    await using place = await newPlace();
    const [writer, rewriter] = [await opened(place), await opened(place)];
    const taskId = await insert(writer, SMALL);
    const ROUNDS = 150;
    let ended = false;
    let replaced = 0;
    const rewriting = (async () => {
      while (!ended) {
        const [task] = await rewriter.readMany([taskId], ["checkpoint"]);
        const steps = (await rewriter.stepsOf?.([taskId])) ?? [];
        const messages = (await rewriter.messagesOf?.([taskId])) ?? [];
        const found: Omit<Rewrite, "to">[] = [
          ...(task?.checkpoint ? [{ field: "checkpoint", from: task.checkpoint } as const] : []),
          ...steps.map(({ name, body }) => ({ field: `step:${name}` as const, from: body })),
          ...messages.map(({ message }) => ({ field: "message" as const, from: message })),
        ];
        // A store in this process would otherwise read and rewrite before the writer's next turn.
        await new Promise(setImmediate);
        const plain = found.filter(({ from }) => !from.startsWith("rewritten "));
        const done = await rewriter.rewrite(
          taskId,
          plain.map((each) => ({ ...each, to: `rewritten ${each.from}` })),
        );
        replaced += done.filter((each) => each).length;
        await new Promise(setImmediate);
      }
    })();

    const taken: string[] = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      const patch: Patch = { checkpoint: `${round}`, step: { name: "a", body: `${round}` } };
      expect(await writer.update(taskId, ACTIVE, patch)).toMatchObject({ applied: true });
      await writer.push(taskId, `${round}`, null, 3_600_000);
      if (round % 3 === 2) taken.push(...(await writer.shift(taskId, 2)));
      await new Promise(setImmediate);
      const { task, steps } = await stored(writer, taskId);
      const forms = [`${round}`, `rewritten ${round}`];
      expect(forms).toContain(task.checkpoint);
      expect(forms).toContain(steps?.[0]?.body);
    }
    ended = true;
    await rewriting;
    taken.push(...(await writer.shift(taskId, null)));
    expect(taken.map((message) => message.replace("rewritten ", ""))).toEqual(
      Array.from({ length: ROUNDS }, (_, round) => `${round}`),
    );
    // The two were at work at once.
    expect(replaced).toBeGreaterThan(10);
  });
});

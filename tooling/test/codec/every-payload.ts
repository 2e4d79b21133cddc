import { ANY_OWNER, type ExportedTask, type TaskStore } from "@mcp-task-store/core";

/** Every payload that a task can have, each with a marker of its own. */
export const MARKERS = [
  "argument",
  "context",
  "question",
  "answer",
  "checkpoint",
  "step",
  "release",
  "message",
  "progress",
  "result",
  "error",
  "error-data",
  "event",
].map((name) => `marker-${name}`);

const NAME = "bake";

/** Writes two tasks of this owner with all the markers, and returns their ids. */
export async function writeEveryPayload(store: TaskStore, owner: string): Promise<[string, string]> {
  const whose = { owner };
  await store.events.register({ name: "notifier", on: ["created", "progress", "end"] });
  const { taskId } = await store.createTask({
    name: NAME,
    arguments: { text: `marker-argument ${"and flour ".repeat(200)}` },
    context: { text: "marker-context" },
    ...whose,
  });
  const first = await store.acquireLease(taskId, whose);
  await store.requestInputs(taskId, { key: { method: "elicitation/create", params: { q: "marker-question" } } }, whose);
  await store.provideInputs(taskId, { key: { text: "marker-answer" } }, whose);
  await store.updateTask(taskId, { checkpoint: { text: "marker-checkpoint" } }, { lease: first, owner: ANY_OWNER });
  await store.updateTask(taskId, { step: { name: "mix", result: "marker-step" } }, { lease: first, owner: ANY_OWNER });
  await store.updateTask(taskId, { statusMessage: "marker-event" }, whose);
  await store.releaseLease(first, { error: 'marker-release: "\\' });
  await store.messages.enqueue(taskId, {
    type: "notification",
    message: { jsonrpc: "2.0", method: "marker-message" },
    timestamp: 1,
  });
  await store.finishTask(
    taskId,
    { status: "completed", result: { content: [], text: "marker-result" }, statusMessage: "marker-progress" },
    whose,
  );
  const failed = await store.createTask({ name: NAME, ...whose });
  const error = { code: -32000, message: "marker-error", data: "marker-error-data" };
  await store.finishTask(failed.taskId, { status: "failed", error }, whose);
  return [taskId, failed.taskId];
}

/** All that can be read of the two tasks. */
export async function readEveryPayload(store: TaskStore, [taskId, failed]: [string, string]) {
  const anyone = { owner: ANY_OWNER } as const;
  const { events } = await store.operations.listEvents({ notifier: "notifier" });
  const exported = await exportOf(store);
  return {
    records: [await store.getRecord(taskId, anyone), await store.getRecord(failed, anyone)],
    steps: await store.readSteps(taskId, anyone),
    history: (await store.operations.getRecord(taskId, { fields: [] }))?.history.map(({ at: _, ...entry }) => entry),
    events: events.map(({ task }) => task),
    exported,
  };
}

export async function exportOf(store: TaskStore): Promise<ExportedTask[]> {
  const exported: ExportedTask[] = [];
  for await (const task of store.operations.exportTasks()) exported.push(task);
  return exported;
}

import { generateTaskId, type TaskStore } from "@mcp-task-store/core";

/**
 * Uses a store as an application does that has no server: waits, subscriptions, messages, leases,
 * lists, steps that fail. Everything that it makes has ended when it resolves.
 */
export async function useInside(store: TaskStore, shutdown: AbortSignal): Promise<void> {
  const { taskId } = await store.createTask({ name: "inside", arguments: { text: "x".repeat(500) } });
  const stops = await Promise.all([
    store.subscribe(() => undefined, { taskId }),
    store.subscribe(() => undefined, { names: ["inside"], statuses: ["completed"] }),
    store.watchClaimable(() => undefined),
  ]);
  try {
    const given = new AbortController();
    const waits = [
      store.waitForTask(taskId, { signal: shutdown }),
      store.waitForResult(taskId, { signal: shutdown }),
      store.waitForTask(taskId, { signal: given.signal }),
      store.waitForTask(taskId, { timeoutMs: 1 }),
    ].map((wait) => wait.catch(() => undefined));
    const lease = await store.acquireLease(taskId, { leaseMs: 3000 });
    await store.updateTask(taskId, { statusMessage: "half", checkpoint: { half: true } }, { lease });
    await store.requestInputs(taskId, { size: { method: "elicitation/create" } }, { lease });
    const answer = store.awaitInput(taskId, "size", { signal: shutdown }).catch(() => undefined);
    await store.provideInputs(taskId, { size: { action: "accept" } });
    await answer;
    given.abort();
    await useMessages(store);
    await store.listTasks();
    await store.operations.listRecords({ where: { status: "working" } });
    await store.finishTask(taskId, { status: "completed", result: { content: [] } }, { lease });
    await Promise.all(waits);
    // Refused calls leave nothing either.
    await store.cancelTask(taskId).catch(() => undefined);
    await store.getRecord(generateTaskId());
  } finally {
    for (const stop of stops) stop();
    // What failed on the way must not stay active.
    await store.cancelTask(taskId).catch(() => undefined);
  }
}

async function useMessages(store: TaskStore): Promise<void> {
  const queue = generateTaskId();
  const message = { jsonrpc: "2.0", method: "notifications/message" } as const;
  await store.messages.enqueue(queue, { type: "notification", message, timestamp: 0 });
  await store.messages.enqueue(queue, { type: "notification", message, timestamp: 1 });
  await store.messages.dequeue(queue);
  await store.messages.dequeueAll(queue);
}

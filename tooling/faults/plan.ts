import type { TaskStore } from "@mcp-task-store/core";
import { randomOf } from "./random.ts";

/** One write. */
export type Step =
  | { readonly kind: "create"; readonly taskId: string }
  | { readonly kind: "progress"; readonly taskId: string; readonly text: string }
  | { readonly kind: "complete"; readonly taskId: string }
  | { readonly kind: "fail"; readonly taskId: string }
  | { readonly kind: "cancel"; readonly taskId: string }
  | { readonly kind: "enqueue"; readonly queue: string; readonly number: number }
  | { readonly kind: "dequeue"; readonly queue: string; readonly number: number };

/** The endless sequence of writes of a lane. The seed determines all of them. */
export function* stepsOf(lane: string, seed: number): Generator<Step, never> {
  const random = randomOf(seed);
  const queue = `queue ${lane}`;
  let [tail, head] = [0, 0];
  for (let number = 0; ; number += 1) {
    const taskId = `${lane}, task ${number}`;
    yield { kind: "create", taskId };
    for (let progress = Math.floor(random() * 4); progress > 0; progress -= 1) {
      yield { kind: "progress", taskId, text: `${progress} to go` };
      if (random() < 0.5) yield { kind: "enqueue", queue, number: tail++ };
      if (head < tail && random() < 0.3) yield { kind: "dequeue", queue, number: head++ };
    }
    const end = random();
    // Some tasks stay unfinished.
    if (end < 0.9) yield { kind: end < 0.5 ? "complete" : end < 0.7 ? "fail" : "cancel", taskId };
  }
}

/** The content of a task's result, which shows a missing or foreign result. */
export const resultOf = (taskId: string) => ({ content: [{ type: "text", text: `The result of ${taskId}` }] });
export const errorOf = (taskId: string) => ({ code: -32000, message: `The error of ${taskId}` });

/** Runs a step. It rejects as the store does, and for a message out of order. */
export async function carryOut(store: TaskStore, step: Step): Promise<void> {
  switch (step.kind) {
    case "create":
      await store.createTask({ taskId: step.taskId, ttl: null }, 1, {
        method: "tools/call",
        params: { name: "grind" },
      });
      return;
    case "progress":
      await store.updateTask(step.taskId, { statusMessage: step.text });
      return;
    case "complete":
      await store.storeTaskResult(step.taskId, "completed", resultOf(step.taskId));
      return;
    case "fail":
      await store.finishTask(step.taskId, { status: "failed", error: errorOf(step.taskId) });
      return;
    case "cancel":
      await store.cancelTask(step.taskId);
      return;
    case "enqueue":
      await store.messages.enqueue(step.queue, {
        type: "notification",
        timestamp: step.number,
        message: { jsonrpc: "2.0", method: "notifications/message" },
      });
      return;
    case "dequeue": {
      const message = await store.messages.dequeue(step.queue);
      if (message?.timestamp !== step.number)
        throw new Error(`${step.number} was next, and ${message?.timestamp} came`);
    }
  }
}

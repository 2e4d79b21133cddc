import type { TaskStore } from "@mcp-task-store/core";
import { expect } from "vitest";
import { errorOf, resultOf, type Step } from "./plan.ts";

interface ExpectedTask {
  status: string;
  revision: number;
  statusMessage?: string;
}

/** The tasks and messages that a store has to hold after writes. */
export class Expected {
  readonly tasks = new Map<string, ExpectedTask>();
  readonly queues = new Map<string, number[]>();

  apply(step: Step): void {
    if (step.kind === "create") {
      this.tasks.set(step.taskId, { status: "working", revision: 1 });
    } else if (step.kind === "enqueue" || step.kind === "dequeue") {
      const queue = this.queues.get(step.queue) ?? [];
      this.queues.set(step.queue, queue);
      if (step.kind === "enqueue") queue.push(step.number);
      else queue.shift();
    } else {
      const task = this.tasks.get(step.taskId) as ExpectedTask;
      task.revision += 1;
      if (step.kind === "progress") task.statusMessage = step.text;
      else task.status = { complete: "completed", fail: "failed", cancel: "cancelled" }[step.kind];
    }
  }

  /** Reads whether a step with a lost answer took effect, and records it if so. */
  async settle(store: TaskStore, step: Step): Promise<boolean> {
    let happened: boolean;
    if (step.kind === "enqueue" || step.kind === "dequeue") {
      // Reading a message takes it, so all are put back.
      const held = await store.messages.dequeueAll(step.queue);
      for (const message of held) await store.messages.enqueue(step.queue, message);
      const last = (this.queues.get(step.queue)?.length ?? 0) + (step.kind === "enqueue" ? 1 : -1);
      happened = held.length === last;
    } else {
      const record = await store.getRecord(step.taskId);
      happened = record !== null && record.revision === (this.tasks.get(step.taskId)?.revision ?? 0) + 1;
    }
    if (happened) this.apply(step);
    return happened;
  }

  /** Compares with the store: no write is lost, doubled or incomplete. */
  async check(store: TaskStore): Promise<void> {
    for (const [taskId, { status, revision, statusMessage }] of this.tasks) {
      const record = await store.getRecord(taskId);
      expect(record, taskId).not.toBeNull();
      if (!record) continue;
      expect({ status: record.task.status, revision: record.revision }, taskId).toEqual({ status, revision });
      if (status !== "cancelled") expect(record.task.statusMessage, taskId).toBe(statusMessage);
      expect(record.result, taskId).toEqual(status === "completed" ? resultOf(taskId) : undefined);
      expect(record.error, taskId).toEqual(status === "failed" ? errorOf(taskId) : undefined);
    }
    for (const [queue, numbers] of this.queues) {
      const held = await store.messages.dequeueAll(queue);
      expect(
        held.map(({ timestamp }) => timestamp),
        queue,
      ).toEqual(numbers);
      for (const message of held) await store.messages.enqueue(queue, message);
    }
  }
}

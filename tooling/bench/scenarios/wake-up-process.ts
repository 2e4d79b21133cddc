/**
 * Another process, which waits for tasks and reports when it learned of their end. It takes the
 * address of the store.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { isTerminal } from "@mcp-task-store/core";
import { type Address, openStore } from "../places.ts";

export type Way = "wait" | "poll";

export interface Order {
  readonly taskIds: readonly string[];
  readonly way: Way;
}

/**
 * Sent once it waits, and then at the end of each task. The time is CLOCK_MONOTONIC, which all
 * processes of a machine share.
 */
export type Report = { readonly waiting: true } | { readonly taskId: string; readonly at: string };

/** SDK 1.x's default poll interval. */
const POLL_MS = 1000;

await using cleanUp = new AsyncDisposableStack();
const store = openStore(JSON.parse(process.argv[2] ?? "") as Address, cleanUp);
const report = (message: Report) => process.send?.(message);

process.on("message", ({ taskIds, way }: Order) => {
  for (const taskId of taskIds) {
    void (way === "wait" ? store.waitForTask(taskId) : polled(taskId)).then(() =>
      report({ taskId, at: String(process.hrtime.bigint()) }),
    );
  }
  // This read comes after the start of the waits. Listening takes a moment longer.
  void store
    .getTask(taskIds[0] as string)
    .then(() => sleep(300))
    .then(() => report({ waiting: true }));
});
await new Promise((resolve) => process.once("disconnect", resolve));

async function polled(taskId: string): Promise<void> {
  // Pollers start at different times.
  await sleep(Math.random() * POLL_MS);
  for (;;) {
    const task = await store.getTask(taskId);
    if (!task || isTerminal(task.status)) return;
    await sleep(POLL_MS);
  }
}

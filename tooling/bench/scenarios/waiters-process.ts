/**
 * A process with many waiters that reports their cost. It needs --expose-gc and the address of the
 * store.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { inFlight, REQUEST, RESULT } from "../lives.ts";
import { type Address, openStore } from "../places.ts";

export type Order =
  | { readonly order: "create" | "finish"; readonly tasks: number }
  | { readonly order: "know"; readonly taskIds: readonly string[] }
  | { readonly order: "use" | "wait" | "woken" };

/** In bytes, after a garbage collection. */
export interface Memory {
  readonly heap: number;
  readonly resident: number;
}

await using cleanUp = new AsyncDisposableStack();
const store = openStore(JSON.parse(process.argv[2] ?? "") as Address, cleanUp);
const taskIds: string[] = [];
let waits: Promise<unknown>[] = [];

process.on("message", async ({ id, order }: { id: number; order: Order }) => {
  process.send?.({ id, answer: await obey(order) });
});
await new Promise((resolve) => process.once("disconnect", resolve));

async function obey(order: Order): Promise<unknown> {
  switch (order.order) {
    case "create":
      return inFlight(64, order.tasks, async () => taskIds.push((await store.createTask({}, 1, REQUEST)).taskId));
    case "know":
      return taskIds.push(...order.taskIds);
    case "finish": {
      let next = 0;
      return inFlight(64, order.tasks, () => store.storeTaskResult(taskIds[next++] as string, "completed", RESULT));
    }
    case "use":
      // More concurrent reads than a pool has connections.
      await Promise.all(taskIds.slice(0, 64).map((taskId) => store.getTask(taskId)));
      return memory();
    case "wait":
      waits = taskIds.map((taskId) => store.waitForTask(taskId));
      // Waits until every waiter has done its first read, whose memory can then be freed.
      await store.getTask(taskIds.at(-1) as string);
      await sleep(2000);
      return memory();
    case "woken":
      await Promise.all(waits);
      return String(process.hrtime.bigint());
  }
}

async function memory(): Promise<Memory> {
  for (let times = 0; times < 3; times += 1) {
    await globalThis.gc?.({ type: "major", execution: "async" });
    await sleep(100);
  }
  const { heapUsed, external, rss } = process.memoryUsage();
  return { heap: heapUsed + external, resident: rss };
}

// A server hands one signal to all of its runs and waits. Prints how many listeners are left on it
// when those are over, and how many of the runs' results are still in memory.
import { getEventListeners } from "node:events";
import { setImmediate } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { MemoryTaskStore, runTask } from "@mcp-task-store/memory";

setFlagsFromString("--expose-gc");
const gc = runInNewContext("gc");
const { signal } = new AbortController();
const results = [];

async function live() {
  const store = new MemoryTaskStore();
  await Promise.all(
    Array.from({ length: 50 }, async () => {
      const { taskId } = await store.createTask({ name: "work", ttl: 60_000 });
      const waiting = store.waitForResult(taskId, { signal });
      await runTask(
        store,
        taskId,
        () => {
          const result = { content: [] };
          results.push(new WeakRef(result));
          return result;
        },
        { signal },
      );
      await waiting;
    }),
  );
  await store.close();
}

await live();
for (let turn = 0; turn < 5; turn += 1) {
  gc();
  await setImmediate();
}
const kept = results.filter((each) => each.deref() !== undefined).length;
console.log(JSON.stringify({ listeners: getEventListeners(signal, "abort").length, kept, ran: results.length }));

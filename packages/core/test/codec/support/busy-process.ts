import { directoryStorage, type ObjectStorage, type TaskStore } from "@mcp-task-store/core";
import { openStore } from "../../../../../tooling/test/fixtures/durable-stores.ts";
import { codecOver, large } from "./objects.ts";

// node busy-process.ts <address> <folder>: makes, works on and removes tasks with large payloads
// until it is killed. It prints a character before and after each write of the storage, so that it
// is often killed there.

const [address = "", folder = ""] = process.argv.slice(2);
const storage = directoryStorage(folder);
const told: ObjectStorage = {
  ...storage,
  async put(key, bytes) {
    process.stdout.write("p");
    await storage.put(key, bytes);
    process.stdout.write("P");
  },
  async delete(key) {
    process.stdout.write("d");
    await storage.delete(key);
    process.stdout.write("D");
  },
};
const store = openStore(JSON.parse(address), { codec: codecOver(told), sweepIntervalMs: false });

async function lane(number: number, store: TaskStore): Promise<never> {
  for (let round = 0; ; round += 1) {
    const { taskId } = await store.createTask({ name: "work", arguments: { text: large(`request ${number}`) } });
    const lease = await store.acquireLease(taskId, { leaseMs: 60_000 });
    for (let step = 0; step < 3; step += 1)
      await store.updateTask(taskId, { checkpoint: { text: large(`${step}`) } }, { lease });
    const result = { content: [{ type: "text", text: large("result") }] };
    await store.finishTask(taskId, { status: "completed", result }, { lease });
    if (round % 2 === 0) await store.operations.removeTasks({ id: taskId });
  }
}

for (let number = 0; number < 3; number += 1) void lane(number, store);

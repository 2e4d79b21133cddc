import { directoryStorage, type ObjectStorage } from "@mcp-task-store/core";
import { openStore } from "../../../../../tooling/test/fixtures/durable-stores.ts";
import { codecOver, large } from "./objects.ts";

// node killed-process.ts <address> <folder> <what> <task>: a process that is killed between two
// steps. It prints a line at that point, and goes no further.
// create: the object of a request is written, and its task is not.
// save: the object of a checkpoint is written, and the task still refers to the one before.
// replace: the task refers to a new checkpoint, and the object of the one before is not deleted.
// remove: the task is removed, and its objects are not.

const [address = "", folder = "", what, taskId = ""] = process.argv.slice(2);
const storage = directoryStorage(folder);
let steps = 0;
const atStep = async (number: number): Promise<void> => {
  steps += 1;
  if (steps !== number) return;
  console.log("between");
  await new Promise(() => undefined);
};
const stopping: ObjectStorage = {
  ...storage,
  async put(key, bytes) {
    await storage.put(key, bytes);
    if (what === "create") await atStep(1);
    if (what === "save") await atStep(2);
  },
  async delete(key) {
    if (what === "replace" || what === "remove") await atStep(1);
    await storage.delete(key);
  },
};
const store = openStore(JSON.parse(address), { codec: codecOver(stopping), sweepIntervalMs: false });
setInterval(() => undefined, 60_000);
if (what === "create") await store.createTask({ name: "work", arguments: { text: large("new") } });
else if (what === "remove") await store.operations.removeTasks({ id: taskId });
else {
  const lease = await store.acquireLease(taskId, { leaseMs: 60_000 });
  for (const word of ["first", "second"])
    await store.updateTask(taskId, { checkpoint: { text: large(word) } }, { lease });
}

// A separate process for the tests. It runs the command in its arguments and prints one line per
// result.
import { SqliteTaskStore, startWorker, type TaskStoreError } from "@mcp-task-store/sqlite";

const [command, path = "", ...rest] = process.argv.slice(2);
const store = new SqliteTaskStore({ path });
const request = { method: "tools/call", params: { name: "grind" } };

switch (command) {
  case "create": {
    await store.createTask({}, 1, request);
    console.log("created");
    break;
  }
  // Until the test kills it.
  case "write":
    for (;;) {
      const ids = await Promise.all(
        [1, 2, 3].map(async () => {
          const { taskId } = await store.createTask({}, 1, request);
          await store.storeTaskResult(taskId, "completed", { of: taskId });
          return taskId;
        }),
      );
      process.stdout.write(`${ids.join("\n")}\n`);
    }
  case "finish":
    await store.storeTaskResult(rest[0] as string, "completed", {});
    break;
  // Until the test kills it.
  case "work": {
    const worker = startWorker(store, { grind: async (task) => ({ of: task.taskId }) });
    await store.listTasks();
    console.log("working");
    await new Promise((resolve) => process.once("SIGTERM", resolve));
    await worker.stop();
    break;
  }
  case "fail":
    await store.getTask("any").then(
      () => console.log("no error"),
      (error: TaskStoreError) => console.log(JSON.stringify({ code: error.code, message: error.message })),
    );
    break;
}
await store.close();

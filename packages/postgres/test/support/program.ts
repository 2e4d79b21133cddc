// A separate process for the tests. It runs the command in its arguments and prints one line per
// result.
import { PostgresTaskStore } from "@mcp-task-store/postgres";

const [command, connectionString = "", schema = "", ...rest] = process.argv.slice(2);
const store = new PostgresTaskStore({ connectionString, schema });
const request = { method: "tools/call", params: { name: "grind" } };

switch (command) {
  case "create":
    await store.createTask({}, 1, request);
    console.log("created");
    break;
  case "finish":
    await store.storeTaskResult(rest[0] as string, "completed", {});
    break;
  // The process exits with open connections.
  case "leave":
    await store.createTask({}, 1, request);
    void store.subscribe(() => undefined);
    await store.listTasks();
    console.log("left");
    break;
}
if (command !== "leave") await store.close();

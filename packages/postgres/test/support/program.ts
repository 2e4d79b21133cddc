// A process of its own, for the tests: does what its arguments say and prints what came of it, a line each.
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
  // Ends without closing anything, and is not kept alive by what is open.
  case "leave":
    await store.createTask({}, 1, request);
    void store.subscribe(() => undefined);
    await store.listTasks();
    console.log("left");
    break;
}
if (command !== "leave") await store.close();

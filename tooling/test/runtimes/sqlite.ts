// The SQLite store on the runtime's own driver. Prints what it finds as JSON.
import { readdirSync, readlinkSync } from "node:fs";
import { isTaskStoreError, type SqliteDatabase, SqliteTaskStore } from "@mcp-task-store/sqlite";

const [path = ""] = process.argv.slice(2);
const request = { method: "tools/call", params: { name: "render" } };

function openFiles(): string[] {
  return readdirSync("/proc/self/fd").flatMap((descriptor) => {
    try {
      const file = readlinkSync(`/proc/self/fd/${descriptor}`);
      return file.startsWith(path) ? [file] : [];
    } catch {
      // The descriptor of this listing is closed again.
      return [];
    }
  });
}

const own = new SqliteTaskStore({ path });
const { taskId } = await own.createTask({}, 1, request);
await own.operations.stats();
const whileOpen = openFiles().length;
await own.close();
const afterClose = openFiles().length;

const database: SqliteDatabase = process.versions["bun"]
  ? new (
      process.getBuiltinModule("bun:sqlite" as never) as { Database: new (path: string) => SqliteDatabase }
    ).Database(path)
  : new (process.getBuiltinModule("node:sqlite").DatabaseSync)(path);
const given = new SqliteTaskStore({ database });
const found = await given.getTask(taskId);
database.exec("BEGIN");
const refused = await given.updateTaskStatus(taskId, "working").then(() => undefined, textOf);
database.exec("ROLLBACK");
for (const [id, end] of Object.entries({ rolledBack: "ROLLBACK", committed: "COMMIT" })) {
  database.exec("BEGIN IMMEDIATE");
  given.in(database).createTask({ name: "render", taskId: id });
  database.exec(end);
}
const inTransactions = { rolledBack: await given.getTask("rolledBack"), committed: await given.getTask("committed") };
await given.updateTaskStatus(taskId, "working", "in \0 and \ud800");
const { statusMessage } = (await given.getTask(taskId)) ?? {};
await given.close();
database.close();
const afterBoth = openFiles().length;

const missing = new SqliteTaskStore({ path: `${path}-folder/tasks.db` });
const noFolder = await missing.getTask(taskId).then(() => undefined, textOf);

const elsewhere = new SqliteTaskStore({ path, driver: "bun:sqlite" });
const noDriver = await elsewhere.getTask(taskId).then(() => undefined, textOf);

console.log(
  JSON.stringify({
    capabilities: given.capabilities,
    ...{ whileOpen, afterClose, afterBoth, found: found?.taskId === taskId, statusMessage },
    rolledBack: inTransactions.rolledBack,
    committed: inTransactions.committed?.status,
    ...{ refused, noFolder, noDriver },
  }),
);

function textOf(error: unknown): string {
  return isTaskStoreError(error) ? `${error.code}: ${error.message}` : String(error);
}

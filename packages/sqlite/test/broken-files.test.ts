import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { SqliteTaskStore, type TaskStoreError } from "@mcp-task-store/sqlite";
import Database from "better-sqlite3";
import { expect, onTestFinished, test } from "vitest";
import { temporaryFolder } from "./support/folder.ts";
import { start } from "./support/process.ts";

const SECRET = "s3cr3t-payload";
const request = { method: "tools/call", params: { name: "grind", arguments: { password: SECRET } } };

async function newDatabase(): Promise<string> {
  const path = join(temporaryFolder(), "tasks.db");
  const store = new SqliteTaskStore({ path });
  await store.createTask({}, 1, request);
  await store.close();
  return path;
}

/** The error of every kind of call on a store over this file. The file must stay unchanged. */
async function failure(path: string): Promise<TaskStoreError> {
  const before = readFileSync(path);
  const store = new SqliteTaskStore({ path });
  const errors = [];
  for (const call of [() => store.getTask("any"), () => store.createTask({}, 1, request), () => store.listTasks()])
    errors.push(
      await call().then(
        () => expect.fail("no error"),
        (error: TaskStoreError) => error,
      ),
    );
  await store.close();
  expect(readFileSync(path).equals(before)).toBe(true);
  expect(readdirSync(join(path, ".."))).toEqual(["tasks.db"]);
  for (const { name, code, message, stack } of errors) {
    expect(name).toBe("TaskStoreError");
    expect(message).not.toMatch(/tasks\.db|SELECT|INSERT|PRAGMA/);
    expect(`${message}${stack}`).not.toContain(SECRET);
    expect(code).toBe(errors[0]?.code);
  }
  return errors[0] as TaskStoreError;
}

test("a file that is no database is BACKEND_UNAVAILABLE", async () => {
  const path = join(temporaryFolder(), "tasks.db");
  writeFileSync(path, "Dear diary, today I made no database.\n".repeat(200));
  const error = await failure(path);
  expect(error).toMatchObject({ code: "BACKEND_UNAVAILABLE", cause: { code: "SQLITE_NOTADB" } });
  expect(error.message).toMatch(/not an SQLite database/);
});

test("a file with a damaged catalog is BACKEND_UNAVAILABLE", async () => {
  const path = await newDatabase();
  const bytes = readFileSync(path);
  bytes.fill(0xa5, 100);
  writeFileSync(path, bytes);
  const error = await failure(path);
  expect(error).toMatchObject({ code: "BACKEND_UNAVAILABLE", cause: { code: "SQLITE_CORRUPT" } });
  expect(error.message).toMatch(/damaged/);
});

test("a file with damaged tables is BACKEND_UNAVAILABLE", async () => {
  const path = await newDatabase();
  const bytes = readFileSync(path);
  // The first page holds the catalog.
  bytes.fill(0xa5, 4096);
  writeFileSync(path, bytes);
  expect(await failure(path)).toMatchObject({ code: "BACKEND_UNAVAILABLE", message: /damaged/ });
});

test("tables of a newer version are SCHEMA_MISMATCH", async () => {
  const path = await newDatabase();
  const database = new Database(path);
  database.exec("INSERT INTO mcp_migrations VALUES (99, 'from_the_future', 0)");
  // The store must refuse before it switches the file to WAL.
  database.pragma("journal_mode = DELETE");
  database.close();
  const error = await failure(path);
  expect(error).toMatchObject({ code: "SCHEMA_MISMATCH" });
  expect(error.message).toMatch(/99.*update/);
});

// Root may write anywhere, so the test runs as another user.
test.skipIf(process.platform === "win32").each(["new file", "existing file"])(
  "a folder without write permission is BACKEND_UNAVAILABLE (%s)",
  async (kind) => {
    const path = kind === "new file" ? join(temporaryFolder(), "tasks.db") : await newDatabase();
    const folder = join(path, "..");
    const before = existsSync(path) ? readFileSync(path) : undefined;
    chmodSync(folder, 0o555);
    onTestFinished(() => chmodSync(folder, 0o755));
    const process_ = start(["fail", path], process.getuid?.() === 0 ? { uid: 65534 } : {});
    await process_.ended;
    expect(JSON.parse(process_.lines[0] ?? "")).toEqual({
      code: "BACKEND_UNAVAILABLE",
      message: expect.stringMatching(/allow/),
    });
    expect(existsSync(path) ? readFileSync(path) : undefined).toEqual(before);
  },
);

test("a missing folder is BACKEND_UNAVAILABLE until someone creates it", async () => {
  const folder = join(temporaryFolder(), "missing");
  const store = new SqliteTaskStore({ path: join(folder, "tasks.db") });
  await expect(store.getTask("any")).rejects.toMatchObject({ code: "BACKEND_UNAVAILABLE", message: /does not exist/ });
  mkdirSync(folder);
  expect(await store.getTask("any")).toBeNull();
  await store.close();
});

test("a file in place of the folder is BACKEND_UNAVAILABLE", async () => {
  const file = join(temporaryFolder(), "file");
  writeFileSync(file, "");
  const store = new SqliteTaskStore({ path: join(file, "tasks.db") });
  await expect(store.getTask("any")).rejects.toMatchObject({
    code: "BACKEND_UNAVAILABLE",
    message: /cannot be opened/,
  });
  await store.close();
});

test("a locked database is BACKEND_UNAVAILABLE until the lock is released", async () => {
  const path = await newDatabase();
  const database = new Database(path);
  const store = new SqliteTaskStore({ path, busyTimeoutMs: 50 });
  const { taskId } = await store.createTask({}, 1, request);
  database.exec("BEGIN IMMEDIATE");
  const error = await store.updateTaskStatus(taskId, "working", SECRET).then(
    () => expect.fail("no error"),
    (error: TaskStoreError) => error,
  );
  expect(error).toMatchObject({ code: "BACKEND_UNAVAILABLE", message: /locked/, cause: { code: "SQLITE_BUSY" } });
  expect(`${error.message}${error.stack}${error.cause}`).not.toContain(SECRET);
  database.exec("ROLLBACK");
  await store.updateTaskStatus(taskId, "working", SECRET);
  expect(await store.getTask(taskId)).toMatchObject({ statusMessage: SECRET });
  await store.close();
  database.close();
});

import { execFile } from "node:child_process";
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { promisify } from "node:util";
import type { TaskStore } from "@mcp-task-store/core";
import { PostgresTaskStore } from "@mcp-task-store/postgres";
import { RedisTaskStore } from "@mcp-task-store/redis";
import { SqliteTaskStore } from "@mcp-task-store/sqlite";
import Database from "better-sqlite3";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { createDatabase, sharedServer } from "../../databases/fixtures.ts";
import { startOwnRedis } from "../../databases/index.ts";

// What the page about backups says, done while a store writes. A test is skipped where the
// database's own tool is missing.

const run = promisify(execFile);
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "backups-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** A store with a task that ended and one that works, which goes on creating others. */
async function inUse(store: TaskStore) {
  const ended = await store.createTask({ name: "render", arguments: { frames: 3 } });
  await store.finishTask(ended.taskId, { status: "completed", result: { content: [{ type: "text", text: "done" }] } });
  const works = await store.createTask({ name: "render" });
  await store.updateTask(works.taskId, { checkpoint: { frame: 2 } });
  let writing = true;
  const writes = (async () => {
    while (writing) {
      await store.createTask({ name: "other" });
      // A store on SQLite answers in microtasks, and would leave no turn to others.
      await setImmediate();
    }
  })();
  const stop = async () => {
    writing = false;
    await writes;
  };
  return { ended: ended.taskId, works: works.taskId, stop };
}

/** What a restored store has of them. */
async function expectRestored(store: TaskStore, ids: { readonly ended: string; readonly works: string }) {
  expect(await store.getTaskResult(ids.ended)).toEqual({ content: [{ type: "text", text: "done" }] });
  expect((await store.getRecord(ids.works))?.checkpoint).toEqual({ frame: 2 });
  // It is a store like any other: a worker takes the task over, with a larger token.
  const lease = await store.acquireLease(ids.works);
  await store.finishTask(ids.works, { status: "completed", result: { content: [] } }, { lease });
}

describe("SQLite", () => {
  test.each([
    ["VACUUM INTO", async (database: Database.Database, to: string) => void database.exec(`VACUUM INTO '${to}'`)],
    ["the driver's backup", async (database: Database.Database, to: string) => void (await database.backup(to))],
  ])("a copy by %s has every task", async (name, copy) => {
    const [path, to] = [join(folder, `${name}.db`), join(folder, `${name} copy.db`)];
    const store = new SqliteTaskStore({ path });
    const tasks = await inUse(store);
    const database = new Database(path);
    await copy(database, to);
    database.close();
    await tasks.stop();
    await store.close();
    const restored = new SqliteTaskStore({ path: to });
    onTestFinished(() => restored.close());
    await expectRestored(restored, tasks);
  });
});

test("PostgreSQL: pg_dump and pg_restore", async ({ skip }) => {
  const server = await sharedServer({ product: "PostgreSQL" });
  const version = await run("pg_dump", ["--version"]).catch(() => undefined);
  const newest = Number(/ (\d+)/.exec(version?.stdout ?? "")?.[1] ?? 0);
  if (newest < Number.parseInt(server.version, 10)) skip(`no pg_dump for PostgreSQL ${server.version}`);
  const [from, to] = [await createDatabase(server.url), await createDatabase(server.url)];
  const store = new PostgresTaskStore({ connectionString: from.url });
  const tasks = await inUse(store);
  const file = join(folder, "tasks.dump");
  await run("pg_dump", ["--format=custom", "--schema=mcp_tasks", `--file=${file}`, from.url]);
  await tasks.stop();
  await store.close();
  await run("pg_restore", ["--clean", "--if-exists", `--dbname=${to.url}`, file]);
  const restored = new PostgresTaskStore({ connectionString: to.url });
  await expectRestored(restored, tasks);
  await restored.close();
  await Promise.all([from.drop(), to.drop()]);
});

test("Redis: a snapshot by redis-cli", async ({ skip }) => {
  const first = await startOwnRedis();
  onTestFinished(() => first.stop());
  if (!first.way.includes("this machine")) skip(`the files of a server in a container are not here (${first.way})`);
  const store = new RedisTaskStore({ url: first.url });
  const tasks = await inUse(store);
  await run("redis-cli", ["-u", first.url, "--rdb", join(folder, "tasks.rdb")]);
  await tasks.stop();
  await store.close();
  // The servers of tests run as another user than root.
  await Promise.all([chmod(folder, 0o777), chmod(join(folder, "tasks.rdb"), 0o666)]);
  const args = ["--appendonly", "no", "--dir", folder, "--dbfilename", "tasks.rdb"];
  const second = await startOwnRedis({ args });
  onTestFinished(() => second.stop());
  const restored = new RedisTaskStore({ url: second.url });
  onTestFinished(() => restored.close());
  await expectRestored(restored, tasks);
});

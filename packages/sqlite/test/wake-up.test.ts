import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { SqliteBackend, SqliteTaskStore } from "@mcp-task-store/sqlite";
import Database from "better-sqlite3";
import { expect, onTestFinished, test, vi } from "vitest";
import { temporaryFolder } from "./support/folder.ts";
import { start } from "./support/process.ts";

const request = { method: "tools/call", params: { name: "grind" } };
const NO_CAPS = { activeTasks: null, activeTasksPerOwner: null };
const anyone = null;

test("a wait ends when another process finishes the task", async () => {
  const path = join(temporaryFolder(), "tasks.db");
  // Only the signal can end the wait.
  const store = new SqliteTaskStore({ path, fallbackPollMs: 2 ** 31 - 1 });
  const { taskId } = await store.createTask({}, 1, request);
  const waiting = store.waitForTask(taskId, { timeoutMs: 50_000 });
  await start(["finish", path, taskId]).ended;
  expect(await waiting).toMatchObject({ task: { status: "completed" }, revision: 2 });
  await store.close();
});

test("a store polls for changes only while a call waits or a subscription is open", async () => {
  const database = new Database(join(temporaryFolder(), "tasks.db"));
  let looks = 0;
  const prepare = database.prepare.bind(database);
  database.prepare = ((sql: string) => {
    const statement = prepare(sql);
    if (!sql.includes("data_version")) return statement;
    const get = statement.get.bind(statement);
    statement.get = (...parameters: unknown[]) => {
      looks += 1;
      return get(...parameters);
    };
    return statement;
  }) as typeof database.prepare;
  const backend = new SqliteBackend({ database, changePollMs: 1 });
  await backend.open();
  await setTimeout(20);
  expect(looks).toBe(0);
  const stop = await backend.listen(() => undefined);
  while (looks < 5) await setTimeout(1);
  await stop();
  const before = looks;
  await setTimeout(20);
  expect(looks).toBe(before);
  await backend.close();
  database.close();
});

test("listeners get every change with its task, also after deletions", async () => {
  const path = join(temporaryFolder(), "tasks.db");
  let time = Date.now();
  const [here, there] = [1, 2].map(() => new SqliteBackend({ path, changePollMs: 1, clock: { now: () => time } })) as [
    SqliteBackend,
    SqliteBackend,
  ];
  await here.open();
  await there.open();
  const told: (string | undefined)[] = [];
  const stop = await here.listen((taskId) => told.push(taskId));
  const insert = (backend: SqliteBackend, taskId: string, ttl: number | null = null) =>
    backend.insert(
      { taskId, owner: null, name: "grind", ttl, pollInterval: null, request: "{}", claimAfterMs: 0 },
      NO_CAPS,
    );
  const untilTold = async (taskId: string) => {
    while (!told.includes(taskId)) await setTimeout(1);
    told.length = 0;
  };
  await insert(here, "own");
  await untilTold("own");
  await insert(there, "other", 1000);
  await untilTold("other");
  // The task of the last change is deleted. The next change must not reuse its number.
  time += 1001;
  expect(await there.deleteExpired(10)).toEqual({ deleted: 1, more: false });
  await there.update("own", { scope: anyone }, { status: "input_required" });
  await untilTold("own");
  // Leases and refused writes change nothing that a reader can see.
  await there.claim({ names: ["grind"], leaseMs: 10, limit: 1 });
  await there.update("own", { scope: anyone, revision: 77 }, { status: "working" });
  await insert(there, "last");
  await untilTold("last");
  await stop();
  await here.close();
  await there.close();
});

test("a listener gets `undefined` for changes no longer in the log, and a task for each other change", async () => {
  const path = join(temporaryFolder(), "tasks.db");
  const backend = new SqliteBackend({ path, changePollMs: 1 });
  await backend.open();
  await backend.insert(
    { taskId: "a", owner: null, name: "grind", ttl: null, pollInterval: null, request: "{}", claimAfterMs: 0 },
    NO_CAPS,
  );
  const told: (string | undefined)[] = [];
  const stop = await backend.listen((taskId) => told.push(taskId));
  const other = new Database(path);
  // Simulates this many changes by others.
  const changeTo = (seq: number) => other.prepare("INSERT INTO mcp_changes (seq, position) VALUES (?, 1)").run(seq);
  const until = async (count: number) => {
    while (told.length < count) await setTimeout(1);
    return told.splice(0);
  };
  changeTo(99_999);
  expect(await until(1)).toEqual(["a"]);
  changeTo(200_998);
  expect(await until(2)).toEqual([undefined, "a"]);
  // Another store listens.
  other
    .prepare("INSERT INTO mcp_listeners (id, listens_until, every_change) VALUES (1, ?, 1)")
    .run(Date.now() + 50_000);
  await backend.update("a", { scope: anyone }, { status: "input_required" });
  await backend.update("a", { scope: anyone }, { status: "working" });
  expect(other.prepare("SELECT seq FROM mcp_changes").pluck().all()).toEqual([200_998, 200_999, 201_000]);
  await stop();
  await backend.close();
  other.close();
});

test("a change is logged only while another store listens", async () => {
  const path = join(temporaryFolder(), "tasks.db");
  const [here, there] = [1, 2].map(() => new SqliteBackend({ path, changePollMs: 1 })) as [
    SqliteBackend,
    SqliteBackend,
  ];
  await here.open();
  await there.open();
  await here.insert(
    { taskId: "a", owner: null, name: "grind", ttl: null, pollInterval: null, request: "{}", claimAfterMs: 0 },
    NO_CAPS,
  );
  const database = new Database(path);
  const change = async (backend: SqliteBackend) => {
    await backend.update("a", { scope: anyone }, { status: "working" });
    return database.prepare("DELETE FROM mcp_changes").run().changes;
  };
  expect(await change(here)).toBe(0);
  const told: (string | undefined)[] = [];
  const untilTold = async (taskId: string | undefined) => {
    while (!told.includes(taskId)) await setTimeout(1);
    told.length = 0;
  };
  const stop = await here.listen((taskId) => told.push(taskId));
  expect(await change(here)).toBe(0);
  await untilTold("a");
  expect(await change(there)).toBe(1);

  // Simulates a process suspended until its registration lapsed.
  vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 61_000 });
  onTestFinished(() => void vi.useRealTimers());
  await there.update("a", { scope: anyone }, { status: "input_required" });
  await untilTold(undefined);
  expect(await change(there)).toBe(1);
  await stop();
  await here.close();
  await there.close();
  database.close();
});
